"""Small networks as other people write them: with a clip, and on pixels of their own."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
import tf_keras

from sr_models.importing.frozen_graph import freeze
from sr_models.importing.reading import read_network

layers = tf_keras.layers


def depth_to_space(y, scale):
    return layers.Lambda(lambda x: tf.nn.depth_to_space(x, scale))(y)


def stranger(
    *, end=lambda y: y, start=lambda x: x, channels=3, scale=2, size=(None, None), unit=1.0
):
    """Two convolutions that repeat pixels, sharpen a little, and lift what is below 2 % of `unit`.

    Args:
        end: What follows depth-to-space.
        start: What precedes the first convolution.
        channels: Of the picture.
        scale: Scale factor.
        size: Input size.
        unit: What white is less black.
    """
    picture = tf_keras.Input((*size, channels), name="picture")
    first = layers.Conv2D(2 * channels, 3, padding="same", activation="relu", name="first")
    last = layers.Conv2D(channels * scale**2, 3, padding="same", name="last")
    y = end(depth_to_space(last(first(start(picture))), scale))
    model = tf_keras.Model(picture, y, name="stranger")
    both = np.zeros((3, 3, channels, 2 * channels), np.float32)
    back = np.zeros((3, 3, 2 * channels, channels * scale**2), np.float32)
    for c in range(channels):
        both[1, 1, c, c], both[1, 1, c, channels + c] = 1.0, -1.0  # relu(x) and relu(-x)
        back[1, 1, c, c::channels], back[1, 1, channels + c, c::channels] = 1.2, -1.2
        back[1, 0, c, c::channels], back[1, 2, c, c::channels] = -0.1, -0.1
    lift = np.tile([-0.02 * unit, 0.0], (channels, 1)).T.reshape(-1)
    first.set_weights([both, lift])
    last.set_weights([back, np.full(channels * scale**2, 0.02 * unit)])
    return model


def varied(model, *, seed=0):
    """Every weight of a model drawn anew: variances positive, all others of either sign."""
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        if hasattr(layer, "layers"):
            varied(layer, seed=seed + 1)
        elif isinstance(layer, layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()])
        else:
            layer.set_weights([rng.normal(0.0, 0.3, w.shape) for w in layer.get_weights()])
    return model


def read(function, shape=(1, 12, 14, 3)):
    """A function's frozen graph, and the operations read from it."""
    graph = freeze(function, shape)
    return graph, read_network(graph)
