import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from sr_models.ground.errors import CalibrationError, OptionError
from sr_models.published.sensitivity import (
    FEATURE_WEIGHT,
    Sensitivities,
    feature_loss,
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


def test_blocks_weigh_what_they_do_and_in_the_released_code_what_other_layers_do():
    convolutions = {"first": 0.4, "a": 0.1, "b": 0.3, "c": 0.2}
    found = Sensitivities({"block0": 0.7, "block1": 0.3}, convolutions)
    np.testing.assert_allclose(found.weights(2), [[0.7, 0.7], [0.3, 0.3]])
    released = found.weights(2, align="released")
    np.testing.assert_allclose(released, [[0.4, 0.1], [0.3, 0.2]])
    longer = Sensitivities(dict.fromkeys("xyz", 1 / 3), convolutions)
    np.testing.assert_allclose(longer.weights(2, align="released")[2], [0.4, 0.1])
    with pytest.raises(OptionError, match="expected an alignment of paper, released"):
        found.weights(2, align="code")


@pytest.mark.parametrize("align", ["paper", "released"])
def test_the_sensitivity_loss_is_that_of_the_released_loop(align):
    """The loop of the released trainer in float64, entries of blocks joined along the batch."""
    rng, batch, blocks = np.random.default_rng(4), 2, 3
    student, teacher = rng.normal(size=(2, blocks, batch, 4, 5, 6)).astype(np.float32)
    features = {f"block{k}": s for k, s in enumerate((0.5, 0.2, 0.3))}
    convolutions = {f"conv{k}": s for k, s in enumerate((0.4, 0.1, 0.05, 0.15, 0.2, 0.1))}
    weights = list(convolutions.values())
    if align == "paper":
        weights = np.repeat(list(features.values()), batch)
    total = 0.0
    entries = zip(np.concatenate(teacher), np.concatenate(student))
    for i, (f_k, f_q) in enumerate(entries):
        f_k, f_q = (f / np.sqrt(np.square(np.float64(f)).sum()) for f in (f_k, f_q))
        distance = np.sqrt(np.square(f_k - f_q).sum())
        total += weights[i] * 10.0 * distance / batch / (blocks * batch)
    found = feature_loss(
        list(student),
        list(teacher),
        weights=Sensitivities(features, convolutions).weights(batch, align=align),
    )
    assert FEATURE_WEIGHT * float(found) == pytest.approx(total, rel=1e-5)


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
