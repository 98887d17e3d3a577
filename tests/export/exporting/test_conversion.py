from functools import cache

import numpy as np
import pytest

from export.exporting import conversion
from export.exporting.conversion import convert_float, convert_with_ranges
from export.exporting.settings import ExportSettings
from export.inspecting.audit import audit_model, missing_ranges
from export.precision.sensitivity import LayerSensitivity
from export.running.interpreters import open_model
from representative_data.observation import observe_ranges, pin_pixels
from sr_models.ground.errors import ConversionError, OptionError, SrError
from sr_models.ground.sizes import Size
from sr_models.networks.graph import output_name
from sr_models.networks.tail_names import TAILS
from sr_models.networks.tails import attach_tail
from sr_models.quantization.ranges import PIXELS, TensorRange
from sr_models.tflite.flatbuffer import read_graph
from tests.bundles import quantized_files
from tests.networks import sharpening_trunk


def pinned(model, dataset):
    return pin_pixels(observe_ranges(model, dataset), model)


def convert(model, ranges, dataset, **options):
    options = {"height": 16, "width": 20, **options}
    return convert_with_ranges(model, ranges, sample=dataset.pictures[0], **options)


@pytest.fixture(scope="module")
def converted(sharpening, natural):
    """The file of the sharpening network, made once for each choice: `converted(io="int8")`."""
    ranges = pinned(sharpening, natural)
    make = cache(lambda *choice: convert(sharpening, ranges, natural, **dict(choice)))
    usual = {"height": 16, "width": 20, "io": "uint8"}
    return lambda **options: make(*{**usual, **options}.items())


def test_the_converter_takes_ranges_over_exactly(branched, natural):
    """Each tensor is given a range of its own that no picture would lead to."""
    ranges = pinned(branched, natural)
    odd = {
        name: TensorRange(-0.1 * k, 1.0 + 0.37 * k)
        for k, name in enumerate(ranges, start=1)
        if ranges[name] != PIXELS
    }
    content = convert(branched, ranges.replacing(odd), natural)
    assert missing_ranges(content, ranges.replacing(odd)) == []
    # A planted fault is seen: a range that was not written is missing.
    assert missing_ranges(content, {**odd, "c": TensorRange(-9.0, 9.0)}) == ["c"]


def test_a_tensor_that_is_always_0_keeps_the_range_it_was_given(branched, natural):
    still = pinned(branched, natural).replacing({"rectified": TensorRange(0.0, 0.0)})
    assert missing_ranges(convert(branched, still, natural), still) == []


def test_no_operator_is_left_behind(converted):
    assert audit_model(converted(io="int8")).ops == {"CONV_2D": 1, "DEPTH_TO_SPACE": 1}


@pytest.mark.parametrize("tail", TAILS)
def test_every_tail_keeps_the_pixel_contract(tail, natural):
    model = attach_tail(sharpening_trunk(), tail, scale=2)
    audit = audit_model(convert(model, pinned(model, natural), natural))
    assert audit.full_integer
    assert audit.pixel_contract.holds, audit.pixel_contract.reasons
    for tensor in (*audit.inputs, *audit.outputs):
        assert tensor.scale == pytest.approx(1 / 255, rel=1e-6)
        assert tensor.zero_point == 0
    assert [op["op"] for op in audit.clip_ops] == (["MINIMUM", "RELU"] if tail == "clip" else [])


@pytest.mark.parametrize(("io", "zero"), [("uint8", 0), ("int8", -128), ("float32", None)])
def test_the_interface_is_the_one_asked_for(io, zero, converted):
    audit = audit_model(converted(io=io))
    assert {t.dtype for t in (*audit.inputs, *audit.outputs)} == {io}
    assert {t.zero_point for t in (*audit.inputs, *audit.outputs)} == {zero}
    assert audit.full_integer == (io != "float32")


@pytest.mark.parametrize(("height", "width"), [(1, 1), (7, 33)])
def test_any_size_has_the_same_quantization(height, width, converted):
    usual, found = read_graph(converted()), read_graph(converted(height=height, width=width))
    assert found.tensors[found.inputs[0]].shape == (1, height, width, 3)
    assert found.tensors[found.outputs[0]].shape == (1, 2 * height, 2 * width, 3)
    assert [t.scales for t in found.tensors] == [t.scales for t in usual.tensors]


def test_a_dynamic_file_runs_at_two_sizes_as_fixed_ones_do(converted):
    """No code differs, by XNNPACK and by builtin kernels."""
    from ai_edge_litert.interpreter import Interpreter

    content = converted(height=None, width=None)
    signature = Interpreter(model_content=content).get_input_details()[0]["shape_signature"]
    assert signature.tolist() == [1, -1, -1, 3]
    for delegate in ("xnnpack", "builtin"):
        dynamic = open_model(content, delegate=delegate)
        for height, width in ((7, 33), (25, 9)):
            picture = np.random.default_rng(height).integers(
                0, 256, (1, height, width, 3), np.uint8
            )
            fixed = converted(height=height, width=width)
            dynamic.resize(height, width)
            expected = open_model(fixed, delegate=delegate).run(picture)
            np.testing.assert_array_equal(dynamic.run(picture), expected)


def test_the_file_computes_what_the_network_computes(sharpening, natural, converted):
    picture = natural.pictures[1][:16, :20]
    codes = open_model(converted(), delegate="builtin").run(picture[None])
    expected = np.clip(sharpening(picture[None] / np.float32(255)).numpy(), 0, 1) * 255
    assert np.abs(codes - expected).max() <= 2.0


