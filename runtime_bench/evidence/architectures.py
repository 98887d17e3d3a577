"""Ten published architectures as their users build them in Keras: nothing here is shaped for us.

Clips, mean shifts, slices and deconvolutions stand where the publications or their public code have
them; attention over the whole picture is left out of RFDN and IMDN, since no tile knows it. Weights
are untrained. Layers are Keras' own or functions of TensorFlow, never those of `sr_models`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

_L = tf_keras.layers
_MEAN = (0.4488, 0.4371, 0.4040)
"""Mean of DIV2K, RGB in 0..1, as EDSR's public code subtracts it."""


@dataclass(frozen=True)
class Architecture:
    """One architecture.

    Attributes:
        name: What tables call it.
        source: Where it was published.
        scale: How much larger the picture gets.
        width: Channels that its publication has, or that a phone can run.
        build: `build(width, blocks, scale)`, a Keras model on free sizes.
        blocks: Blocks or layers of its body.
        channels: 3 for RGB, 1 for luma.
        clips: Whether its own graph ends in a clip to 0..1.
    """

    name: str
    source: str
    scale: int
    width: int
    build: Callable[[int, int, int], Any]
    blocks: int
    channels: int = 3
    clips: bool = False

    def model(self, *, width: int | None = None, blocks: int | None = None):
        """The Keras model (N, H, W, C) -> (N, H s, W s, C) in 0..1, smaller where asked for."""
        return self.build(width or self.width, blocks or self.blocks, self.scale)

    def clipped(self, model):
        """What people ship of a model: with a clip at its end, where it has none."""
        if self.clips:
            return model
        return tf_keras.Model(model.input, tf.clip_by_value(model.output, 0.0, 1.0))


def _conv(channels: int, size: int = 3, **keywords):
    return _L.Conv2D(channels, size, padding="same", **keywords)


def _shuffled(x, scale: int):
    return tf.nn.depth_to_space(x, scale)


def _distilling(block: Callable, width: int, blocks: int, scale: int, *, name: str):
    """Blocks in a row, all of their results joined, and a skip around them."""
    picture = tf_keras.Input((None, None, 3))
    first = x = _conv(width)(picture)
    made = []
    for _ in range(blocks):
        x = block(x)
        made.append(x)
    joined = _L.LeakyReLU(0.05)(_conv(width, 1)(tf.concat(made, -1)))
    x = _conv(width)(joined) + first
    return tf_keras.Model(picture, _shuffled(_conv(3 * scale**2)(x), scale), name=name)


