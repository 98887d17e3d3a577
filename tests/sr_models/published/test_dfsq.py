import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from sr_models.ground.errors import OptionError
from sr_models.published.dfsq import (
    UNIVERSAL_SET,
    DfsqActivation,
    nearest_points,
    normalization,
    quantized_activation,
    quantized_weights,
    weight_codes,
)
from sr_models.published.subset_selection import select_subset

RNG = np.random.default_rng(0)
POINTS = np.array(
    [np.sort(np.append(RNG.choice(UNIVERSAL_SET, 15, replace=False), 0.0)) for _ in range(3)]
)
TABLE = nearest_points(POINTS)
PICTURES = arrays.arrays(
    np.float32, (2, 3, 4, 3), elements=st.floats(-50.0, 50.0, width=32, allow_subnormal=False)
)
BITS = st.integers(2, 8)


def by_hand(x, points, *, centred):
    """One picture and channel after the other, with a table of all distances."""
    found = np.empty(x.shape)
    for n, c in np.ndindex(x.shape[0], x.shape[3]):
        channel = x[n, :, :, c].astype(np.float64)
        mean = channel.mean() if centred else 0.0
        magnitude = np.abs(channel - mean).max() + 1e-8
        normal = (channel - mean) / magnitude
        nearest = np.abs(normal[..., None] - points[c]).argmin(axis=-1)
        found[n, :, :, c] = points[c][nearest] * magnitude + mean
    return found


@pytest.mark.parametrize("centred", [True, False])
def test_each_channel_of_each_picture_goes_to_its_nearest_points(centred):
    x = np.random.default_rng(1).normal(1.0, [1.0, 5.0, 0.1], (2, 9, 7, 3)).astype(np.float32)
    found = quantized_activation(x, TABLE, centred=centred)
    np.testing.assert_allclose(found, by_hand(x, POINTS, centred=centred), rtol=1e-4, atol=1e-5)


@given(x=st.floats(-1.0, 1.0, width=32, allow_subnormal=False))
def test_the_looked_up_point_is_the_nearest(x):
    picture = np.float32([x, 1.0]).reshape(1, 1, 2, 1)  # The second pixel makes the magnitude 1.
    found = quantized_activation(picture, TABLE[:1], centred=False).numpy()[0, 0, 0, 0]
    assert abs(found - x) <= np.abs(POINTS[0] - x).min() + 1e-6


@given(x=PICTURES)
def test_quantizing_on_points_with_both_ends_is_idempotent(x):
    # Where 1 is no point the magnitude shrinks, and with it everything else the second time.
    points = np.array([[-1.0, -0.5, 0.0, 0.25, 0.8125, 1.0]] * 3)
    table = nearest_points(points)
    once = quantized_activation(x, table, centred=False)
    again = quantized_activation(once, table, centred=False)
    np.testing.assert_allclose(again, once, rtol=1e-4, atol=1e-4)


@given(x=PICTURES, centred=st.booleans())
def test_quantizing_is_monotone_in_each_channel(x, centred):
    found = quantized_activation(x, TABLE, centred=centred).numpy()
    for n, c in np.ndindex(2, 3):
        order = np.argsort(x[n, :, :, c], axis=None)
        assert (np.diff(found[n, :, :, c].ravel()[order]) >= -1e-4).all()


@given(x=PICTURES, factor=st.sampled_from([0.25, 2.0, 64.0]), centred=st.booleans())
def test_rescaling_a_channel_rescales_its_result(x, factor, centred):
    x = x + np.float32([[[[0.0, 1.0, 2.0]]]])
    x[:, 0, 0] += 60.0  # Channels of next to no magnitude are another matter: the epsilon counts.
    factors = np.float32([factor, 1.0, 1.0 / factor])
    scaled = quantized_activation(x * factors, TABLE, centred=centred)
    expected = quantized_activation(x, TABLE, centred=centred) * factors
    wrong = ~np.isclose(scaled, expected, rtol=1e-4, atol=1e-4)
    assert wrong.mean() <= 0.02, "at most a tie that the epsilon tips"


