"""FSRCNN: shrink, map, expand, and one large transposed convolution.

Dong, Loy and Tang, "Accelerating the Super-Resolution Convolutional Neural Network", ECCV 2016
(arXiv 1608.00367), FSRCNN(56, 12, 4) for RGB as in github:ECNUSR/ETDS
(core/archs/ir/FSRCNN/arch.py): 24.68 K parameters at x3.

A 9x9 transposed convolution with stride s is an ordinary convolution to 3 s^2 channels followed by
depth-to-space: each of the s^2 positions inside of a pixel sees its own taps of the 9x9 kernel, at
x3 exactly 3x3 of them. It is written so here, which runs on the small picture, takes an output
tail, and is exact at the border too, since what lies outside is zero in both. The taps are placed
as TensorFlow's `same` padding does, symmetric about the pixel (that PyTorch code is one pixel of
the large picture off at x3). In training one bias serves the s^2 copies of a colour, and taps
beyond the 9x9 kernel (none at x3) are held at zero; the deployed form holds every copy, 24,707
numbers at x3 for the same function.

PReLU is the published activation; with `activation="relu"` XNNPACK runs the whole int8 file, as it
has no int8 PReLU.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tensorflow as tf
import tf_keras

from sr_models.ground.errors import require_known
from sr_models.networks.layers import rectifier
from sr_models.networks.registry import register_family

ACTIVATIONS = ("prelu", "relu")
KERNEL_SIZE = 9
"""Height and width of the transposed convolution."""


@dataclass(frozen=True)
class FsrcnnConfig:
    """Widths of an FSRCNN.

    Attributes:
        scale: Upscaling factor.
        width: Channels after the first and before the last convolution, d in the paper.
        shrunk_width: Channels of the mapping layers, s in the paper.
        blocks: Number of mapping layers, m in the paper.
        activation: `"prelu"` or `"relu"`.
    """

    scale: int
    width: int = 56
    shrunk_width: int = 12
    blocks: int = 4
    activation: str = "prelu"

    def __post_init__(self):
        require_known("an activation", self.activation, ACTIVATIONS)


@dataclass(frozen=True)
class SubPixelTaps:
    """Where the taps of a transposed convolution lie among the pixels of the small picture.

    Attributes:
        crop: Rows that `same` padding takes off the top of the full result.
        radius: Farthest pixel that a position inside of a pixel sees.
        before: Zeros before the kernel that make it s (2 radius + 1) taps long.
        after: Zeros behind it.
    """

    crop: int
    radius: int
    before: int
    after: int


def sub_pixel_taps(scale: int) -> SubPixelTaps:
    """The geometry for a scale factor.

    Output row s j + p gets input row i by tap k = s (j - i) + p + crop; i - j runs over all
    values that leave k inside of the kernel for some p in 0..s-1.
    """
    crop = max(KERNEL_SIZE - scale, 0) // 2
    radius = max((KERNEL_SIZE - 1 - crop) // scale, (scale - 1 + crop) // scale)
    before = scale * radius - crop
    return SubPixelTaps(crop, radius, before, scale * (2 * radius + 1) - KERNEL_SIZE - before)


def sub_pixel_kernel(kernel: np.ndarray, *, scale: int) -> np.ndarray:
    """The convolution kernel that does with depth-to-space what a transposed convolution does.

    Args:
        kernel: (9, 9, outputs, inputs), as `Conv2DTranspose` holds it.
        scale: Stride.

    Returns:
        (2 radius + 1, 2 radius + 1, inputs, outputs s^2).
    """
    taps = sub_pixel_taps(scale)
    size, (outputs, inputs) = 2 * taps.radius + 1, kernel.shape[2:]
    around = (taps.before, taps.after)
    cut = np.pad(kernel, [around, around, (0, 0), (0, 0)])
    cut = cut.reshape(size, scale, size, scale, outputs, inputs)
    # The tap of a pixel below lies further up in the kernel.
    cut = cut[::-1, :, ::-1].transpose(0, 2, 5, 1, 3, 4)
    return cut.reshape(size, size, inputs, scale**2 * outputs)


def _mask(scale: int) -> np.ndarray:
    """1 where `sub_pixel_kernel` puts a tap of the transposed convolution, else 0."""
    everywhere = np.ones((KERNEL_SIZE, KERNEL_SIZE, 3, 1), np.float32)
    return sub_pixel_kernel(everywhere, scale=scale)


@tf_keras.saving.register_keras_serializable("sr_models")
class TransposedConvolution(tf_keras.layers.Layer):
    """A transposed convolution to three colours, before depth-to-space: (N, H, W, 3 s^2).

    Args:
        scale: Stride.
    """

    def __init__(self, scale: int, **keywords):
        super().__init__(**keywords)
        self.scale = scale

    def build(self, input_shape):
        size = 2 * sub_pixel_taps(self.scale).radius + 1
        self.kernel = self.add_weight(
            name="kernel",
            shape=(size, size, input_shape[-1], 3 * self.scale**2),
            initializer=tf_keras.initializers.RandomNormal(stddev=1e-3),
        )
        self.bias = self.add_weight(name="bias", shape=(3,), initializer="zeros")
        super().build(input_shape)

    def call(self, inputs):
        kernel = self.kernel * _mask(self.scale)
        y = tf.nn.conv2d(inputs, kernel, strides=1, padding="SAME")
        return y + tf.tile(self.bias, [self.scale**2])

    def get_config(self):
        return {**super().get_config(), "scale": self.scale}


def to_deploy_form(weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Write out the zeros of the last kernel and the copies of its three biases."""
    kernel = weights["last/kernel"]
    scale = round((kernel.shape[-1] / 3) ** 0.5)
    last = {
        "last/kernel": kernel * _mask(scale),
        "last/bias": np.tile(weights["last/bias"], scale**2),
    }
    return {**weights, **last}