def rfdn(width: int, blocks: int, scale: int):
    """Residual feature distillation, LeakyReLU of 0.05."""

    def block(x):
        kept, inner = [], x
        for _ in range(3):
            kept.append(_L.LeakyReLU(0.05)(_conv(width // 2, 1)(inner)))
            inner = _L.LeakyReLU(0.05)(_conv(width)(inner) + inner)
        kept.append(_L.LeakyReLU(0.05)(_conv(width // 2)(inner)))
        return _conv(width, 1)(tf.concat(kept, -1))

    return _distilling(block, width, blocks, scale, name="rfdn")


def imdn(width: int, blocks: int, scale: int):
    """Information multi-distillation: a quarter of the channels is cut off three times a block."""
    quarter = width // 4

    def block(x):
        kept, inner = [], x
        for _ in range(3):
            inner = _L.LeakyReLU(0.05)(_conv(width)(inner))
            kept.append(inner[:, :, :, :quarter])
            inner = inner[:, :, :, quarter:]
        kept.append(_conv(quarter)(inner))
        return _conv(width, 1)(tf.concat(kept, -1)) + x

    return _distilling(block, width, blocks, scale, name="imdn")


def carn(width: int, blocks: int, scale: int):
    """Cascading residuals, joined by 1x1 convolutions, between two mean shifts."""

    def residual(x):
        y = _conv(width)(_conv(width, activation="relu")(x))
        return tf.nn.relu(y + x)

    def cascade(x, step):
        joined = x
        for _ in range(blocks):
            x = step(x)
            joined = tf.concat([joined, x], -1)
            x = _conv(width, 1, activation="relu")(joined)
        return x

    picture = tf_keras.Input((None, None, 3))
    x = _conv(width)(picture - np.float32(_MEAN))
    x = cascade(x, lambda y: cascade(y, residual))
    x = _shuffled(_conv(width * scale**2, activation="relu")(x), scale)
    return tf_keras.Model(picture, _conv(3)(x) + np.float32(_MEAN), name="carn")


def fsrcnn(width: int, blocks: int, scale: int):
    """Shrink, map, expand, and a deconvolution of 9x9; PReLU."""

    def bent(x):
        return _L.PReLU(tf_keras.initializers.Constant(0.25), shared_axes=[1, 2])(x)

    picture = tf_keras.Input((None, None, 3))
    shrunk = max(4, width // 5)
    x = bent(_conv(shrunk, 1)(bent(_conv(width, 5)(picture))))
    for _ in range(blocks):
        x = bent(_conv(shrunk)(x))
    x = bent(_conv(width, 1)(x))
    return tf_keras.Model(
        picture, _L.Conv2DTranspose(3, 9, strides=scale, padding="same")(x), name="fsrcnn"
    )


def srvgg(width: int, blocks: int, scale: int):
    """The compact network of Real-ESRGAN: a plain body of PReLU onto the nearest pixels."""
    picture = x = tf_keras.Input((None, None, 3))
    for _ in range(blocks + 1):
        bent = _L.PReLU(tf_keras.initializers.Constant(0.25), shared_axes=[1, 2])
        x = bent(_conv(width)(x))
    x = _shuffled(_conv(3 * scale**2)(x), scale)
    nearest = _L.UpSampling2D(scale, interpolation="nearest")(picture)
    return tf_keras.Model(picture, x + nearest, name="srvgg")


def espcn(width: int, blocks: int, scale: int):
    """The example of keras.io on luma; its clip follows in NumPy."""
    picture = tf_keras.Input((None, None, 1))
    x = _conv(width, 5, activation="relu")(picture)
    for _ in range(blocks):
        x = _conv(width, activation="relu")(x)
    x = _conv(width // 2, activation="relu")(x)
    return tf_keras.Model(picture, _shuffled(_conv(scale**2)(x), scale), name="espcn")


def edsr(width: int, blocks: int, scale: int):
    """Residual blocks between two mean shifts."""
    picture = tf_keras.Input((None, None, 3))
    first = x = _conv(width)(picture - np.float32(_MEAN))
    for _ in range(blocks):
        x = _conv(width)(_conv(width, activation="relu")(x)) * 0.1 + x
    x = _shuffled(_conv(3 * scale**2)(_conv(width)(x) + first), scale)
    return tf_keras.Model(picture, x + np.float32(_MEAN), name="edsr")


def wdsr(width: int, blocks: int, scale: int):
    """Wide activations (WDSR-B) and a skip of 5x5, both shuffled."""
    picture = tf_keras.Input((None, None, 3))
    shifted = picture - np.float32(_MEAN)
    x = _conv(width)(shifted)
    for _ in range(blocks):
        y = _conv(4 * width, 1, activation="relu")(x)
        x = _conv(width)(_conv(width * 4 // 5, 1)(y)) + x
    x = _shuffled(_conv(3 * scale**2)(x), scale)
    x = x + _shuffled(_conv(3 * scale**2, 5)(shifted), scale)
    return tf_keras.Model(picture, x + np.float32(_MEAN), name="wdsr")


def lapsrn(width: int, blocks: int, scale: int):
    """A Laplacian pyramid: each level doubles features and picture, LeakyReLU of 0.2."""
    picture = x = tf_keras.Input((None, None, 3))
    base = picture
    x = _L.LeakyReLU(0.2)(_conv(width)(x))
    for _ in range(scale.bit_length() - 1):
        for _ in range(blocks):
            x = _L.LeakyReLU(0.2)(_conv(width)(x))
        up = _L.Conv2DTranspose(width, 4, strides=2, padding="same")
        x = _L.LeakyReLU(0.2)(up(x))
        base = _L.Conv2DTranspose(3, 4, strides=2, padding="same")(base) + _conv(3)(x)
    return tf_keras.Model(picture, base, name="lapsrn")


def bicubic_plus_plus(width: int, blocks: int, scale: int):
    """Works at half the size of the small picture, LeakyReLU; pixels are packed, not strided."""
    picture = tf_keras.Input((None, None, 3))
    x = _L.LeakyReLU(0.1)(_conv(width)(tf.nn.space_to_depth(picture, 2)))
    for _ in range(blocks):
        x = _L.LeakyReLU(0.1)(_conv(width)(x))
    x = _shuffled(_conv(3 * (2 * scale) ** 2)(x), 2 * scale)
    return tf_keras.Model(picture, tf.clip_by_value(x, 0.0, 1.0), name="bicubic_plus_plus")


ARCHITECTURES = {
    found.name: found
    for found in (
        Architecture("rfdn", "Liu et al. 2020, arXiv 2009.11551", 4, 48, rfdn, 4),
        Architecture("imdn", "Hui et al. 2019, arXiv 1909.11856", 2, 32, imdn, 6),
        Architecture("carn", "Ahn et al. 2018, arXiv 1803.08664", 2, 32, carn, 3),
        Architecture("fsrcnn", "Dong et al. 2016, arXiv 1608.00367", 3, 56, fsrcnn, 4),
        Architecture("srvgg", "Wang et al. 2021, arXiv 2107.10833", 4, 32, srvgg, 8),
        Architecture("espcn", "keras.io, super_resolution_sub_pixel", 3, 64, espcn, 1, channels=1),
        Architecture("edsr", "Lim et al. 2017, arXiv 1707.02921", 2, 32, edsr, 8),
        Architecture("wdsr", "Yu et al. 2018, arXiv 1808.08718", 2, 24, wdsr, 8),
        Architecture("lapsrn", "Lai et al. 2017, arXiv 1704.03915", 4, 24, lapsrn, 3),
        Architecture(
            "bicubic_plus_plus",
            "Bilecen and Ayazoglu 2023, CVPR workshops",
            3,
            32,
            bicubic_plus_plus,
            2,
            clips=True,
        ),
    )
}
"""By name."""
