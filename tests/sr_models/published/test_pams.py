"""Golden values were worked out by hand from the formulas of the module's docstring."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from sr_models.ground.errors import OptionError
from sr_models.published.pams import (
    LEAST_ALPHA,
    PamsActivation,
    PamsConvolution,
    activation_statistic,
    averaged_statistic,
    quantized_activation,
    quantized_weights,
)

ALPHA = tf.constant(10.0)
X = np.float32([-12, -10, -5, -0.03, 0, 0.04, 0.1, 3.3333, 9.99, 12])
VALUES = arrays.arrays(
    np.float32, 40, elements=st.floats(-20.0, 20.0, width=32, allow_subnormal=False)
)
BITS = st.integers(2, 8)


def codes(x, *, bits, **keywords):
    step = 10.0 / (2 ** (bits - 1) - 1)
    return np.rint(quantized_activation(x, ALPHA, bits=bits, **keywords).numpy() / step)


@pytest.mark.parametrize(
    "bits, expected",
    [
        # -5 q / 10 is the tie 63.5, 15.5, 3.5, which goes to the even 64, 16, 4.
        (8, [-127, -127, -64, 0, 0, 1, 1, 42, 127, 127]),
        (6, [-31, -31, -16, 0, 0, 0, 0, 10, 31, 31]),
        (4, [-7, -7, -4, 0, 0, 0, 0, 2, 7, 7]),
    ],
)
def test_activations_take_the_codes_of_the_formula(bits, expected):
    np.testing.assert_array_equal(codes(X, bits=bits), expected)


def gradient_of_alpha(x, *, bits):
    with tf.GradientTape() as tape:
        tape.watch(ALPHA)
        value = quantized_activation(tf.constant(np.float32(x)), ALPHA, bits=bits)
    return float(tape.gradient(value, ALPHA))


@pytest.mark.parametrize(
    "x, expected",
    [
        # (round(v) - v) / 127 with v = 12.7 x: -0.5, 0.492, -0.27, -0.33291, 0.127 over 127.
        (-5.0, -0.003937),
        (0.04, 0.003874),
        (0.1, -0.002126),
        (3.3333, -0.002621),
        (9.99, 0.001),
        (12.0, 1.0),
        (-12.0, -1.0),
    ],
)
def test_the_gradient_of_alpha_is_the_rounding_error_within_and_the_sign_outside(x, expected):
    assert gradient_of_alpha(x, bits=8) == pytest.approx(expected, abs=2e-6)


@given(x=st.floats(-9.0, 9.0, width=32, allow_subnormal=False), bits=BITS)
def test_the_gradient_of_alpha_is_that_of_the_formula_with_the_rounding_error_held(x, bits):
    # Finite differences in float64 of (v(a) + c) a / q, where c = round(v) - v stands still.
    q = 2 ** (bits - 1) - 1
    error = np.rint(x * q / 10.0) - x * q / 10.0
    if abs(abs(error) - 0.5) < 1e-3:
        return  # Rounded the other way in float32.

    def held(alpha):
        return (x * q / alpha + error) * alpha / q

    expected = (held(10.0 + 1e-3) - held(10.0 - 1e-3)) / 2e-3
    assert gradient_of_alpha(x, bits=bits) == pytest.approx(expected, abs=2e-5)


@given(x=st.floats(10.125, 1e3, width=32), sign=st.sampled_from([-1.0, 1.0]), bits=BITS)
def test_outside_the_gradient_of_alpha_is_that_of_finite_differences(x, sign, bits):
    high, low = (
        float(quantized_activation(np.float32(sign * x), tf.constant(a), bits=bits))
        for a in (10.05, 9.95)
    )
    assert gradient_of_alpha(sign * x, bits=bits) == pytest.approx((high - low) / 0.1, rel=1e-3)


@pytest.mark.parametrize("x", [10.0, -10.0, 12.0, -12.0, 9.0])
def test_at_the_ends_of_the_clip_alpha_has_the_gradient_of_pytorch_1_1(x):
    """`max(min(x, a), -a)`, each with its rule of a tie: the second argument takes it all."""
    a = 10.0
    low, of_x, of_a = min(x, a), float(x < a), float(x >= a)
    above = float(low > -a)
    of_x, of_a = of_x * above, of_a * above - float(low <= -a)
    v = np.clip(x, -a, a) * 127 / a
    # Beside the clip's share round(v) / q by the a behind, and -v / q by the one in v.
    expected = np.array([of_x, (np.rint(v) - v) / 127 + of_a])
    value, alpha = tf.Variable(x), tf.Variable(a)
    with tf.GradientTape() as tape:
        y = quantized_activation(value, alpha, bits=8)
    np.testing.assert_allclose(tape.gradient(y, [value, alpha]), expected, atol=2e-6)


def test_values_that_are_clipped_get_no_gradient():
    x = tf.constant(X)
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(quantized_activation(x, ALPHA, bits=8))
    found = tape.gradient(total, x).numpy()
    np.testing.assert_allclose(found[[0, 9]], 0.0)
    np.testing.assert_allclose(found[2:9], 1.0, rtol=1e-6)


@given(x=VALUES, bits=BITS, unsigned=st.booleans())
def test_quantizing_is_idempotent_monotone_and_bounded(x, bits, unsigned):
    once = quantized_activation(np.sort(x), ALPHA, bits=bits, unsigned=unsigned)
    again = quantized_activation(once, ALPHA, bits=bits, unsigned=unsigned)
    np.testing.assert_allclose(again, once, atol=1e-5)
    assert (np.diff(once) >= 0.0).all()
    assert np.max(once) <= 10.0001
    assert np.min(once) >= (0.0 if unsigned else -10.0001)
    steps = 2**bits - 1 if unsigned else 2 ** (bits - 1) - 1
    inside = np.clip(np.sort(x), 0.0 if unsigned else -10.0, 10.0)
    assert np.abs(once - inside).max() <= 0.5001 * 10.0 / steps


@given(x=VALUES, bits=BITS)
def test_the_signed_grid_is_symmetric(x, bits):
    np.testing.assert_array_equal(
        quantized_activation(-x, ALPHA, bits=bits), -quantized_activation(x, ALPHA, bits=bits)
    )


@pytest.mark.parametrize("bits", range(2, 9))
def test_the_grids_have_as_many_levels_as_they_should(bits):
    x = np.linspace(-11.0, 11.0, 20001, dtype=np.float32)
    # The signed grid leaves out the lowest code of two's complement.
    assert len(np.unique(codes(x, bits=bits))) == 2**bits - 1
    unsigned = quantized_activation(x, ALPHA, bits=bits, unsigned=True)
    assert len(np.unique(np.rint(unsigned.numpy() * (2**bits - 1) / 10.0))) == 2**bits


def test_while_it_warms_up_codes_beyond_the_largest_appear():
    assert codes(np.float32(12.0), bits=8, clip=False) == 152


@pytest.mark.parametrize(
    # In float64: 0.5 * 7 / (1 + 1e-8) is just below the tie 3.5.
    "bits, expected",
    [(8, [63, -32, 13, -127, 9]), (4, [3, -2, 1, -7, 0])],
)
def test_weights_take_the_codes_of_the_formula(bits, expected):
    kernel = tf.constant([0.5, -0.25, 0.1, -1.0, 0.07], tf.float64)
    q = 2 ** (bits - 1) - 1
    found = np.rint(quantized_weights(kernel, bits=bits).numpy() * q)
    np.testing.assert_array_equal(found, expected)


def test_in_float32_the_epsilon_vanishes_beside_a_weight_of_one():
    kernel = tf.constant([0.5, -1.0])
    found = np.rint(quantized_weights(kernel, bits=4).numpy() * 7)
    np.testing.assert_array_equal(found, [4, -7])


def test_a_channel_may_have_its_own_scale():
    kernel = np.float32([[1.0, 0.01], [0.5, -0.005]])
    whole = quantized_weights(tf.constant(kernel), bits=4).numpy()
    each = quantized_weights(tf.constant(kernel), bits=4, per_channel=True).numpy()
    assert not whole[:, 1].any(), "lost beside the large channel"
    np.testing.assert_allclose(each[0], kernel[0], rtol=1e-4)


def test_weights_get_the_gradient_of_the_identity():
    kernel = tf.Variable(np.random.default_rng(0).normal(size=(3, 3, 2, 4)).astype(np.float32))
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(quantized_weights(kernel, bits=4) * 3.0)
    np.testing.assert_allclose(tape.gradient(total, kernel), np.full((3, 3, 2, 4), 3.0), rtol=1e-5)


def test_a_kernel_of_zeros_stays_zero():
    assert not quantized_weights(tf.zeros((3, 3, 2, 2)), bits=8).numpy().any()


def test_the_statistic_is_the_mean_of_each_samples_greatest_magnitude():
    x = np.zeros((2, 2, 2, 1), np.float32)
    x[0, 0, 1], x[1, 1, 0] = -3.0, 1.0
    assert float(activation_statistic(x)) == 2.0
    assert float(averaged_statistic(1.0, 2.0)) == pytest.approx(1.0003)


def test_while_it_warms_up_alpha_follows_the_batch_and_nothing_is_clipped():
    layer = PamsActivation(8)
    layer(tf.zeros((1, 1, 1, 1)))
    layer.warm_up.assign(1.0)
    batch = np.float32([4.0, -8.0]).reshape(2, 1, 1, 1)
    found = layer(batch, training=True)
    assert float(layer.alpha) == 6.0
    np.testing.assert_allclose(found, batch, atol=6.0 / 127)
    layer.warm_up.assign(0.0)
    assert float(layer(batch, training=True)[1, 0, 0, 0]) == pytest.approx(-6.0)
    assert float(layer.alpha) == 6.0


def test_alpha_is_learned_and_never_falls_to_zero():
    layer = PamsActivation(8)
    optimizer = tf_keras.optimizers.SGD(100.0)
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(layer(20.0 * tf.ones((1, 1, 1, 1)), training=True))
    assert [v.name for v in layer.trainable_variables] == [f"{layer.name}/alpha:0"]
    optimizer.apply_gradients(zip(tape.gradient(total, [layer.alpha]), [layer.alpha]))
    assert float(layer.alpha) == pytest.approx(LEAST_ALPHA)


def test_layers_survive_being_saved(tmp_path):
    picture = tf_keras.Input((None, None, 3))
    y = PamsConvolution(4, 3, padding="same", bits=4, per_channel=True, name="a")(picture)
    y = PamsActivation(6, unsigned=True, name="q")(y)
    model = tf_keras.Model(picture, y)
    model.get_layer("q").alpha.assign(0.75)
    model.save(tmp_path / "model.keras")
    again = tf_keras.models.load_model(tmp_path / "model.keras")
    x = np.random.default_rng(0).random((1, 5, 6, 3), np.float32)
    np.testing.assert_array_equal(again(x), model(x))
    assert (again.get_layer("a").bits, again.get_layer("q").unsigned) == (4, True)


def test_widths_out_of_range_are_refused():
    for make in (PamsActivation, lambda bits: PamsConvolution(4, 3, bits=bits)):
        with pytest.raises(OptionError):
            make(1)
