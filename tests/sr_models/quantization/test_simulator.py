import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from representative_data.observation import observe_ranges
from sr_models.ground.errors import CalibrationError
from sr_models.ground.pictures import to_pixels
from sr_models.networks.layers import ClipByValue, DepthToSpace
from sr_models.networks.network import build_trunk
from sr_models.networks.presets import Preset
from sr_models.quantization.fake_quantization import FakeQuantization
from sr_models.quantization.ranges import TensorRange, TensorRanges
from sr_models.quantization.simulator import (
    SimulatedConvolution,
    SimulatedPrelu,
    quantized_kernel,
    simulate,
    simulated_clip,
    stored_ranges,
)
from tests.families import SMALL, TAILED, export_small, random_weights

KERNELS = arrays.arrays(
    np.float32, (3, 3, 2, 4), elements=st.floats(-2.0, 2.0, width=32, allow_subnormal=False)
)
COARSE = {"rdn": 0.5}
"""Share of differing pixels where XNNPACK requantizes, by a factor in steps of 1/256."""


@given(kernel=KERNELS)
def test_kernels_lie_on_the_symmetric_grid_of_their_channel(kernel):
    found = quantized_kernel(tf.constant(kernel)).numpy()
    for channel in range(4):
        scale = np.abs(kernel[..., channel]).max() / 127
        if scale == 0.0:
            assert not found[..., channel].any()
        if scale < np.finfo(np.float32).tiny:  # a step that float32 may flush to 0
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


def code_differences(file, delegate):
    """Absolute differences of the file's codes from the simulation's, pictures and noise alike."""
    simulated = simulate(file.model, file.ranges)(file.pictures / np.float32(255.0)).numpy()
    expected = to_pixels(simulated).astype(int)
    assert expected.std() > 20.0, "a network with something to compute"
    difference = np.abs(file.codes(delegate) - expected)
    print(f"{delegate}: {(difference > 0).mean():.2%} of the pixels by up to {difference.max()}")
    return difference


@pytest.mark.slow
@pytest.mark.parametrize(("family", "tail"), TAILED)
def test_the_simulation_agrees_with_xnnpack(family, tail, small_file):
    difference = code_differences(small_file(family, tail), "xnnpack")
    assert (difference > 0).mean() <= COARSE.get(family, 0.01)
    assert family in COARSE or np.square(difference).mean() < 0.2


@pytest.mark.slow
def test_builtin_kernels_differ_by_their_coarser_multiplication_and_no_more(small_file):
    """Single codes flip and spread; the integer network follows each of them."""
    difference = code_differences(small_file("xlsr", "relu"), "builtin")
    assert np.square(difference).mean() < 1.0


def test_the_file_holds_the_weights_of_the_simulation():
    trunk = random_weights(build_trunk(Preset("test", "xlsr", SMALL["xlsr"], "for tests")))
    for layer in trunk.layers:
        if isinstance(layer, tf_keras.layers.Conv2D):
            kernel, bias = layer.get_weights()
            layer.set_weights([quantized_kernel(tf.constant(kernel)).numpy(), bias])
    content = export_small(trunk, tail="relu", scale=3).content
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


def test_a_prelu_that_rounds_has_the_gradients_of_one_that_does_not():
    prelu = tf_keras.layers.PReLU(tf_keras.initializers.Constant(0.25), shared_axes=[1, 2])
    prelu.build((None, 1, 3, 1))
    grid, narrow = TensorRange(-2.0, 2.0), TensorRange(-1.0, 1.0)
    layer = SimulatedPrelu(prelu, source=grid, target=narrow)
    steps = tf.reshape(tf.constant([-100.0, 50.0, 100.0]) * grid.scale, (1, 1, 3, 1))
    with tf.GradientTape() as tape:
        tape.watch(steps)
        found = layer(steps)
    # -25 and 50 steps of the input are -50 and 100 of the output; 200 are above its 127th.
    codes = found.numpy().ravel() / narrow.scale
    np.testing.assert_allclose(codes, [-50.0, 100.0, 127.0], atol=1e-4)
    np.testing.assert_allclose(tape.gradient(found, steps).numpy().ravel(), [0.25, 1.0, 0.0])


def test_a_quantizer_of_the_callers_own_is_asked_once_for_each_rounded_tensor(branched, natural):
    ranges, asked = observe_ranges(branched, natural), []
    simulate(branched, ranges, quantizer=lambda name, value: asked.append(name))
    assert sorted(asked) == sorted({*ranges, "a", "b"} - {"joined"})


def test_a_tensor_joined_twice_lies_on_the_last_grid():
    picture = tf_keras.Input((4, 4, 3), name="input")
    x = tf_keras.layers.Conv2D(3, 1, name="x")(picture)
    first = tf_keras.layers.Concatenate(name="first")(
        [x, tf_keras.layers.Conv2D(3, 1, name="a")(x)]
    )
    y = tf_keras.layers.Conv2D(3, 1, name="b")(first)
    model = tf_keras.Model(picture, tf_keras.layers.Concatenate(name="second")([x, y]))
    tops = {"input": 1.0, "first": 2.0, "second": 3.0}
    found = stored_ranges(
        model, TensorRanges({n: TensorRange(0.0, top) for n, top in tops.items()}, "test")
    )
    assert {n: value.maximum for n, value in found.items()} == {
        **tops,
        "x": 3.0,
        "a": 2.0,
        "b": 3.0,
    }


def test_a_clip_bounds_at_codes_of_its_input():
    clip = ClipByValue(0.0, 1.0)
    # Codes of 0.03: 33 of them are 0.99. A range that ends before white bounds by itself.
    found = simulated_clip(clip, TensorRange(-3.3, 4.35))
    assert (found.minimum, found.maximum) == (0.0, pytest.approx(0.99))
    assert simulated_clip(clip, TensorRange(0.0, 0.5)).maximum == pytest.approx(0.5)


def test_tanh_has_the_grid_that_its_kernel_fixes():
    picture = tf_keras.Input((4, 4, 3), name="input")
    y = tf_keras.layers.Activation("tanh", name="bent")(picture)
    y = tf_keras.layers.Conv2D(3, 1, name="last")(y)
    model = tf_keras.Model(picture, y)
    ranges = TensorRanges({n: TensorRange(-1.0, 1.0) for n in ("input", "last")}, "test")
    assert stored_ranges(model, ranges)["bent"].scale == 1 / 128


def test_a_simulation_is_put_together_without_computing_it(branched, natural, monkeypatch):
    """Each of its layers has dozens of operators, which Keras would make only to see a shape."""

    def computed(self, inputs):
        raise AssertionError(self.name)

    ranges = observe_ranges(branched, natural)
    for layer in (SimulatedConvolution, FakeQuantization, DepthToSpace):
        monkeypatch.setattr(layer, "call", computed)
    assert simulate(branched, ranges).output_shape == branched.output_shape


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
