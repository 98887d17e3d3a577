import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from export.quantizing.channels import (
    channel_ranges,
    channel_sensitivities,
    channel_values,
    joint_sensitivities,
)


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(1).random((1, 3, 4, 3), np.float32)


@pytest.fixture(scope="module")
def jacobian(residual, pictures):
    """float32 (outputs, 3, 4, C): of the whole output by the tensor `sum0`."""
    inner = residual.get_layer("sum0").output
    rest = tf_keras.Model(residual.input, [inner, residual.output])
    with tf.GradientTape() as tape:
        tensor, output = rest(pictures)
        flat = tf.reshape(output, [-1])
    return tape.jacobian(flat, tensor).numpy()[:, 0]


def drawn(measure, residual, pictures):
    """In the mean of 200 draws: each time that a picture goes through, it gets signs of its own."""
    return measure(residual, ["sum0"], pictures.repeat(200, axis=0))["sum0"]


def test_sensitivities_are_the_squares_of_the_jacobian(residual, pictures, jacobian):
    exact = np.square(jacobian).sum(axis=(0, 1, 2))
    found = drawn(channel_sensitivities, residual, pictures)
    np.testing.assert_allclose(found, exact, rtol=0.25)


def test_joint_sensitivities_know_how_errors_add_up(residual, pictures, jacobian):
    """Errors that channels have in common add up or cancel before they reach the output."""
    exact = np.einsum("oyxc,oyxd->cd", jacobian, jacobian)
    found = drawn(joint_sensitivities, residual, pictures)
    np.testing.assert_allclose(found, exact, atol=0.1 * np.abs(exact).max())
    assert found[2, 3] == pytest.approx(exact[2, 3], rel=0.4) and found[2, 3] == found[3, 2]


def test_the_diagonal_of_the_joint_ones_is_what_channels_have_alone(residual, pictures):
    alone = channel_sensitivities(residual, ["sum1"], pictures, seed=3)["sum1"]
    joint = joint_sensitivities(residual, ["sum1"], pictures, seed=3)["sum1"]
    np.testing.assert_allclose(np.diag(joint), alone, rtol=1e-6)


def test_ranges_are_of_all_pictures(residual):
    """More of them than go through the network at once."""
    pictures = np.random.default_rng(2).random((11, 4, 4, 3), np.float32)
    low, high = channel_ranges(residual, ["head"], pictures)["head"]
    whole = residual.get_layer("head")(pictures).numpy()
    np.testing.assert_allclose(low, whole.min(axis=(0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(high, whole.max(axis=(0, 1, 2)), rtol=1e-5)
    sizes = [len(tensors["head"]) for tensors in channel_values(residual, ["head"], pictures)]
    assert sum(sizes) == 11
