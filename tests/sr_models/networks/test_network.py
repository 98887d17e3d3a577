import dataclasses
import shutil

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sr_models.ground.errors import OptionError, UnknownModelError, WeightsError
from sr_models.ground.registry import Registry
from sr_models.networks import network, presets
from sr_models.networks.presets import get_preset
from sr_models.networks.registry import Family


@pytest.fixture(scope="module")
def weights_file(tiny_preset, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "tiny_x3.weights.h5"
    network.save_trunk(network.build_trunk(tiny_preset), path)
    return path


def test_weights_come_back(tiny_preset, tmp_path):
    trunk = network.build_trunk(tiny_preset)
    trunk.save_weights(tmp_path / "a.weights.h5")
    loaded = network.load_trunk(tiny_preset, weights=tmp_path / "a.weights.h5")
    assert network.weights_sha256(loaded) == network.weights_sha256(trunk)
    for name, array in network.named_weights(trunk).items():
        np.testing.assert_array_equal(network.named_weights(loaded)[name], array)


def test_saved_weights_are_those_that_keras_would_have_saved(tiny_preset, tmp_path):
    trunk = network.build_trunk(tiny_preset)
    trunk.save_weights(tmp_path / "keras.weights.h5")
    network.save_trunk(trunk, tmp_path / "ours.weights.h5")
    found = {}
    for name in ("keras", "ours"):
        with h5py.File(tmp_path / f"{name}.weights.h5") as file:
            arrays = found.setdefault(name, {})
            file.visititems(
                lambda key, item, arrays=arrays: (
                    arrays.update({key: item[()]}) if isinstance(item, h5py.Dataset) else None
                )
            )
    assert found["keras"].keys() == found["ours"].keys()
    for key, array in found["keras"].items():
        np.testing.assert_array_equal(found["ours"][key], array)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "keras.weights.h5",
        "ours.weights.h5",
    ]


def test_the_hash_tells_weights_apart(tiny_preset):
    trunk = network.build_trunk(tiny_preset)
    before = network.weights_sha256(trunk)
    kernel, bias = trunk.get_layer("last").get_weights()
    bias[0] = np.nextafter(bias[0], np.float32(1))
    trunk.get_layer("last").set_weights([kernel, bias])
    assert network.weights_sha256(trunk) != before


def test_missing_weights_say_how_to_get_them(tiny_preset, tmp_path):
    with pytest.raises(WeightsError, match="sr-models train tiny_x3 --data DIR"):
        network.load_trunk(tiny_preset, weights=tmp_path / "absent.weights.h5")
    with pytest.raises(WeightsError, match="found no file"):
        network.load_trunk(tiny_preset, weights=tmp_path)


@pytest.mark.parametrize("kept", [0, 1, 100, 4000, 20_000])
def test_truncated_weights(kept, tiny_preset, weights_file, tmp_path):
    path = tmp_path / "cut.weights.h5"
    path.write_bytes(weights_file.read_bytes()[:kept])
    with pytest.raises(WeightsError, match="damaged file") as error:
        network.load_trunk(tiny_preset, weights=path)
    assert "\n" not in str(error.value) and "()" not in str(error.value)


@pytest.fixture(scope="module")
def smallest_file(smallest_preset, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "smallest.weights.h5"
    network.save_trunk(network.build_trunk(smallest_preset), path)
    return path


@settings(max_examples=25)
@given(places=st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), min_size=1))
def test_a_damaged_index_is_a_weights_error_or_harmless(
    places, smallest_preset, smallest_file, tmp_path_factory
):
    content = bytearray(smallest_file.read_bytes())
    for place, value in places:
        content[place] = value
    path = tmp_path_factory.mktemp("damage") / "damaged.weights.h5"
    path.write_bytes(content)
    try:
        network.load_trunk(smallest_preset, weights=path)
    except WeightsError as error:
        assert str(path) in str(error)


