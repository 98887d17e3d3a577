import numpy as np
import tensorflow as tf

from sr_models.published.student import straight_through_round


def test_ties_go_to_the_even_integer_as_in_pytorch():
    x = tf.constant([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 63.5])
    np.testing.assert_array_equal(straight_through_round(x), [-2, -2, 0, 0, 2, 2, 64])


def test_the_gradient_is_that_of_the_identity():
    x = tf.Variable([-1.2, 0.0, 0.4, 7.5])
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(straight_through_round(x) * [1.0, 2.0, 3.0, 4.0])
    np.testing.assert_array_equal(tape.gradient(total, x), [1.0, 2.0, 3.0, 4.0])
