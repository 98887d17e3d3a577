import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from sr_models.training.soap import LARGEST_BASIS, Soap, as_matrix


def soap_in_numpy(start, gradients, *, rate, beta_1=0.95, beta_2=0.95, interval=10):
    """Algorithms 3 and 4 of the paper in float64."""
    weights, m, n = start.astype(np.float64), *start.shape
    left, right = np.zeros((m, m)), np.zeros((n, n))
    momentum = square = np.zeros((m, n))
    basis_left, basis_right = np.eye(m), np.eye(n)
    for step, g in enumerate(gradients):
        if step:
            momentum = beta_1 * momentum + (1 - beta_1) * g
            turned = basis_left.T @ g @ basis_right
            square = beta_2 * square + (1 - beta_2) * turned**2
            mean = basis_left.T @ momentum @ basis_right / (1 - beta_1**step)
            scaled = mean / (np.sqrt(square / (1 - beta_2**step)) + 1e-8)
            weights = weights - rate * basis_left @ scaled @ basis_right.T
        left = beta_2 * left + (1 - beta_2) * g @ g.T
        right = beta_2 * right + (1 - beta_2) * g.T @ g
        if step == 0:
            basis_left, basis_right = np.linalg.eigh(left)[1], np.linalg.eigh(right)[1]
        elif step % interval == 0:
            basis_left = np.linalg.qr(left @ basis_left)[0]
            basis_right = np.linalg.qr(right @ basis_right)[0]
    return weights


def applied(optimizer, start, gradients):
    variable = tf.Variable(start)
    optimizer.build([variable])
    for gradient in gradients:
        optimizer.apply_gradients([(tf.constant(gradient), variable)])
    return variable.numpy()


def test_a_matrix_moves_as_the_paper_says():
    rng = np.random.default_rng(0)
    gradients = [rng.normal(size=(4, 4)).astype(np.float32) for _ in range(25)]
    start = rng.normal(size=(4, 4)).astype(np.float32)
    expected = soap_in_numpy(start, gradients, rate=0.01)
    found = applied(Soap(0.01), start, gradients)
    assert np.abs(expected - start).max() > 0.05, "it moves at all"
    np.testing.assert_allclose(found, expected, atol=2e-4)


def test_a_bias_moves_as_adam_moves_it_one_step_late():
    rng = np.random.default_rng(1)
    gradients = [rng.normal(size=5).astype(np.float32) for _ in range(12)]
    start = np.zeros(5, np.float32)
    adam = tf_keras.optimizers.Adam(0.01, beta_1=0.95, beta_2=0.95, epsilon=1e-8)
    np.testing.assert_allclose(
        applied(Soap(0.01), start, gradients), applied(adam, start, gradients[1:]), atol=1e-6
    )


def test_the_first_step_only_sets_up_the_bases():
    start = np.ones((3, 2), np.float32)
    np.testing.assert_array_equal(applied(Soap(0.5), start, [start]), start)


def loss_after(optimizer, steps=300):
    """A quadratic whose axes are turned against the entries, condition 1e4."""
    rng = np.random.default_rng(2)
    u, v = np.linalg.qr(rng.normal(size=(8, 8)))[0], np.linalg.qr(rng.normal(size=(8, 8)))[0]
    stiff = tf.constant(np.outer(np.geomspace(1, 10, 8), np.geomspace(1, 10, 8)), tf.float32)
    u, v = tf.constant(u, tf.float32), tf.constant(v, tf.float32)
    weights = tf.Variable(tf.constant(rng.normal(size=(8, 8)), tf.float32))
    optimizer.build([weights])
    for step in range(steps):
        optimizer.learning_rate.assign(0.02 * (1 - step / steps))
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.square(stiff * (tf.transpose(u) @ weights @ v)))
        optimizer.apply_gradients([(tape.gradient(loss, weights), weights)])
    return float(loss)


@pytest.mark.slow
def test_turned_axes_cost_it_less_than_adam():
    assert loss_after(Soap(0.02)) < 0.25 * loss_after(tf_keras.optimizers.Adam(0.02))


def test_kernels_are_seen_as_matrices():
    assert as_matrix((3, 3, 16, 28)) == (144, 28)
    assert as_matrix((7,)) == (1, 7) and as_matrix(()) == (1, 1)


def test_a_side_beyond_the_limit_is_left_unturned():
    variable = tf.Variable(tf.zeros((LARGEST_BASIS + 1, 2)))
    optimizer = Soap()
    optimizer.build([variable])
    shapes = {tuple(v.shape) for v in optimizer.variables}
    assert (2, 2) in shapes and (LARGEST_BASIS + 1, LARGEST_BASIS + 1) not in shapes
    optimizer.apply_gradients([(tf.ones_like(variable), variable)])
    optimizer.apply_gradients([(tf.ones_like(variable), variable)])
    assert np.isfinite(variable.numpy()).all() and (variable.numpy() < 0).all()


def test_a_configuration_makes_the_same_optimizer():
    optimizer = Soap(0.004, beta_1=0.9, basis_interval=3)
    again = Soap.from_config(optimizer.get_config())
    assert again.get_config() == optimizer.get_config()
    assert (again.beta_1, again.basis_interval) == (0.9, 3)


def test_a_direction_without_a_gradient_so_far_is_no_cliff():
    """A rank-one start leaves null directions, whose averaged squares are rounding errors."""
    first, second = np.zeros((2, 4, 4), np.float32)
    first[0, 0], second[1, 2] = 1.0, 1.0
    moved = applied(Soap(0.01), np.zeros((4, 4), np.float32), [first, first, second, second])
    assert np.abs(moved).max() < 1.0
