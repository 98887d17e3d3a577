"""Networks of the corpus as Keras models."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
import tf_keras

from runtime_bench.evidence.source_networks import SourceNetwork

_L = tf_keras.layers


class KerasPen:
    """Writes layers of Keras; see `source_networks.Pen`. Those with weights are numbered."""

    def __init__(self):
        self._count = 0

    def _name(self) -> str:
        self._count += 1
        return f"layer_{self._count}"

    def conv(self, x, channels: int, size: int = 3, *, groups=1, stride=1, padding=None, bias=True):
        border = size // 2 if padding is None else padding
        kept = stride == 1 and border == size // 2
        if border and not kept:
            x = _L.ZeroPadding2D(border)(x)
        layer = _L.Conv2D(
            channels,
            size,
            strides=stride,
            padding="same" if kept else "valid",
            groups=groups,
            use_bias=bias,
            name=self._name(),
        )
        return layer(x)

    def normalized(self, x):
        return _L.BatchNormalization(name=self._name())(x)

    def bent(self, x, kind: str, slope: float = 0.0):
        if kind == "prelu":
            start = tf_keras.initializers.Constant(0.25)
            return _L.PReLU(start, shared_axes=[1, 2], name=self._name())(x)
        return _L.LeakyReLU(slope)(x) if kind == "leaky" else _L.Activation(kind)(x)

    def combined(self, kind: str, *tensors):
        layers = {"add": _L.Add, "subtract": _L.Subtract, "multiply": _L.Multiply}
        return layers.get(kind, _L.Concatenate)()(list(tensors))

    def scaled(self, x, factor: float = 1.0, shift: Sequence[float] = ()):
        x = x * np.float32(factor) if factor != 1.0 else x
        return x + np.float32(shift) if shift else x

    def cut(self, x, widths: Sequence[int]):
        return tf.split(x, list(widths), axis=-1)

    def shuffled(self, x, channels: int, scale: int, kind: str = ""):
        y = self.conv(x, channels * scale**2)
        return tf.nn.depth_to_space(self.bent(y, kind) if kind else y, scale)

    def grown(self, x, channels: int, size: int, scale: int):
        name = self._name()
        return _L.Conv2DTranspose(channels, size, strides=scale, padding="same", name=name)(x)

    def larger(self, x, scale: int, *, smooth: bool):
        return _L.UpSampling2D(scale, interpolation="bilinear" if smooth else "nearest")(x)

    def as_large(self, x, other):
        return tf.image.resize(x, tf.shape(other)[1:3])

    def pooled(self, x, size: int, stride: int):
        return _L.MaxPooling2D(size, stride)(x)

    def mean(self, x):
        return _L.GlobalAveragePooling2D(keepdims=True)(x)

    def deviation(self, x):
        return tf.math.reduce_std(x, (1, 2), keepdims=True)

    def clipped(self, x):
        return tf.clip_by_value(x, 0.0, 1.0)


def keras_model(network: SourceNetwork, *, width: int):
    """A network as a Keras model (N, H, W, 3) -> (N, H s, W s, 3), with untrained weights."""
    picture = tf_keras.Input((None, None, 3), name="picture")
    return tf_keras.Model(picture, network.write(KerasPen(), picture, width), name=network.name)
