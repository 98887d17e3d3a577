import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from ai_edge_litert.interpreter import Interpreter
from PIL import Image

from representative_data.cfqp import (
    CfqpSettings,
    build_cfqp_dataset,
    build_natural_dataset,
    why_untamable,
)
from representative_data.choices import Taming
from representative_data.dataset import Record
from representative_data.probe import OutputProbe, probe_layers
from representative_data.tiles import load_tiles
from sr_models.ground.errors import CalibrationError
from sr_models.ground.pictures import crop_to_multiple, degrade, load_image
from sr_models.ground.pixel_range import PIXEL_TOLERANCE
from sr_models.networks.graph import at_size
from sr_models.networks.layers import DepthToSpace
from sr_models.networks.network import load_model, weights_sha256
from tests.networks import brightness_keeping_network, sharpening_network

NAMED = {"network": "sharpening", "scale": 2}


@pytest.fixture(scope="module")
def tiles(picture_folder):
    return load_tiles(picture_folder, scale=2, count=8, side=32)


@pytest.mark.parametrize("tail", ["relu", "none"])
@pytest.mark.parametrize("method", ["contrast", "select"])
def test_inputs_span_everything_and_outputs_end_at_one(tiles, tail, method):
    model = sharpening_network(tail=tail, strength=0.04)
    settings = CfqpSettings(Taming(method))
    dataset = build_cfqp_dataset(model, tiles, settings=settings, **NAMED)
    assert dataset.input_range == (0.0, 1.0)
    low, high = dataset.output_range
    assert high == pytest.approx(1.0, abs=PIXEL_TOLERANCE)
    assert low == pytest.approx(0.0, abs=PIXEL_TOLERANCE)
    # What the records claim is what the network answers.
    answers = [model(sample).numpy() for (sample,) in dataset()]
    assert max(y.max() for y in answers) == pytest.approx(high, abs=1e-5)


def test_natural_pictures_leave_the_range_and_are_not_changed(tiles):
    dataset = build_natural_dataset(sharpening_network(), tiles, **NAMED)
    assert dataset.output_range[1] > 1.02
    for picture, tile in zip(dataset.pictures, tiles):
        np.testing.assert_array_equal(picture, tile.pixels)


def test_without_anchors_the_input_range_shrinks(tiles):
    """The second half of the problem: taming darkens, and the input's scale shrinks with it."""
    model = sharpening_network(strength=0.3)
    dataset = build_cfqp_dataset(model, tiles, settings=CfqpSettings(anchors=False), **NAMED)
    assert dataset.count("tamed") >= len(tiles) / 2
    assert dataset.input_range[1] < 0.97


def test_the_set_knows_the_network_and_every_picture(tiles):
    model = sharpening_network(strength=0.04)
    dataset = build_cfqp_dataset(model, tiles, **NAMED)
    assert dataset.weights_sha256 == weights_sha256(model)
    sources = {r.source: r.source_sha256 for r in dataset.records if r.status != "anchor"}
    assert sources == {tile.source: tile.source_sha256 for tile in tiles}
    assert dataset.count("anchor") == 2
    assert dataset.settings["taming"]["method"] == "contrast"


def test_nothing_that_fits_is_an_error_that_names_a_picture(tiles):
    settings = CfqpSettings(Taming("select"))
    with pytest.raises(CalibrationError, match=r"png, still gives .* --taming contrast") as caught:
        build_cfqp_dataset(sharpening_network(strength=0.9), tiles, settings=settings, **NAMED)
    assert "\n" not in str(caught.value)


def test_a_network_on_0_to_255_is_refused_before_anything_is_tamed(tiles):
    model = brightness_keeping_network(white=255.0)
    for build in (build_natural_dataset, build_cfqp_dataset):
        with pytest.raises(CalibrationError, match=r"inputs of 0\.\.255 and outputs of 0\.\.255"):
            build(model, tiles, **NAMED)


