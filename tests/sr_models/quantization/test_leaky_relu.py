"""One slope for all channels: every path's codes, held against the kernels themselves."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from hypothesis import given
from hypothesis import strategies as st

from export.exporting.conversion import convert_with_ranges
from export.inspecting.audit import audit_model
from export.running.interpreters import open_model
from sr_models.quantization import integer_kernels as kernels
from sr_models.quantization.grids import Grid
from sr_models.quantization.integer_network import simulate_builtin
from sr_models.quantization.ranges import TensorRange, TensorRanges
from sr_models.quantization.simulator import SimulatedLeakyRelu, simulate

CODES = np.arange(-128, 128).astype(np.int8).reshape(1, 16, 16, 1)

CASES = {
    "mild": (0.2, (-1.0, 1.0), (-0.2, 1.0)),
    "of RFDN": (0.05, (-3.0, 2.0), (-0.15, 2.0)),
    "steeper than 1": (1.5, (-1.0, 1.0), (-1.5, 1.0)),
    "negative": (-0.3, (-1.0, 1.0), (0.0, 1.0)),
    "onto a wide grid": (0.2, (-1.0, 1.0), (-30.0, 30.0)),
    "saturated": (0.1, (-1.0, 1.0), (-0.1, 0.004)),
    "below a step of XNNPACK": (0.001, (-1.0, 1.0), (-0.001, 1.0)),
}


def network_of(slope, source, target):
    picture = tf_keras.Input((None, None, 1), name="input")
    model = tf_keras.Model(picture, tf_keras.layers.LeakyReLU(slope, name="leaky")(picture))
    ranges = TensorRanges({"input": TensorRange(*source), "leaky": TensorRange(*target)}, "test")
    return model, ranges


@pytest.mark.parametrize("case", CASES)
def test_both_simulations_write_the_codes_of_their_kernels(case):
    """Every input code through the file itself: builtin kernels, the reference ones, XNNPACK."""
    slope, *spans = CASES[case]
    model, ranges = network_of(slope, *spans)
    sample = np.zeros((16, 16, 1), np.uint8)
    content = convert_with_ranges(model, ranges, sample=sample, height=16, width=16, io="int8")
    assert audit_model(content).ops == {"LEAKY_RELU": 1}
    source, target = (Grid.of(ranges[name]) for name in ("input", "leaky"))

    found = kernels.leaky_relu(CODES, np.float32(slope), source=source, target=target)
    for delegate in ("builtin", "reference"):
        np.testing.assert_array_equal(found, open_model(content, delegate=delegate).run(CODES))

    runner = open_model(content, delegate="xnnpack")
    factors = kernels.xnnpack_leaky_factors(slope, source=source, target=target)
    assert runner.delegation.delegated_nodes == (factors is not None)
    values = (source.centred(CODES) * source.scale).astype(np.float32)
    simulated = simulate(model, ranges)(values).numpy()
    codes = np.rint(simulated / target.scale) + target.zero_point
    np.testing.assert_array_equal(codes, runner.run(CODES))


def test_the_codes_by_hand():
    """Steps of 1/64 into steps of 1/32, slope 1/4: half of each code, an eighth below 0."""
    source, target = Grid("int8", 1 / 64, 0), Grid("int8", 1 / 32, -5)
    codes = np.array([6, 7, 0, -4, -12, -13, -128], np.int8)
    found = kernels.leaky_relu(codes, 0.25, source=source, target=target)
    # 3, 3.5 and 0; -0.5, -1.5, -1.625 and -16: halves away from zero.
    assert (found.astype(int) + 5).tolist() == [3, 4, 0, -1, -2, -2, -16]


def test_xnnpack_takes_factors_in_parts_of_256():
    """Of a slope of 0.05 it makes 13 / 256, of 0.2 it makes 51 / 256."""
    unit = Grid("int8", 0.01, 0)
    for slope, below in ((0.05, 13), (0.2, 51), (-0.2, -51), (1 / 256, 1)):
        assert kernels.xnnpack_leaky_factors(slope, source=unit, target=unit) == (256, below)
    assert kernels.xnnpack_leaky_factors(0.0039, source=unit, target=unit) is None
    assert kernels.xnnpack_leaky_factors(200.0, source=unit, target=unit) is None
    far = Grid("int8", 3.0, 0)
    assert kernels.xnnpack_leaky_factors(0.2, source=unit, target=far) is None


GRIDS = st.builds(Grid, st.just("int8"), st.floats(0.002, 0.05), st.integers(-128, 127))


@given(source=GRIDS, target=GRIDS, slope=st.floats(-1.5, 1.5, width=32))
def test_a_code_is_near_the_exact_value(source, target, slope):
    found = kernels.leaky_relu(CODES, slope, source=source, target=target)
    exact = source.centred(CODES) * float(source.stored_scale)
    exact = np.where(exact >= 0.0, exact, exact * slope) / float(target.stored_scale)
    saturated = np.clip(exact + target.zero_point, -128, 127)
    assert np.abs(found - saturated).max() <= 0.75


def test_one_that_rounds_has_the_gradients_of_one_that_does_not():
    leaky = tf_keras.layers.LeakyReLU(0.25)
    grid, narrow = TensorRange(-1.0, 1.0), TensorRange(-0.2, 0.5)
    layer = SimulatedLeakyRelu(leaky, source=grid, target=narrow)
    x = tf.constant([[[[0.3], [-0.4], [0.9]]]])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x)
    # The last one is saturated.
    np.testing.assert_allclose(tape.gradient(y, x).numpy().ravel(), [1.0, 0.25, 0.0], atol=1e-6)


def test_without_ranges_it_is_the_layer_itself():
    leaky = tf_keras.layers.LeakyReLU(0.25)
    assert SimulatedLeakyRelu(leaky)(tf.constant([-1.0])).numpy().tolist() == [-0.25]


def test_the_integer_network_knows_it():
    model, ranges = network_of(0.2, (0.0, 1.0), (0.0, 1.0))
    pictures = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    np.testing.assert_array_equal(simulate_builtin(model, ranges)(pictures), pictures)