def test_the_same_inputs_give_the_same_bytes(sharpening, natural, converted):
    assert convert(sharpening, pinned(sharpening, natural), natural) == converted()


def test_the_size_of_the_sample_leaves_no_trace(branched, natural, monkeypatch):
    """Of a tile and of a sample as large as the file, with a concatenation and an addition."""
    ranges = pinned(branched, natural)
    small = convert(branched, ranges, natural, height=40, width=36)
    monkeypatch.setattr(conversion, "is_of_any_size", lambda model: False)
    assert convert(branched, ranges, natural, height=40, width=36) == small


def test_the_signature_names_input_and_output(converted):
    from ai_edge_litert.interpreter import Interpreter

    assert Interpreter(model_content=converted()).get_signature_list() == {
        "serving_default": {"inputs": ["input"], "outputs": ["output"]}
    }


@pytest.mark.parametrize(
    "options", [{"height": 0}, {"width": -4}, {"height": 100_000}, {"io": "int16"}]
)
def test_unusable_options_are_refused(options, sharpening, natural):
    with pytest.raises(OptionError, match="expected"):
        convert(sharpening, pinned(sharpening, natural), natural, **options)


def test_a_converter_that_fails_is_reported_in_one_line(capfd):
    import tf_keras

    picture = tf_keras.Input((8, 8, 3), name="input")
    model = tf_keras.Model(picture, tf_keras.layers.Lambda(_no_tflite_operator)(picture))
    with pytest.raises(ConversionError, match="expected the TFLite converter to finish") as caught:
        convert_float(model, height=8, width=8)
    assert "\n" not in str(caught.value)


def _no_tflite_operator(x):
    import tensorflow as tf

    return tf.linalg.inv(tf.transpose(x, [0, 3, 1, 2]))


SIZES = (Size(16, 24), Size(12, 20))
NATURAL = {"sizes": SIZES, "method": "natural"}


def shapes(contents):
    return [audit_model(content).inputs[0].shape for content in contents]


def test_ranges_are_written_into_a_file_for_each_size(sharpening, natural):
    stages = []
    settings = ExportSettings(**NATURAL)
    contents, network = quantized_files(sharpening, natural, settings, on_stage=stages.append)
    assert shapes(contents) == [(1, 16, 24, 3), (1, 12, 20, 3)]
    assert network.ranges.method == "natural"
    assert all(audit_model(content).pixel_contract.holds for content in contents)
    assert stages[-2:] == ["converting for 16x24", "converting for 12x20"]


def test_a_float_file_needs_no_ranges(sharpening, natural):
    settings = ExportSettings(**NATURAL, precision="float32")
    contents, network = quantized_files(sharpening, natural, settings)
    assert network is None and shapes(contents) == [(1, 16, 24, 3), (1, 12, 20, 3)]
    audit = audit_model(contents[0])
    assert audit.inputs[0].dtype == "float32" and not audit.full_integer
    assert audit.ops == {"CONV_2D": 1, "DEPTH_TO_SPACE": 1}


def test_the_converter_finds_its_own_ranges(sharpening, natural):
    settings = ExportSettings(**NATURAL, calibrator="converter")
    contents, network = quantized_files(sharpening, natural, settings)
    assert network is None and shapes(contents) == [(1, 16, 24, 3), (1, 12, 20, 3)]
    # Natural pictures overshoot white, and nobody has written another range over it.
    audit = audit_model(contents[0])
    assert audit.full_integer and not audit.pixel_contract.holds
    assert audit.outputs[0].scale == pytest.approx(natural.output_range[1] / 255, rel=1e-3)


def test_auto_follows_the_pictures_of_the_set_and_stops_at_what_is_allowed(sharpening, natural):
    asked = []

    class Meter:
        worst_db = 0.01

        def __call__(self, upscale):
            asked.append(upscale(natural.pictures[0]))
            return self

    settings = ExportSettings(sizes=SIZES[:1], method="auto", max_drop_db=0.02)
    _, network = quantized_files(sharpening, natural, settings, meter=Meter())
    assert network.ranges.method == "natural"
    side = 2 * natural.pictures[0].shape[0]
    assert [(pixels.dtype, pixels.shape) for pixels in asked] == [("uint8", (side, side, 3))]


def test_a_layer_that_is_not_there_is_said_before_any_work(sharpening, natural):
    stages = []
    settings = ExportSettings(**NATURAL, precision="mixed", kept=("lost",))
    with pytest.raises(SrError, match="lost"):
        quantized_files(sharpening, natural, settings, on_stage=stages.append)
    assert stages == []


def test_where_the_converter_finds_the_ranges_nothing_is_pinned(sharpening, natural, monkeypatch):
    """What ranks the layers to keep sees the pictures' ranges, as the file does."""
    seen = []

    def measured(model, ranges, pictures):
        seen.append(ranges[output_name(model)].maximum)
        return [LayerSensitivity("last_relu", "Conv2D", 1.0, 1.0, 1.0, 0.0)]

    monkeypatch.setattr("export.precision.raised_network.measure_sensitivity", measured)
    settings = ExportSettings(
        **NATURAL, calibrator="converter", precision="mixed", most_sensitive=1
    )
    quantized_files(sharpening, natural, settings)
    assert seen == [pytest.approx(natural.output_range[1])] and seen[0] > 1.0
