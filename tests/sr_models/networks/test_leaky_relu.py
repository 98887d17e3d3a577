import numpy as np
import tensorflow as tf
import tf_keras

from sr_models.networks.leaky_relu import compute_leaky_relu_rightly


def test_a_leaky_relu_behind_a_sum_is_the_same_in_a_graph():
    """Residual blocks of RFDN: without the switch a graph differs by 0.9 where oneDNN is on."""
    compute_leaky_relu_rightly()
    picture = x = tf_keras.Input((None, None, 8))
    for _ in range(2):
        y = tf_keras.layers.Conv2D(8, 3, padding="same", bias_initializer="ones")(x)
        x = tf_keras.layers.LeakyReLU(0.05)(tf_keras.layers.Add()([y, x]))
    model = tf_keras.Model(picture, x)
    values = np.random.default_rng(0).normal(size=(1, 16, 16, 8)).astype(np.float32)
    found = tf.function(lambda batch: model(batch, training=False))(tf.constant(values))
    np.testing.assert_allclose(found, model(values, training=False), atol=1e-5)
