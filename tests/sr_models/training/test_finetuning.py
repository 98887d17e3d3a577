import dataclasses

import numpy as np
import pytest

from sr_models.ground.errors import UnknownModelError, WeightsError
from sr_models.ground.files import file_sha256
from sr_models.networks.network import build_trunk, named_weights, save_trunk
from sr_models.networks.presets import get_preset
from sr_models.training.finetuning import find_start, take_over


@pytest.fixture
def weights(tiny_preset, tmp_path):
    trunk = build_trunk(tiny_preset)
    rng = np.random.default_rng(0)
    for variable in trunk.weights:
        variable.assign(0.1 * rng.normal(size=variable.shape))
    save_trunk(trunk, tmp_path / "tiny.weights.h5")
    return tmp_path / "tiny.weights.h5"


def test_a_start_is_a_preset_or_a_file(tiny_preset, weights):
    named = find_start("xlsr_x3", tiny_preset)
    assert (named.preset.name, named.weights, named.label) == ("xlsr_x3", None, "xlsr_x3")
    own = find_start(str(weights), tiny_preset)
    assert (own.preset, own.weights, own.label) == (tiny_preset, weights, file_sha256(weights))


def test_what_is_neither_is_said(tiny_preset):
    with pytest.raises(UnknownModelError, match=r"did you mean .*xlsr_x3"):
        find_start("xlsr_x", tiny_preset)
    with pytest.raises(UnknownModelError, match=r"found no file mine.weights.h5; give another"):
        find_start("mine.weights.h5", tiny_preset)
    with pytest.raises(WeightsError, match="rdn_x2 has none"):
        find_start("rdn_x2", tiny_preset)


def test_the_same_network_is_taken_over_whole(tiny_preset, weights):
    trunk = build_trunk(tiny_preset, form="train")
    taken, left = take_over(trunk, find_start(str(weights), tiny_preset))
    assert not left and len(taken) == len(trunk.weights)
    deployed = build_trunk(tiny_preset)
    deployed.load_weights(weights)
    picture = np.random.default_rng(1).random((1, 9, 8, 3), dtype=np.float32)
    np.testing.assert_allclose(trunk(picture), deployed(picture), atol=1e-4)


def test_another_scale_takes_over_all_but_the_end():
    x2 = get_preset("abpn_x2")
    trunk = build_trunk(x2, form="train")
    before = named_weights(trunk)
    taken, left = take_over(trunk, find_start("abpn_x3", x2))
    after = named_weights(trunk)
    assert {name.split("/")[0] for name in left} == {"to_pixels", "last"}
    assert "block0/kernel" in taken
    for name in left:
        np.testing.assert_array_equal(after[name], before[name])
    for name in taken:
        if name.endswith("kernel"):
            assert not np.array_equal(after[name], before[name])


def test_a_network_without_a_like_layer_is_refused(tiny_preset):
    other = dataclasses.replace(get_preset("abpn_x3"), config={"scale": 3, "width": 7})
    trunk = build_trunk(other, form="train")
    with pytest.raises(WeightsError, match="found no kernel that fits in xlsr_x3"):
        take_over(trunk, find_start("xlsr_x3", other))
