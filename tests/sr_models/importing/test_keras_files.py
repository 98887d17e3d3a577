import json
import shutil
import zipfile

import h5py
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from sr_models.ground.errors import NetworkError
from sr_models.importing.keras_files import load_keras_file
from sr_models.networks.layers import DepthToSpace
from tests.strangers import depth_to_space, layers, stranger, varied

PICTURE = np.random.default_rng(11).random((1, 12, 14, 3)).astype(np.float32)


def large():
    """Layers of one class in several models, shared ones, and variables that are not trained."""
    x = tf_keras.Input((None, None, 3), name="picture")
    shared = layers.Conv2D(4, 3, padding="same", name="shared")
    inner_x = tf_keras.Input((None, None, 3))
    inner_y = layers.BatchNormalization(name="norm")(layers.Conv2D(4, 3, padding="same")(inner_x))
    inner = tf_keras.Model(inner_x, layers.Conv2D(4, 1, name="deep")(inner_y), name="inner")
    block = tf_keras.Sequential(
        [layers.Conv2D(4, 1), layers.PReLU(shared_axes=[1, 2])], name="block"
    )
    y = block(shared(shared(inner(x))))
    y = layers.SeparableConv2D(4, 3, padding="same")(y)
    y = layers.Conv2D(12, 3, padding="same", groups=2, name="last")(y)
    return varied(tf_keras.Model(x, tf.clip_by_value(DepthToSpace(2)(y), 0.0, 1.0)))


@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_every_weight_of_tf_keras_finds_its_layer(suffix, tmp_path):
    model = large()
    model.save(tmp_path / f"net.{suffix}")
    found = load_keras_file(tmp_path / f"net.{suffix}")
    assert found.input_shape == (None, None, None, 3) and found.version.startswith("Keras 2")
    np.testing.assert_allclose(found.function(PICTURE), model(PICTURE), atol=1e-5)


@pytest.mark.parametrize("name", ["many.keras", "many.h5", "bytes.keras"])
def test_files_of_keras_3_are_read_without_it(name, keras3_files):
    found = load_keras_file(keras3_files / name)
    assert found.version.startswith("Keras 3")
    expected = np.load(keras3_files / f"{name.split('.')[0]}.npy")
    np.testing.assert_allclose(found.function(PICTURE), expected, atol=1e-4)


def test_a_class_of_the_users_own_in_keras_3(keras3_files):
    with pytest.raises(NetworkError, match=r"found Own \(own\)"):
        load_keras_file(keras3_files / "own.keras")
    with pytest.raises(NetworkError, match=r"keras\.ops Sin"):
        load_keras_file(keras3_files / "three_inputs.keras")


@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_planted_code_does_not_run_without_trust(suffix, tmp_path):
    mark = tmp_path / "ran"
    place = str(mark)

    def evil(x):
        import pathlib

        pathlib.Path(place).touch()
        return x

    x = tf_keras.Input((None, None, 3))
    y = layers.Lambda(evil, name="evil")(layers.UpSampling2D(2)(x))
    model = tf_keras.Model(x, y)
    # As code, like a lambda, and not as the name of a function.
    evil.__name__ = "<lambda>"
    model.get_layer("evil").function = evil
    model.save(tmp_path / f"net.{suffix}")
    mark.unlink(missing_ok=True)
    with pytest.raises(NetworkError, match=r"\(evil\); give --trust"):
        load_keras_file(tmp_path / f"net.{suffix}")
    assert not mark.exists()
    load_keras_file(tmp_path / f"net.{suffix}", trust=True)
    assert mark.exists(), "the plant works, so that its silence says something"


@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_a_normalization_that_was_adapted_keeps_what_it_saw(suffix, tmp_path):
    seen = layers.Normalization(name="seen")
    seen.adapt(np.random.default_rng(0).normal(3.0, 2.0, (4, 8, 8, 3)))
    x = tf_keras.Input((None, None, 3))
    model = tf_keras.Model(x, layers.UpSampling2D(2)(seen(x)))
    model.save(tmp_path / f"net.{suffix}")
    found = load_keras_file(tmp_path / f"net.{suffix}")
    np.testing.assert_allclose(found.function(PICTURE), model(PICTURE), atol=1e-6)
    assert np.abs(model(PICTURE).numpy() + 1.25).max() < 0.6, "about (0.5 - 3) / 2"


def test_a_usual_lambda_needs_no_trust(tmp_path):
    x = tf_keras.Input((None, None, 3))
    model = tf_keras.Model(x, depth_to_space(layers.Conv2D(12, 3, padding="same")(x), 2))
    model.save(tmp_path / "net.h5")
    np.testing.assert_allclose(
        load_keras_file(tmp_path / "net.h5").function(PICTURE), model(PICTURE), atol=1e-6
    )


def test_modules_that_a_file_names_are_not_imported(tmp_path):
    """Keras' own loader would import what `module` says."""
    model = stranger()
    model.save(tmp_path / "net.keras")
    (tmp_path / "planted_module.py").write_text("raise SystemExit('imported')")
    with zipfile.ZipFile(tmp_path / "net.keras") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    config["config"]["layers"][1]["module"] = "planted_module"
    members["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(tmp_path / "planted.keras", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(NetworkError, match=r"found Conv2D \(first\)"):
        load_keras_file(tmp_path / "planted.keras")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    stranger().save(folder / "net.keras")
    stranger().save(folder / "net.h5")
    return folder


def truncated(source, target):
    target.write_bytes(source.read_bytes()[: source.stat().st_size // 2])


def emptied(source, target):
    target.write_bytes(b"")


def texted(source, target):
    target.write_text("no network")


@pytest.mark.parametrize("suffix", ["keras", "h5"])
@pytest.mark.parametrize("damage", [truncated, emptied, texted])
def test_a_damaged_file_is_one_line(whole, suffix, damage, tmp_path):
    damage(whole / f"net.{suffix}", tmp_path / f"bad.{suffix}")
    with pytest.raises(NetworkError) as error:
        load_keras_file(tmp_path / f"bad.{suffix}")
    assert "\n" not in str(error.value) and "bad." in str(error.value)


def test_weights_of_another_shape_and_missing_ones(whole, tmp_path):
    shutil.copy(whole / "net.h5", tmp_path / "bad.h5")
    with h5py.File(tmp_path / "bad.h5", "r+") as file:
        del file["model_weights/first/first/bias:0"]
        file["model_weights/first/first/bias:0"] = np.zeros(7, np.float32)
    with pytest.raises(NetworkError, match="for layer first"):
        load_keras_file(tmp_path / "bad.h5")
    with h5py.File(tmp_path / "bad.h5", "r+") as file:
        del file["model_weights/first"]
    with pytest.raises(NetworkError):
        load_keras_file(tmp_path / "bad.h5")


def test_files_that_hold_less_than_a_network(whole, tmp_path):
    with pytest.raises(NetworkError, match="found no file"):
        load_keras_file(tmp_path / "none.keras")
    stranger().save_weights(tmp_path / "only.weights.h5")
    with pytest.raises(NetworkError, match="weights without their layers"):
        load_keras_file(tmp_path / "only.weights.h5")
    with zipfile.ZipFile(tmp_path / "other.keras", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(NetworkError, match=r"without config\.json"):
        load_keras_file(tmp_path / "other.keras")
