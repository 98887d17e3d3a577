import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from export.conversion import convert_with_ranges
from export.running.interpreters import open_model
from representative_data.dataset import RepresentativeDataset
from representative_data.observation import observe_ranges, pin_pixels
from sr_models.errors import CalibrationError
from sr_models.int8.ranges import TensorRange, TensorRanges
from sr_models.int8.simulator import quantized_kernel, simulate, stored_ranges
from sr_models.metrics import to_pixels
from sr_models.network import build_trunk
from sr_models.presets import Preset
from sr_models.tails import attach_tail
from tests.families import random_weights

KERNELS = arrays.arrays(
    np.float32, (3, 3, 2, 4), elements=st.floats(-2.0, 2.0, width=32, allow_subnormal=False)
)
FAMILIES = {
    "xlsr": {"scale": 3, "width": 8, "blocks": 2, "skip_width": 4, "merge_width": 8},
    "abpn": {"scale": 3},
    "edsr": {"scale": 2, "blocks": 2, "width": 8},
    "espcn": {"scale": 3},
    "etds": {"scale": 3},
    "quicksrnet": {"scale": 2},
}


@given(kernel=KERNELS)
def test_kernels_lie_on_the_symmetric_grid_of_their_channel(kernel):
    found = quantized_kernel(tf.constant(kernel)).numpy()
    for channel in range(4):
        scale = np.abs(kernel[..., channel]).max() / 127
        if scale == 0.0:
            assert not found[..., channel].any()
            continue
        codes = found[..., channel] / scale
        np.testing.assert_allclose(codes, np.rint(codes), atol=1e-3)
        assert np.abs(found[..., channel] - kernel[..., channel]).max() <= scale * 0.501
        assert np.abs(codes).max() == pytest.approx(127, abs=1e-3)


@given(kernel=KERNELS)
def test_a_quantized_kernel_stays_as_it_is(kernel):
    once = quantized_kernel(tf.constant(kernel))
    np.testing.assert_allclose(quantized_kernel(once), once, rtol=1e-5, atol=1e-7)


def test_gradients_pass_through_the_rounding():
    kernel = tf.Variable(np.random.default_rng(0).normal(size=(1, 1, 2, 3)).astype(np.float32))
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(quantized_kernel(kernel) * 2.0)
    np.testing.assert_allclose(tape.gradient(total, kernel), np.full((1, 1, 2, 3), 2.0))


def smooth_pictures(count=3):
    """Blocks of random colours, which is nearer to a picture than noise is."""
    rng = np.random.default_rng(3)
    blocks = rng.integers(30, 220, (count, 6, 9, 3), dtype=np.uint8)
    return list(blocks.repeat(4, axis=1).repeat(4, axis=2))


def file_and_simulation(trunk, *, tail, scale):
    pictures = smooth_pictures()
    natural = RepresentativeDataset(pictures, [], "natural", "test", "", scale)
    model = attach_tail(trunk, tail, scale=scale)
    ranges = pin_pixels(observe_ranges(model, natural), model)
    content = convert_with_ranges(model, ranges, sample=pictures[0], height=24, width=36)
    return content, simulate(model, ranges), np.stack(pictures)


@pytest.mark.slow
@pytest.mark.parametrize("tail", ["relu", "none", "conv_clip"])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_simulation_agrees_with_the_file(family, tail):
    config = FAMILIES[family]
    trunk = random_weights(build_trunk(Preset("test", family, config, "for tests")))
    content, simulated, pictures = file_and_simulation(trunk, tail=tail, scale=config["scale"])
    expected = to_pixels(simulated(pictures / np.float32(255.0)).numpy()).astype(int)
    runner = open_model(content, delegate="xnnpack")
    found = np.stack([runner.run(p[None])[0] for p in pictures]).astype(int)
    difference = np.abs(found - expected)
    assert expected.std() > 20.0, "a network with something to compute"
    assert (difference > 0).mean() <= 0.01
    assert (difference > 1).mean() <= 0.002


@pytest.mark.slow
def test_builtin_kernels_differ_by_their_coarser_multiplication_and_no_more():
    """They requantize in fixed point with two roundings; single codes flip and spread."""
    trunk = random_weights(build_trunk(Preset("test", "xlsr", FAMILIES["xlsr"], "for tests")))
    content, simulated, pictures = file_and_simulation(trunk, tail="relu", scale=3)
    expected = to_pixels(simulated(pictures / np.float32(255.0)).numpy()).astype(int)
    runner = open_model(content, delegate="builtin")
    found = np.stack([runner.run(p[None])[0] for p in pictures]).astype(int)
    assert np.abs((found - expected).mean()) < 0.1
    assert np.square(found - expected).mean() < 1.0


def test_the_file_holds_the_weights_of_the_simulation():
    trunk = random_weights(build_trunk(Preset("test", "xlsr", FAMILIES["xlsr"], "for tests")))
    for layer in trunk.layers:
        if isinstance(layer, tf_keras.layers.Conv2D):
            kernel, bias = layer.get_weights()
            layer.set_weights([quantized_kernel(tf.constant(kernel)).numpy(), bias])
    content, _, _ = file_and_simulation(trunk, tail="relu", scale=3)
    for name in ("first", "block0_conv3", "merge"):
        kernel = trunk.get_layer(name).get_weights()[0]
        scales = np.abs(kernel).max(axis=(0, 1, 2)) / 127
        codes = np.rint(kernel / scales).astype(np.int8).transpose(3, 0, 1, 2)
        assert any(np.array_equal(codes, held) for held in int8_constants(content)), name


def int8_constants(content):
    file = schema.ModelT.InitFromPackedBuf(content, 0)
    for tensor in file.subgraphs[0].tensors:
        data = file.buffers[tensor.buffer].data
        if tensor.type == schema.TensorType.INT8 and data is not None:
            yield np.frombuffer(bytes(data), np.int8).reshape(tensor.shape)


def test_an_input_of_a_concatenation_has_the_range_behind_it(branched, natural):
    ranges = observe_ranges(branched, natural)
    found = stored_ranges(branched, ranges)
    assert found["a"] == found["b"] == ranges["joined"]
    assert "added" not in found, "swallowed by the ReLU behind it"


def test_tanh_has_the_grid_that_its_kernel_fixes():
    picture = tf_keras.Input((4, 4, 3), name="input")
    y = tf_keras.layers.Activation("tanh", name="bent")(picture)
    y = tf_keras.layers.Conv2D(3, 1, name="last")(y)
    model = tf_keras.Model(picture, y)
    ranges = TensorRanges({n: TensorRange(-1.0, 1.0) for n in ("input", "last")}, "test")
    assert stored_ranges(model, ranges)["bent"].scale == 1 / 128


def test_a_missing_range_is_named(sharpening, natural):
    ranges = observe_ranges(sharpening, natural)
    incomplete = TensorRanges({k: v for k, v in ranges.items() if k != "last_relu"}, "test")
    with pytest.raises(CalibrationError, match="found none for last_relu"):
        simulate(sharpening, incomplete)


def test_a_layer_that_int8_kernels_do_not_have_is_named():
    picture = tf_keras.Input((4, 4, 3), name="input")
    model = tf_keras.Model(picture, tf_keras.layers.LayerNormalization(name="norm")(picture))
    ranges = TensorRanges({n: TensorRange(-1.0, 1.0) for n in ("input", "norm")}, "test")
    with pytest.raises(CalibrationError, match=r"found LayerNormalization \(norm\)"):
        simulate(model, ranges)