def to_training_form(weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Average the copies of each bias, which is exact where they are equal."""
    return {**weights, "last/bias": weights["last/bias"].reshape(-1, 3).mean(axis=0)}


def start_as_bilinear_upscaling(trunk, config: FsrcnnConfig) -> None:
    """Three channels carry the picture to a transposed convolution that interpolates linearly."""
    for name in ("first", "shrink", *(f"map{b}" for b in range(config.blocks)), "expand"):
        layer = trunk.get_layer(name)
        kernel, bias = layer.get_weights()
        middle = kernel.shape[0] // 2
        kernel[:, :, :, :3] = 0.0
        kernel[middle, middle, range(3), range(3)] = 1.0
        layer.set_weights([kernel, bias])
    middle = sub_pixel_taps(config.scale).crop + (config.scale - 1) / 2
    ramp = np.maximum(0.0, 1.0 - np.abs(np.arange(KERNEL_SIZE) - middle) / config.scale)
    bilinear = np.outer(ramp, ramp)[:, :, None, None] * np.eye(3)
    last = trunk.get_layer("last")
    kernel, bias = last.get_weights()
    kernel[:, :, :3] = sub_pixel_kernel(bilinear, scale=config.scale)
    last.set_weights([kernel, bias])


@register_family(
    "fsrcnn",
    source="arXiv 1608.00367",
    to_deploy_form=to_deploy_form,
    to_training_form=to_training_form,
)
def build_fsrcnn(config: FsrcnnConfig, *, form: str = "deploy"):
    """The trunk of an FSRCNN: (N, H, W, 3) in 0..1 -> (N, H, W, 3 s^2), linear output.

    Args:
        config: Widths, scale factor and activation.
        form: `"deploy"` with a plain last convolution, `"train"` with its weights tied as those
            of the transposed convolution are.
    """

    def block(x, filters: int, size: int, *, name: str):
        kernel = tf_keras.initializers.VarianceScaling(2.0, mode="fan_out", distribution="normal")
        layer = tf_keras.layers.Conv2D(
            filters, size, padding="same", kernel_initializer=kernel, name=name
        )
        return rectifier(config.activation, name=name)(layer(x))

    picture = tf_keras.Input((None, None, 3), name="input")
    x = block(picture, config.width, 5, name="first")
    x = block(x, config.shrunk_width, 1, name="shrink")
    for b in range(config.blocks):
        x = block(x, config.shrunk_width, 3, name=f"map{b}")
    x = block(x, config.width, 1, name="expand")
    if form == "train":
        last = TransposedConvolution(config.scale, name="last")
    else:
        size = 2 * sub_pixel_taps(config.scale).radius + 1
        small = tf_keras.initializers.RandomNormal(stddev=1e-3)
        last = tf_keras.layers.Conv2D(
            3 * config.scale**2, size, padding="same", kernel_initializer=small, name="last"
        )
    trunk = tf_keras.Model(picture, last(x), name="fsrcnn")
    start_as_bilinear_upscaling(trunk, config)
    return trunk
