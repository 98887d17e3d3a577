"""Keras layers of values: activations, and what looks at the whole picture."""

from __future__ import annotations

import tensorflow as tf
import tf_keras

from sr_models.networks.quick_layers import PlainLayer, ShapedLayer

_PACKAGE = "sr_models"


@tf_keras.saving.register_keras_serializable(_PACKAGE)
class Gelu(ShapedLayer):
    """x times the share of a normal distribution below x, or its approximation by tanh.

    One operator in a file of eight bits, a table of all codes; XNNPACK leaves it to the CPU.
    """

    def __init__(self, approximate: bool = False, **keywords):
        super().__init__(**keywords)
        self.approximate = approximate

    def call(self, inputs):
        return tf.nn.gelu(inputs, approximate=self.approximate)

    def get_config(self):
        return {**super().get_config(), "approximate": self.approximate}


@tf_keras.saving.register_keras_serializable(_PACKAGE)
class PictureMean(PlainLayer):
    """The mean over all rows, all columns or both, which one pixel is left of.

    (N, H, W, C) -> (N, 1, 1, C) for axes 1 and 2, as channel attention begins.
    """

    def __init__(self, axes: tuple[int, ...] = (1, 2), **keywords):
        super().__init__(**keywords)
        self.axes = tuple(axes)

    def call(self, inputs):
        return tf.reduce_mean(inputs, self.axes, keepdims=True)

    def get_config(self):
        return {**super().get_config(), "axes": self.axes}


@tf_keras.saving.register_keras_serializable(_PACKAGE)
class SquareRoot(ShapedLayer):
    """The square root: of a variance, what channel attention by contrast reads."""

    def call(self, inputs):
        return tf.sqrt(inputs)


@tf_keras.saving.register_keras_serializable(_PACKAGE)
class ResizeToPicture(tf_keras.layers.Layer):
    """Bilinear resizing to `times / parts` of the picture's sides, whatever the size before.

    Takes (N, h, w, C) and the picture (N, H, W, C'), of which nothing but its size is read; returns
    (N, H times / parts, W times / parts, C). In a file for one size it holds that size.
    """

    def __init__(
        self,
        times: int = 1,
        parts: int = 1,
        corners: bool = False,
        centred: bool = True,
        **keywords,
    ):
        super().__init__(**keywords)
        self.times, self.parts = int(times), int(parts)
        self.corners, self.centred = bool(corners), bool(centred)

    def call(self, inputs):
        tensor, picture = inputs
        sides = picture.shape[1:3]
        if None in sides:
            sides = tf.shape(picture)[1:3]
        size = [sides[axis] for axis in (0, 1)]
        if (self.times, self.parts) != (1, 1):  # Else a file of any size would compute it.
            size = [side * self.times // self.parts for side in size]
        return tf.raw_ops.ResizeBilinear(
            images=tensor,
            size=size,
            align_corners=self.corners,
            half_pixel_centers=self.centred,
        )

    def get_config(self):
        own = {name: getattr(self, name) for name in ("times", "parts", "corners", "centred")}
        return {**super().get_config(), **own}


@tf_keras.saving.register_keras_serializable(_PACKAGE)
class KnownRange(ShapedLayer):
    """The identity, of a tensor whose range is known: that of quantization-aware training."""

    def __init__(self, minimum: float, maximum: float, narrow: bool = False, **keywords):
        super().__init__(**keywords)
        self.minimum, self.maximum, self.narrow = float(minimum), float(maximum), bool(narrow)

    def call(self, inputs):
        return tf.identity(inputs)

    def get_config(self):
        own = {"minimum": self.minimum, "maximum": self.maximum, "narrow": self.narrow}
        return {**super().get_config(), **own}