@pytest.mark.parametrize("change", [{"width": 12}, {"blocks": 1}, {"blocks": 3}, {"scale": 2}])
def test_weights_of_another_network(change, tiny_preset, weights_file):
    other = dataclasses.replace(tiny_preset, config={**tiny_preset.config, **change})
    with pytest.raises(WeightsError, match="another network"):
        network.load_trunk(other, weights=weights_file)


def test_weights_of_the_training_form(tiny_preset, tmp_path):
    network.build_trunk(tiny_preset, form="train").save_weights(tmp_path / "train.weights.h5")
    with pytest.raises(WeightsError, match="another network"):
        network.load_trunk(tiny_preset, weights=tmp_path / "train.weights.h5")


def test_setting_weights_checks_names_and_shapes(tiny_preset):
    trunk = network.build_trunk(tiny_preset)
    weights = network.named_weights(trunk)
    with pytest.raises(WeightsError, match="last/kernel"):
        network.set_named_weights(trunk, {**weights, "last/kernel": np.zeros((1, 1, 8, 27))})
    del weights["last/bias"]
    with pytest.raises(WeightsError, match=r"last/bias .*found none"):
        network.set_named_weights(trunk, weights)


def test_a_whole_network_from_a_file(tmp_path):
    preset = get_preset("xlsr_x3")
    network.build_trunk(preset).save_weights(tmp_path / "a.weights.h5")
    model = network.load_model("xlsr_x3", weights=tmp_path / "a.weights.h5")
    found = model(np.full((1, 5, 4, 3), -1.0, np.float32)).numpy()
    assert found.shape == (1, 15, 12, 3) and found.min() >= 0.0, "relu is the default tail"
    with pytest.raises(OptionError, match="found 'clamp'"):
        network.load_model("xlsr_x3", tail="clamp", weights=tmp_path / "a.weights.h5")


def test_a_wrong_name_suggests_the_nearest():
    with pytest.raises(UnknownModelError, match=r"did you mean .*xlsr_x3"):
        network.load_model("xlsr_3x")


def test_shipped_weights_are_those_of_their_card(tmp_path, monkeypatch):
    """A flipped bit inside of HDF5 data reads as another number; only the hash sees it."""
    shipped = get_preset("xlsr_x3")
    for path in (shipped.weights_path, shipped.card_path):
        shutil.copy(path, tmp_path / path.name)
    monkeypatch.setattr(presets, "WEIGHTS_FOLDER", tmp_path)
    assert network.load_trunk(shipped) is not None
    damaged = bytearray(shipped.weights_path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    shipped.weights_path.write_bytes(damaged)
    with pytest.raises(WeightsError, match="that its card describes"):
        network.load_trunk(shipped)


@dataclasses.dataclass(frozen=True)
class Sizes:
    width: int = 4


def registered(monkeypatch, build):
    registry = Registry("network family")
    registry.add("net", Family("net", build, dict, dict, "nowhere"))
    monkeypatch.setattr("sr_models.networks.registry._FAMILIES", registry)


def test_a_builder_may_call_its_configuration_as_it_likes(tiny_preset, monkeypatch):
    def build(sizes: Sizes, *, form: str = "deploy"):
        return sizes, form

    registered(monkeypatch, build)
    preset = dataclasses.replace(tiny_preset, family="net", config={"width": 8})
    assert network.build_trunk(preset) == (Sizes(8), "deploy")
    with pytest.raises(OptionError, match=r"of Sizes in the preset .* 'depth'"):
        network.build_trunk(dataclasses.replace(preset, config={"depth": 8}))


def test_a_builder_without_a_configuration_is_said(tiny_preset, monkeypatch):
    def build(sizes, *, form="deploy"):
        return sizes, form

    registered(monkeypatch, build)
    with pytest.raises(OptionError, match="found sizes: None; annotate it with a dataclass"):
        network.build_trunk(dataclasses.replace(tiny_preset, family="net"))