def test_one_picture_is_enough(tiles):
    dataset = build_cfqp_dataset(sharpening_network(strength=0.04), tiles[:1], **NAMED)
    assert len(dataset) == 3 and dataset.count("anchor") == 2


@pytest.mark.parametrize("value", [0, 255])
def test_sets_without_content_are_refused(tiles, value):
    flat = [replace(tile, pixels=np.full_like(tile.pixels, value)) for tile in tiles]
    with pytest.raises(CalibrationError, match=f"nothing but the value {value}"):
        build_cfqp_dataset(sharpening_network(), flat, **NAMED)


def test_a_network_that_is_not_finite_is_told(tiles):
    model = sharpening_network()
    kernel, bias = model.get_layer("last_relu").get_weights()
    model.get_layer("last_relu").set_weights([kernel, bias + np.inf])
    with pytest.raises(CalibrationError, match="found NaN or infinity for 8 of 8 pictures"):
        build_cfqp_dataset(model, tiles, **NAMED)


class OutputOnly:
    """A network of which nothing can be had but outputs and, for their hash, weights."""

    def __init__(self, model):
        self._call = model
        self._weights = [SimpleNamespace(weights=layer.weights) for layer in model.layers]

    @property
    def layers(self):
        return self._weights

    def __call__(self, pictures, training=False):
        return self._call(pictures, training=training)

    def __getattr__(self, name):
        if name.startswith(("_", "autograph")):  # what TensorFlow asks of every function
            raise AttributeError(name)
        raise AssertionError(f"{name} of the network was asked for")


def same_pictures(first, second):
    return len(first) == len(second) and all(
        np.array_equal(a, b) for a, b in zip(first.pictures, second.pictures)
    )


@pytest.mark.parametrize("target", ["picture", "set"])
def test_only_the_output_of_the_network_is_read(tiles, target):
    """A network whose inner tensors nobody can watch yields the very same set."""
    model = sharpening_network(strength=0.04)
    settings = CfqpSettings(Taming(target=target))
    dataset = build_cfqp_dataset(OutputOnly(model), tiles, settings=settings, **NAMED)
    assert same_pictures(dataset, build_cfqp_dataset(model, tiles, settings=settings, **NAMED))
    # The guard guards: whoever looks inside fails on such a network.
    with pytest.raises(AssertionError, match="was asked for"):
        probe_layers(OutputOnly(model), [tile.pixels for tile in tiles])


def test_networks_of_equal_outputs_get_equal_sets_whatever_is_inside(tiles):
    """Inner activations a thousand times larger, outputs bit for bit the same."""

    def network(factor):
        picture = tf_keras.Input((None, None, 3))
        inside = tf_keras.layers.Conv2D(12, 3, padding="same", name="inside")
        last = tf_keras.layers.Conv2D(12, 1, name="last")
        model = tf_keras.Model(
            picture, tf_keras.layers.ReLU()(DepthToSpace(2)(last(inside(picture))))
        )
        kernel = sharpening_network(strength=0.04).get_layer("last_relu").get_weights()[0]
        inside.set_weights([kernel * factor, np.zeros(12)])
        last.set_weights([np.eye(12)[None, None] / factor, np.zeros(12)])
        return model

    # A power of two: scaling by it rounds nothing.
    plain, large = network(1.0), network(1024.0)
    pixels = [tile.pixels for tile in tiles]
    inner = [probe_layers(model, pixels).union()["inside"][1] for model in (plain, large)]
    assert inner[1] == pytest.approx(1024.0 * inner[0])
    sets = [build_cfqp_dataset(model, tiles, **NAMED) for model in (plain, large)]
    assert same_pictures(*sets)
    assert [r.to_json() for r in sets[0].records] == [r.to_json() for r in sets[1].records]


