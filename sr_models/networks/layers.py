"""Keras layers that SR networks need and Keras does not have."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
import tf_keras

from sr_models.networks.quick_layers import PlainLayer, ShapedLayer

_PACKAGE = "sr_models"

MEAN_COLOUR = (0.4488, 0.4371, 0.4040)
"""Of DIV2K, RGB in 0..1: what EDSR and those after it subtract from the picture."""
MOST_JOINED = 5
"""Tensors that XNNPACK concatenates at once; more of them go in nested concatenations."""


def _require_multiple(what: str, found: int | None, *, of: int) -> None:
    if found is not None and found % of:
        raise ValueError(f"expected {what} that {of} divides, found {found}")


def _times(side: int | None, factor: int) -> int | None:
    return None if side is None else side * factor


def _over(side: int | None, divisor: int) -> int | None:
    return None if side is None else side // divisor


@tf_keras.saving.register_keras_serializable(_PACKAGE)
class DepthToSpace(ShapedLayer):
    """Rearrange channels into space: (N, H, W, C s^2) -> (N, H s, W s, C).

    Channel order is TensorFlow's: channel `(i s + j) C + c` becomes pixel `(i, j)` of channel `c`
    (PyTorch's pixel shuffle has `c s^2 + i s + j`).
    """

    def __init__(self, block_size: int, **keywords):
        super().__init__(**keywords)
        self.block_size = block_size

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        size = self.block_size
        _require_multiple("channels", channels, of=size**2)
        return (batch, _times(height, size), _times(width, size), channels // size**2)

    def call(self, inputs):
        return tf.nn.depth_to_space(inputs, self.block_size)

    def get_config(self):
        return {**super().get_config(), "block_size": self.block_size}


@tf_keras.saving.register_keras_serializable(_PACKAGE)
class SpaceToDepth(ShapedLayer):
    """The inverse of `DepthToSpace`: (N, H s, W s, C) -> (N, H, W, C s^2).

    Ends the trunk of a network whose last convolution works on the large picture, so that all
    trunks return the same; `sr_models.networks.tails.attach_tail` takes it off again.
    """

    def __init__(self, block_size: int, **keywords):
        super().__init__(**keywords)
        self.block_size = block_size

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        size = self.block_size
        _require_multiple("height", height, of=size)
        _require_multiple("width", width, of=size)
        return (batch, _over(height, size), _over(width, size), channels * size**2)

    def call(self, inputs):
        return tf.nn.space_to_depth(inputs, self.block_size)

    def get_config(self):
        return {**super().get_config(), "block_size": self.block_size}


@tf_keras.saving.register_keras_serializable(_PACKAGE)
class ClipByValue(ShapedLayer):
    """`tf.clip_by_value`: the clip that clip-free export makes needless."""

    def __init__(self, minimum: float = 0.0, maximum: float = 1.0, **keywords):
        super().__init__(**keywords)
        self.minimum = minimum
        self.maximum = maximum

    def call(self, inputs):
        return tf.clip_by_value(inputs, self.minimum, self.maximum)

    def get_config(self):
        return {**super().get_config(), "minimum": self.minimum, "maximum": self.maximum}


@tf_keras.saving.register_keras_serializable(_PACKAGE)
class ChannelSlice(ShapedLayer):
    """Channels `start` to `stop` of the input: one group of a convolution written as a split."""

    def __init__(self, start: int, stop: int, **keywords):
        super().__init__(**keywords)
        self.start = start
        self.stop = stop

    def compute_output_shape(self, input_shape):
        *others, channels = input_shape
        return (*others, len(range(channels)[self.start : self.stop]))

    def call(self, inputs):
        return inputs[..., self.start : self.stop]

    def get_config(self):
        return {**super().get_config(), "start": self.start, "stop": self.stop}


@tf_keras.saving.register_keras_serializable(_PACKAGE)
class RepeatChannels(ShapedLayer):
    """The channels `times` times over: (N, H, W, C) -> (N, H, W, C times).

    Before depth-to-space, `times` of s^2 makes nearest-neighbour upscaling. Written as nested
    concatenations of at most `MOST_JOINED` tensors.
    """

    def __init__(self, times: int, **keywords):
        super().__init__(**keywords)
        self.times = times

    def compute_output_shape(self, input_shape):
        *others, channels = input_shape
        return (*others, channels * self.times)

    def call(self, inputs):
        repeated, left = inputs, self.times
        for factor in range(MOST_JOINED, 1, -1):
            while left % factor == 0:
                repeated, left = tf.concat([repeated] * factor, axis=-1), left // factor
        return tf.concat([repeated] * left, axis=-1) if left > 1 else repeated

    def get_config(self):
        return {**super().get_config(), "times": self.times}


@tf_keras.saving.register_keras_serializable(_PACKAGE)
class EdgePadding(ShapedLayer):
    """The outermost pixels once more around the picture: (N, H, W, C) -> (N, H + 2, W + 2, C).

    What interpolation beyond the border reads, where a convolution would read zeros.
    """

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        return (batch, *(side and side + 2 for side in (height, width)), channels)

    def call(self, inputs):
        return tf.pad(inputs, [[0, 0], [1, 1], [1, 1], [0, 0]], mode="SYMMETRIC")


@tf_keras.saving.register_keras_serializable(_PACKAGE)
class NeighboursToChannels(PlainLayer, tf_keras.layers.Conv2D):
    """Each pixel's row of `width` neighbours as its channels: (N, H, W, C) -> (N, H, W, C width).

    Channel `d C + c` is channel c of the pixel `d - (width - 1) // 2` to the right; what lies
    beyond the border is zero. Written as a convolution of ones and zeros, which int8 computes
    exactly where input and output share one grid. Kernels that take eight input channels at once
    read such a picture in a third of the steps.
    """

    def __init__(self, width: int, *, channels: int, name: str | None = None, **_):
        super().__init__(
            width * channels,
            (1, width),
            padding="same",
            use_bias=False,
            kernel_initializer="zeros",
            trainable=False,
            name=name,
        )
        self.width, self.channels = width, channels

    def build(self, input_shape):
        super().build(input_shape)
        ones = np.eye(self.width * self.channels, dtype=np.float32)
        self.kernel.assign(ones.reshape(1, self.width, self.channels, -1))

    def get_config(self):
        return {"name": self.name, "width": self.width, "channels": self.channels}


@tf_keras.saving.register_keras_serializable(_PACKAGE)
class MirrorPadding(PlainLayer):
    """Mirrored pixels around the picture, as MIRROR_PAD has them.

    (N, H, W, C) -> (N, H + rows, W + columns, C). Builtin int8 kernels compute it; XNNPACK leaves
    it to them.

    Args:
        rows: Pixels above and below.
        columns: Pixels to the left and to the right.
        mode: `"REFLECT"`, about the outermost pixel, or `"SYMMETRIC"`, with it.
    """

    def __init__(self, rows, columns, mode: str = "REFLECT", **keywords):
        super().__init__(**keywords)
        self.rows, self.columns, self.mode = tuple(rows), tuple(columns), mode

    def call(self, inputs):
        return tf.pad(inputs, [[0, 0], self.rows, self.columns, [0, 0]], mode=self.mode)

    def get_config(self):
        own = {"rows": self.rows, "columns": self.columns, "mode": self.mode}
        return {**super().get_config(), **own}


def centred(picture, *, name: str = "mean_colour"):
    """The picture without DIV2K's mean colour: a fixed 1x1 convolution of three channels.

    Zeros around it are the mean colour then, where zeros around the picture itself are black. That
    is what padding of the published networks is, and no bias can say it.
    """
    layer = tf_keras.layers.Conv2D(3, 1, trainable=False, name=name)
    y = layer(picture)
    layer.set_weights([np.eye(3, dtype=np.float32)[None, None], -np.float32(MEAN_COLOUR)])
    return y


def rectifier(activation: str, *, name: str, slope: float = 0.25):
    """The layer behind a convolution: `name_relu`, or `name_prelu` with one slope per channel.

    Args:
        activation: `"relu"`, or `"prelu"` as most SR networks were published.
        name: Name of the convolution before it.
        slope: What PReLU's negative side starts with.
    """
    if activation == "relu":
        return tf_keras.layers.ReLU(name=f"{name}_relu")
    start = tf_keras.initializers.Constant(slope)
    return tf_keras.layers.PReLU(start, shared_axes=[1, 2], name=f"{name}_prelu")


def convolve(layer, inputs, kernel):
    """What a `Conv2D` computes before bias and activation, with another kernel.

    Groups are computed as one convolution each, which TensorFlow does faster on a CPU; channels
    that are each by themselves as depthwise ones.

    Args:
        layer: Says strides, padding, dilation and groups.
        inputs: float32 (N, h, w, C).
        kernel: float32 of the shape of the layer's own.

    Returns:
        float32 (N, H, W, filters).
    """
    padding, dilations = layer.padding.upper(), layer.dilation_rate
    even = layer.strides[0] == layer.strides[1] and max(dilations) == 1
    if layer.groups == inputs.shape[-1] > 1 and even:
        height, width, _, outputs = kernel.shape
        depthwise = tf.reshape(kernel, (height, width, layer.groups, outputs // layer.groups))
        return tf.nn.depthwise_conv2d(inputs, depthwise, (1, *layer.strides, 1), padding)
    parts = zip(*(tf.split(tensor, layer.groups, axis=-1) for tensor in (inputs, kernel)))
    options = {"padding": padding, "dilations": dilations}
    made = [tf.nn.conv2d(part, group, layer.strides, **options) for part, group in parts]
    return made[0] if len(made) == 1 else tf.concat(made, axis=-1)