@given(seed=st.integers(0, 1000), powers=st.tuples(*[st.integers(0, 8)] * 3), centred=st.booleans())
def test_rescaling_by_powers_of_two_is_exact(seed, powers, centred):
    """Where the epsilon vanishes beside a magnitude of 1 or more, not a bit differs."""
    x = np.random.default_rng(seed).normal(2.0, 5.0, (2, 5, 4, 3)).astype(np.float32)
    factors = np.float32(2.0) ** np.float32(powers)
    np.testing.assert_array_equal(
        quantized_activation(x * factors, TABLE, centred=centred),
        quantized_activation(x, TABLE, centred=centred) * factors,
    )


def test_a_channel_of_zeros_stays_zero_and_another_picture_does_not_matter():
    x = np.random.default_rng(1).normal(size=(2, 5, 5, 3)).astype(np.float32)
    x[0, :, :, 1] = 0.0
    found = quantized_activation(x, TABLE, centred=True).numpy()
    assert not found[0, :, :, 1].any()
    x[1] *= 100.0
    np.testing.assert_array_equal(quantized_activation(x, TABLE, centred=True)[0], found[0])


def test_normalized_channels_are_within_one():
    x = np.random.default_rng(1).normal(3.0, 2.0, (2, 5, 5, 3)).astype(np.float32)
    mean, magnitude = normalization(x, centred=True)
    normal = (x - mean) / magnitude
    np.testing.assert_allclose(np.abs(normal).max(axis=(1, 2)), 1.0, atol=1e-6)
    np.testing.assert_allclose(np.mean(normal, axis=(1, 2)), 0.0, atol=1e-6)


def test_points_that_are_no_multiples_are_refused():
    for points in ([[0.1, 0.0]], [[0.0, 2.0]], [0.0, 0.5]):
        with pytest.raises(OptionError, match="multiples of 1/1024"):
            nearest_points(np.array(points))


@given(bits=BITS, seed=st.integers(0, 50))
def test_weights_use_all_codes_between_the_ends_of_their_channel(bits, seed):
    kernel = np.random.default_rng(seed).normal(size=(3, 3, 8, 4)).astype(np.float32)
    codes, step = weight_codes(kernel, bits=bits)
    spans = codes.reshape(-1, 4).max(axis=0) - codes.reshape(-1, 4).min(axis=0)
    assert (spans <= 2**bits - 1).all()
    found = quantized_weights(kernel, bits=bits)
    np.testing.assert_allclose(found, codes * step, rtol=1e-6)
    assert (np.abs(found - kernel) <= step * 1.01).all(), "the rounded zero may clip half a step"
    np.testing.assert_allclose(
        step, np.ptp(kernel.reshape(-1, 4), axis=0) / (2**bits - 1), rtol=1e-6
    )


def test_weights_are_those_of_a_hand_calculation():
    # Step 15/15 = 1, zero round(-5.4) = -5; 9.6 - (-5) = 15 is the last code, and -5.4 the first.
    kernel = np.float32([-5.4, -0.6, 0.4, 3.6, 9.6]).reshape(1, 1, 5, 1)
    codes, step = weight_codes(kernel, bits=4)
    assert step == pytest.approx(1.0)
    np.testing.assert_array_equal(codes.ravel(), [-5, -1, 0, 4, 10])


@pytest.mark.parametrize("bits, largest", [(4, 15), (6, 63)])
def test_kernels_of_four_and_six_bits_are_int8_kernels(bits, largest):
    kernel = np.random.default_rng(2).normal(size=(3, 3, 64, 64)).astype(np.float32)
    assert np.abs(weight_codes(kernel, bits=bits)[0]).max() <= largest
    assert np.abs(weight_codes(kernel, bits=8)[0]).max() > 127


def test_a_channel_of_one_weight_keeps_it():
    kernel = np.full((1, 1, 4, 2), [0.3, 0.0], np.float32)
    np.testing.assert_array_equal(quantized_weights(kernel, bits=4), kernel)


def test_the_layer_survives_being_saved(tmp_path):
    picture = tf_keras.Input((None, None, 3))
    model = tf_keras.Model(picture, DfsqActivation(False, name="q")(picture))
    x = np.random.default_rng(0).random((2, 5, 6, 3), np.float32)
    points = [select_subset(x[..., c], bits=4).points for c in range(3)]
    model.get_layer("q").set_points(np.array(points))
    model.save(tmp_path / "model.keras")
    again = tf_keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(x), model(x))
    assert not again.get_layer("q").centred
    assert again.trainable_variables == []
    assert float(tf.reduce_max(tf.abs(model(x) - x))) < 0.2
