"""Small networks whose answers can be derived by hand."""

from __future__ import annotations

import numpy as np
import tf_keras

from sr_models.networks.graph import quantized_points
from sr_models.networks.tails import attach_tail
from sr_models.quantization.ranges import PIXELS, TensorRanges


def conv(filters: int, name: str, **keywords):
    """A 3x3 convolution that keeps the size."""
    return tf_keras.layers.Conv2D(filters, 3, padding="same", name=name, **keywords)


def sharpening_trunk(*, scale: int = 2, strength: float = 0.15):
    """A 3x3 convolution that repeats each pixel s^2 times and sharpens it.

    The kernel sums to one: a flat picture keeps its value, except at the zero-padded border, where
    white becomes `1 + strength` (and `1 + 2 strength` in the corners). An edge overshoots.
    """
    picture = tf_keras.Input((None, None, 3), name="input")
    last = tf_keras.layers.Conv2D(3 * scale**2, 3, padding="same", name="last")
    trunk = tf_keras.Model(picture, last(picture), name="sharpening")
    kernel = np.zeros((3, 3, 3, 3 * scale**2), np.float32)
    for position in range(scale**2):
        for colour in range(3):
            channel = position * 3 + colour
            kernel[1, 1, colour, channel] = 1.0 + 4.0 * strength
            for y, x in ((0, 1), (2, 1), (1, 0), (1, 2)):
                kernel[y, x, colour, channel] = -strength
    last.set_weights([kernel, np.zeros(3 * scale**2, np.float32)])
    return trunk


def sharpening_network(*, tail: str = "relu", scale: int = 2, strength: float = 0.15):
    """`sharpening_trunk` with an output tail."""
    return attach_tail(sharpening_trunk(scale=scale, strength=strength), tail, scale=scale)


def branched_trunk(*, scale: int = 2, seed: int = 0):
    """Convolutions with ReLU, a concatenation and an addition: what ranges can go wrong on."""
    rng = np.random.default_rng(seed)
    layers = tf_keras.layers
    picture = tf_keras.Input((None, None, 3), name="input")
    a = layers.Conv2D(4, 3, padding="same", activation="relu", name="a")(picture)
    b = layers.Conv2D(4, 1, name="b")(picture)
    joined = layers.Concatenate(name="joined")([a, b])
    c = layers.Conv2D(8, 3, padding="same", name="c")(joined)
    added = layers.Add(name="added")([c, joined])
    rectified = layers.ReLU(name="rectified")(added)
    y = layers.Conv2D(3 * scale**2, 3, padding="same", name="last")(rectified)
    trunk = tf_keras.Model(picture, y, name="branched")
    for layer in trunk.layers:
        if layer.weights:
            layer.set_weights(
                [
                    rng.normal(0.0, 0.25, array.shape).astype(np.float32)
                    for array in layer.get_weights()
                ]
            )
    return trunk


def brightness_keeping_network(*, scale: int = 2, white: float = 1.0):
    """Repeats pixels, but for those below a hundredth of white, which it lifts to that.

    Made for one value of white: all pixels of 0..1 lie below a hundredth of 255.
    """
    layers = tf_keras.layers
    picture = tf_keras.Input((None, None, 3), name="input")
    lifted = layers.Conv2D(3 * scale**2, 1, activation="relu", name="lifted")
    last = layers.Conv2D(3 * scale**2, 1, name="last")
    trunk = tf_keras.Model(picture, last(lifted(picture)), name="brightness")
    channels = 3 * scale**2
    repeat = np.tile(np.eye(3, dtype=np.float32), (1, scale**2))[None, None]
    lifted.set_weights([repeat, np.full(channels, -0.01 * white, np.float32)])
    last.set_weights(
        [
            np.eye(channels, dtype=np.float32)[None, None],
            np.full(channels, 0.01 * white, np.float32),
        ]
    )
    return attach_tail(trunk, "none", scale=scale)


def luma_file_content() -> bytes:
    """An x2 `.tflite` file of one channel at 24x24 pixels, uint8 in and out, which repeats them."""
    from export.exporting.conversion import convert_with_ranges

    picture = tf_keras.Input((None, None, 1), name="input")
    last = tf_keras.layers.Conv2D(4, 1, name="last")
    trunk = tf_keras.Model(picture, last(picture), name="luma")
    last.set_weights([np.ones((1, 1, 1, 4)), np.zeros(4)])
    model = attach_tail(trunk, "relu", scale=2)
    ranges = TensorRanges(dict.fromkeys(quantized_points(model), PIXELS), "by hand")
    sample = np.zeros((24, 24, 1), np.uint8)
    return convert_with_ranges(model, ranges, sample=sample, height=24, width=24)
