import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from hypothesis import given, settings
from hypothesis import strategies as st

from sr_models.training.soap import LARGEST_BASIS, RELATIVE_EPSILON, Soap, as_matrix

ROUNDOFF = 2.0**-24
"""Of float32."""


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


@settings(max_examples=4)
@given(seed=st.integers(0, 2**32 - 1))
def test_damping_hardly_moves_what_has_gradients_everywhere(seed):
    """Gradients whose entries in the turned basis have sizes in 0.5..1.

    A direction of root mean square r keeps r / (r + eM) of its step s, where M is the largest and
    e the relative epsilon, so it loses at most |s| e M / r, and s is at most M / r.
    """
    rng = np.random.default_rng(seed)
    left, right = (np.linalg.qr(rng.normal(size=(4, 4)))[0] for _ in range(2))
    turned = [rng.uniform(0.5, 1.0, (4, 4)) * rng.choice([-1.0, 1.0], (4, 4)) for _ in range(8)]
    # The first one sets the bases, and its singular values stand apart.
    gradients = [
        (left @ matrix @ right.T).astype(np.float32)
        for matrix in (np.diag([4.0, 3.0, 2.0, 1.0]), *turned)
    ]
    start = np.zeros((4, 4), np.float32)
    damped = applied(Soap(0.01), start, gradients)
    undamped = applied(Soap(0.01, relative_epsilon=0.0), start, gradients)
    lost = len(turned) * 0.01 * (4 * 2.0) * 2.0 * RELATIVE_EPSILON
    # Both round eight additions to the weights.
    rounding = 2 * len(turned) * ROUNDOFF * np.linalg.norm(undamped)
    difference = np.linalg.norm(damped - undamped)
    assert difference <= 1.01 * lost + rounding < 0.001 * np.linalg.norm(undamped)


def test_a_direction_of_rounding_noise_hardly_moves():
    """The axes are the eigenvectors, so that no processor rounds anything here."""
    gradient = np.diag([100.0, 100.0 * 1e-7]).astype(np.float32)
    main, noise = np.diag(applied(Soap(0.01), np.zeros((2, 2), np.float32), [gradient] * 13))
    assert main == pytest.approx(-12 * 0.01, rel=1e-3)
    # 1e-7 / (1e-7 + the relative epsilon) of a full step.
    assert 0.0 < noise / main < 0.011


@settings(max_examples=8)
@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(2, 6), columns=st.integers(2, 6))
def test_the_update_points_where_the_gradient_does(seed, rows, columns):
    """A gradient of one direction and noise of 1e-7 of its size in all others."""
    rng = np.random.default_rng(seed)
    left, right = (np.linalg.qr(rng.normal(size=(n, n)))[0] for n in (rows, columns))
    turned = 1e-7 * rng.choice([-1.0, 1.0], size=(rows, columns))
    turned[0, 0] = 1.0
    gradient = (100.0 * left @ turned @ right.T).astype(np.float32)
    moved = applied(Soap(0.01), np.zeros((rows, columns), np.float32), [gradient] * 3)
    steps = left.T @ moved @ right / (-2 * 0.01)
    assert steps[0, 0] == pytest.approx(1.0, abs=1e-3)
    steps[0, 0] = 0.0
    # What is in the other directions, as a share of the main one: the noise, the rounding of the
    # gradient, and two turns with bases that are eigenvectors up to rounding, each of them at most
    # a sum over a side.
    noise = 1e-7 * np.sqrt(rows * columns) + ROUNDOFF * (1 + 4 * (rows + columns))
    assert np.linalg.norm(steps) < noise / RELATIVE_EPSILON
    assert np.linalg.norm(steps) < 0.4, "undamped it is the root of the number of directions"


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


def losses_after(optimizer, *, count=4, steps=300):
    """Final losses of quadratics whose axes are turned against the entries, condition 1e4."""
    rng = np.random.default_rng(2)
    left, right = (np.linalg.qr(rng.normal(size=(count, 8, 8)))[0] for _ in range(2))
    stiff = np.outer(np.geomspace(1, 10, 8), np.geomspace(1, 10, 8)).astype(np.float32)
    left, right = (tf.constant(turn, tf.float32) for turn in (left, right))
    weights = [tf.Variable(rng.normal(size=(8, 8)).astype(np.float32)) for _ in range(count)]
    optimizer.build(weights)

    @tf.function
    def one_step():
        with tf.GradientTape() as tape:
            turned = tf.matmul(left, tf.stack(weights), transpose_a=True) @ right
            losses = tf.reduce_sum(tf.square(stiff * turned), axis=(1, 2))
        optimizer.apply_gradients(zip(tape.gradient(losses, weights), weights))
        return losses

    for step in range(steps):
        optimizer.learning_rate.assign(0.02 * (1 - step / steps))
        losses = one_step()
    return losses.numpy()


@pytest.mark.slow
def test_turned_axes_cost_it_less_than_adam():
    """In the mean of the ratios' logarithms: one loss alone swings with the last bit of a float.

    At such a condition the paths part at once, and 1e-7 more of an epsilon moves a loss by a
    factor of 2, as likely up as down. The mean of four moves by a factor of 2^(1/sqrt 4) = 1.4.
    """
    ratios = losses_after(Soap(0.02)) / losses_after(tf_keras.optimizers.Adam(0.02))
    assert np.exp(np.log(ratios).mean()) < 0.25


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