def test_no_ground_truth_is_read(picture_folder, tmp_path):
    """Where only low-resolution pictures exist, the set is the same."""
    for path in picture_folder.iterdir():
        low = degrade(crop_to_multiple(load_image(path), 2), 2)
        Image.fromarray(low).save(tmp_path / path.name)
    model = sharpening_network(strength=0.04)
    sets = [
        build_cfqp_dataset(model, load_tiles(folder, scale=scale, count=8, side=32), **NAMED)
        for folder, scale in ((picture_folder, 2), (tmp_path, 1))
    ]
    assert same_pictures(*sets)


@pytest.mark.parametrize("tail", ["relu", "none"])
@pytest.mark.parametrize("name", ["xlsr_x3", "espcn_x3"])
def test_trained_networks_keep_the_contract_by_the_set_alone(picture_folder, name, tail):
    """Union of inputs and outputs as the networks themselves give them, sample by sample."""
    model = load_model(name, tail=tail)
    tiles = load_tiles(picture_folder, scale=3, count=6, side=32)
    dataset = build_cfqp_dataset(model, tiles, network=name, scale=3)
    samples = [sample for (sample,) in dataset()]
    assert (min(s.min() for s in samples), max(s.max() for s in samples)) == (0.0, 1.0)
    answers = [model(sample).numpy() for sample in samples]
    low, high = min(y.min() for y in answers), max(y.max() for y in answers)
    # A converter's scale: the range over 255 codes, 0 included; its zero point: black's code.
    scale = (high - min(low, 0.0)) / 255
    assert 255 * scale == pytest.approx(1.0, abs=1 / 510)
    assert round(-min(low, 0.0) / scale) == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["xlsr_x3", "espcn_x3"])
def test_the_converters_own_calibrator_finds_pixels(picture_folder, name):
    """The file that TensorFlow makes of the set with no help of ours."""
    model = load_model(name)
    tiles = load_tiles(picture_folder, scale=3, count=6, side=32)
    dataset = build_cfqp_dataset(model, tiles, network=name, scale=3)
    converter = tf.lite.TFLiteConverter.from_keras_model(at_size(model, height=32, width=32))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = dataset
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.uint8
    interpreter = Interpreter(model_content=converter.convert())
    for details in (*interpreter.get_input_details(), *interpreter.get_output_details()):
        scale, zero_point = details["quantization"]
        assert (details["dtype"], zero_point) == (np.uint8, 0)
        assert 255 * scale == pytest.approx(1.0, abs=1 / 510)


def linear(gain, offset):
    def probe(pictures):
        ends = [(p.min() / 255 * gain + offset, p.max() / 255 * gain + offset) for p in pictures]
        low, high = (np.array([[end] * 3 for end in side]) for side in zip(*ends))
        return OutputProbe(low, high)

    return probe


def record(low, high):
    return Record("p", "", 0, 0, "dropped", 1.0, 0.0, 0.0, (low, high), (low, high), 10)


@pytest.mark.parametrize(
    ("probe", "output", "taming", "said"),
    [
        (linear(0.01, 1.3), (1.3, 1.31), Taming(), r"black is answered with 1\.300 .* load its"),
        (linear(-1.0, 1.2), (0.2, 1.2), Taming(), "no change of a picture moves the output"),
        (linear(1.3, 0.0), (0.0, 1.3), Taming("select"), "--taming contrast"),
        (linear(1.0, -0.1), (-0.1, 0.9), Taming("intensity"), "cannot lift .* --tail relu"),
        (linear(1.0, 1.1), (1.1, 2.1), Taming(), r"even flat black is answered with 1\.100"),
        (linear(1.0, 0.0), (0.0, 1.1), Taming("blur"), "flat pictures do fit.*--max-passes"),
    ],
)
def test_the_reason_is_found_by_what_flat_pictures_give(probe, output, taming, said):
    found = why_untamable(probe, record(*output), taming, side=16)
    assert re.search(said, found), found
    assert "\n" not in found
