import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from sr_models.ground.errors import CalibrationError, OptionError
from sr_models.published.sensitivity import (
    feature_loss,
    feature_weights,
    picture_loss,
    sensitivities,
    spread,
)

SPREADS = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=40)


@given(spreads=SPREADS, shift=st.floats(0.0, 1.0))
def test_sensitivities_are_shares_in_the_order_of_spreads_and_shifts_cancel(spreads, shift):
    found = list(sensitivities(dict(enumerate(spreads))).values())
    assert sum(found) == pytest.approx(1.0)
    assert (np.diff([found[i] for i in np.argsort(spreads)]) >= 0.0).all()
    shifted = sensitivities({k: v + shift for k, v in enumerate(spreads)})
    np.testing.assert_allclose(list(shifted.values()), found, rtol=1e-6, atol=1e-12)


def test_a_spread_that_overflows_a_plain_softmax_gives_no_nan():
    found = sensitivities({"a": 95.0, "b": 94.0, "c": 0.0}, unit=1.0)
    # exp(-1) : 1, and next to nothing.
    assert found["b"] / found["a"] == pytest.approx(np.exp(-1.0))
    assert found["c"] == pytest.approx(0.0, abs=1e-30)
    with np.errstate(over="ignore"):
        assert np.isinf(np.exp(np.float32(95.0))), "what the released code computes"
    # 95 times 255 is beyond float64, too.
    assert sensitivities({"a": 95.0, "b": 0.0}) == {"a": 1.0, "b": 0.0}


def test_spreads_are_taken_in_units_of_255():
    found = sensitivities({"a": 2.0 / 255.0, "b": 1.0 / 255.0})
    assert found["a"] / found["b"] == pytest.approx(np.e)


def test_spreads_that_are_no_numbers_are_refused():
    for spreads in ({}, {"a": float("nan")}, {"a": float("inf")}):
        with pytest.raises(CalibrationError, match="expected finite spreads"):
            sensitivities(spreads)


def test_the_spread_is_each_samples_own():
    # Samples with values +-1 and +-3 about means that must not count.
    x = np.array([[9.0, 11.0], [-3.0, 3.0]], np.float32).reshape(2, 1, 2, 1)
    assert spread(x) == pytest.approx(np.sqrt(2.0) * (1.0 + 3.0) / 2.0)


def test_blocks_weigh_what_their_convolutions_do_and_the_released_code_what_others_do():
    weights = {"first": 0.4, "a": 0.1, "b": 0.3, "c": 0.2}
    layers = [["a", "b"], ["c"]]
    found = feature_weights(weights, layers=layers, batch=2)
    np.testing.assert_allclose(found, [[0.2, 0.2], [0.2, 0.2]])
    released = feature_weights(weights, layers=layers, batch=2, align="released")
    np.testing.assert_allclose(released, [[0.4, 0.1], [0.3, 0.2]])
    longer = feature_weights(weights, layers=[["a"]] * 3, batch=2, align="released")
    np.testing.assert_allclose(longer[2], [0.4, 0.1])
    with pytest.raises(OptionError, match="expected an alignment of paper, released"):
        feature_weights(weights, layers=layers, batch=2, align="code")


def test_the_feature_loss_is_that_of_a_hand_calculation():
    # Unit vectors at a right angle are sqrt(2) apart; at no angle 0.
    student = [np.float32([[3, 0]]).reshape(1, 1, 2, 1), np.float32([[1, 1]]).reshape(1, 1, 2, 1)]
    teacher = [np.float32([[0, 7]]).reshape(1, 1, 2, 1), np.float32([[5, 5]]).reshape(1, 1, 2, 1)]
    found = feature_loss(student, teacher, weights=np.float32([[0.6], [0.4]]))
    assert float(found) == pytest.approx(0.6 * np.sqrt(2.0) / 2.0, abs=1e-5)


def test_equal_features_have_a_gradient_that_is_a_number():
    features = tf.Variable(np.ones((1, 2, 2, 1), np.float32))
    with tf.GradientTape() as tape:
        loss = feature_loss([features], [tf.constant(features)], weights=np.float32([[1.0]]))
    assert np.isfinite(tape.gradient(loss, features)).all()


def test_the_picture_loss_is_in_units_of_255():
    assert float(picture_loss(np.float32([0.2, 0.4]), np.float32([0.1, 0.6]))) == pytest.approx(
        255.0 * 0.15, rel=1e-5
    )
