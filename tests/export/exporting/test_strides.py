"""Networks with smaller pictures inside, and networks that keep the size, as int8 files."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from PIL import Image

from export.exporting.job import run_export
from export.exporting.judging import DropMeter
from export.exporting.settings import ExportSettings
from export.exporting.strides import require_tiles
from export.quantizing.layer_inputs import LayerInputs, convolutions, draw_places
from export.running.interpreters import open_model
from export.running.pixels import upscale
from export.tflite.windows import read_receptive_field, size_multiple
from runtime_bench.upscaling.upscaler import Upscaler
from sr_models.ground.errors import CalibrationError, OptionError, PictureError
from sr_models.ground.pixel_range import UNIT
from sr_models.ground.sizes import Size
from sr_models.importing.sources import open_network
from sr_models.networks import keras_windows
from sr_models.networks.tails import attach_tail
from sr_models.quantization.integer_network import simulate_builtin

layers = tf_keras.layers


def conv(filters, name, **given):
    return layers.Conv2D(filters, 3, padding="same", name=name, **given)


def keeping_network():
    """A small x1 U-Net with every kind of step down and up, which changes pictures little."""
    picture = tf_keras.Input((None, None, 3), name="picture")
    a = conv(6, "a", activation="relu")(
        tf.pad(picture, [[0, 0], [1, 1], [1, 1], [0, 0]], "REFLECT")
    )
    a = layers.Cropping2D(1)(a)
    b = conv(8, "b", activation="relu", strides=2)(a)
    c = conv(8, "c", activation="relu")(layers.MaxPooling2D(3, 2, "same")(b))
    mean = layers.AveragePooling2D(3, 1, "same")(layers.AveragePooling2D(2)(b))
    y = layers.Concatenate()([layers.Conv2DTranspose(6, 2, 2, name="up")(c), b])
    y = layers.Add()([conv(8, "d")(y), layers.UpSampling2D(2)(mean)])
    y = layers.Concatenate()([layers.UpSampling2D(2, interpolation="bilinear")(y), a])
    y = layers.Add()([picture, conv(3, "last")(y)])
    model = tf_keras.Model(picture, tf.clip_by_value(y, 0.0, 1.0), name="keeping")
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if layer.weights:
            kernel, bias = layer.get_weights()
            spread = (0.02 if layer.name == "last" else 1.0) / np.sqrt(np.prod(kernel.shape[:3]))
            layer.set_weights([rng.normal(0.0, spread, kernel.shape), 0.0 * bias])
    return model


SETTINGS = {"method": "natural", "pictures": 8, "tile_side": 22, "anchors": False}


@pytest.fixture(scope="module")
def folders(photographs, tmp_path_factory):
    """Ground truth, and the same with noise: names are alike."""
    folder, rng = tmp_path_factory.mktemp("degraded"), np.random.default_rng(0)
    for name, picture in photographs.items():
        clean = picture[100:145, 120:174]
        noisy = np.clip(clean + rng.normal(0.0, 8.0, clean.shape), 0, 255).astype(np.uint8)
        for kind, pixels in (("clean", clean), ("noisy", noisy)):
            (folder / kind).mkdir(exist_ok=True)
            Image.fromarray(pixels).save(folder / kind / f"{name}.png")
    return folder


@pytest.fixture(scope="module")
def exported(folders):
    sizes = (Size(24, 32), Size(None, None))
    settings = ExportSettings(sizes=sizes, max_drop_db=0.5, **SETTINGS)
    said = []
    result = run_export(
        keeping_network(),
        settings,
        images=folders / "clean",
        inputs=folders / "noisy",
        on_stage=said.append,
    )
    return result, said


def test_a_network_that_keeps_the_size_is_exported_like_any_other(exported, folders):
    result, said = exported
    assert result.failures == [] and result.network.scale == 1
    assert result.fidelity.psnr_db > 45 and result.files[0].drop.worst_db < 0.2
    assert result.audit.pixel_contract.holds and not result.audit.clip_ops
    assert any("tiles of 24x24 and not 22x22" in stage for stage in said)
    hashes = {source.name for source in result.held_out}
    assert hashes <= {path.name for path in (folders / "noisy").iterdir()}


def test_no_code_of_the_simulation_differs_from_builtin_kernels(exported):
    result, _ = exported
    picture = np.random.default_rng(1).integers(0, 256, (1, 24, 32, 3), np.uint8)
    model = attach_tail(result.network.trunk, "relu", scale=1)
    found = simulate_builtin(model, result.ranges)(picture)
    expected = open_model(result.files[0].content, delegate="builtin").run(picture)
    np.testing.assert_array_equal(found, expected)


def test_files_and_networks_are_reached_alike_and_tiles_leave_no_seam(exported):
    result, _ = exported
    content = result.files[1].content
    network = attach_tail(result.network.trunk, "relu", scale=1)
    assert read_receptive_field(content) == keras_windows.receptive_field_of(network)
    assert size_multiple(content) == keras_windows.size_multiple(network) == 4
    picture = np.random.default_rng(2).integers(0, 256, (150, 131, 3), np.uint8)
    whole = Upscaler(open_model(content)).whole(picture)
    tiled = Upscaler(open_model(content), tile=(100, 92)).whole(picture)
    assert whole.shape == picture.shape
    np.testing.assert_array_equal(tiled, whole)
    # What strides do not divide is mirrored to where they do, and cut off again.
    np.testing.assert_array_equal(upscale(open_model(content), picture, pixels=UNIT).raw, whole)
    assert Upscaler(open_model(content)).whole(picture[:1, :1]).shape == (1, 1, 3)


def test_rows_of_strided_convolutions_are_what_they_multiply(exported):
    network = exported[0].network.trunk
    names = [name for name in convolutions(network) if network.get_layer(name).groups == 1]
    assert any(network.get_layer(name).strides == (2, 2) for name in names)
    pictures = np.random.default_rng(0).random((2, 16, 24, 3)).astype(np.float32)
    inputs = LayerInputs(network, pictures, draw_places(pictures, seed=0))
    products = inputs.products(names)
    for name in names:
        kernel = network.get_layer(name).get_weights()[0]
        rows = inputs.rows(name)
        found = rows.reshape(len(rows), -1) @ kernel.reshape(-1, kernel.shape[-1])
        np.testing.assert_allclose(found, products[name], atol=1e-4)


def test_sizes_that_strides_do_not_divide_are_refused(folders):
    settings = ExportSettings(sizes=(Size(24, 30),), **SETTINGS)
    said = r"expected multiples of 4, .* found 24x30; give --size 24x32"
    with pytest.raises(OptionError, match=said):
        run_export(keeping_network(), settings, images=folders / "clean")
    with pytest.raises(CalibrationError, match=r"multiples of 4 .*found 24x30; .* --tile-side 24"):
        require_tiles(keeping_network(), (24, 30, 3), network="net")


def test_inputs_have_the_names_and_the_size_of_the_ground_truth(folders, tmp_path):
    Image.fromarray(np.zeros((30, 30, 3), np.uint8)).save(tmp_path / "astronaut.png")
    clean = folders / "clean" / "astronaut.png"
    given = {"scale": 1, "inputs": {clean: tmp_path / "astronaut.png"}}
    with pytest.raises(PictureError, match="input of the size of its ground truth, found 30x30"):
        DropMeter(lambda low: low, [clean], **given)
    with pytest.raises(PictureError, match=r"expected an input for .*chelsea.png in .*found none"):
        run_export("unread", ExportSettings(), images=folders / "clean", inputs=tmp_path)
    with pytest.raises(OptionError, match="ground truth of --inputs, found none; give --images"):
        run_export("unread", ExportSettings(), inputs=tmp_path)


def test_a_strided_network_that_enlarges_is_opened():
    picture = tf_keras.Input((None, None, 3))
    y = conv(8, "first", activation="relu", strides=2)(picture)
    y = tf.nn.depth_to_space(conv(108, "last")(y), 6)
    found = open_network(tf_keras.Model(picture, tf.clip_by_value(y, 0.0, 1.0)))
    assert found.scale == 3
    tailed = attach_tail(found.trunk, "relu", scale=3)
    assert [type(layer).__name__ for layer in tailed.layers[-2:]] == ["Conv2D", "DepthToSpace"]
    assert keras_windows.size_multiple(tailed) == 2
