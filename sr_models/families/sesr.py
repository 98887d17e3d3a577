"""SESR: Super-Efficient Super-Resolution, collapsible linear blocks with residuals.

Bhardwaj et al., "Collapsible Linear Blocks for Super-Efficient Super Resolution", MLSys 2022 (arXiv
2103.09404; code: github:ARM-software/sesr, models/sesr.py and model_utils.py). A 5x5 convolution,
m 3x3 ones with a short residual each, a long residual around them, a 5x5 to the pixels, and the
repeated picture added. The authors' network works on luma, with 13.52 K kernel weights for M5 at
x2; this one works on RGB, as github:quic/aimet-model-zoo's does, with biases and without the
authors' shift of the input by middle grey, for which the first bias stands.

A linear block trains as a k x k convolution to 256 channels and a 1x1 back, nothing between. As the
authors do, the two kernels are multiplied in every step and one small convolution runs on the
picture, short residual included; the deployed kernel is that product. The wide layer has no bias,
so the collapse is exact at the zero-padded border too.

PReLU is the published activation; the authors take ReLU for int8, as `activation="relu"` does, with
which XNNPACK runs the whole file (it has no int8 PReLU).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tensorflow as tf
import tf_keras

from sr_models.ground.errors import require_known
from sr_models.networks.layers import RepeatChannels, rectifier
from sr_models.networks.registry import register_family

ACTIVATIONS = ("prelu", "relu")
EXPANDED_WIDTH = 256


@dataclass(frozen=True)
class SesrConfig:
    """Widths of an SESR.

    Attributes:
        scale: Upscaling factor.
        width: Channels of the body.
        blocks: Number of 3x3 convolutions, m in the paper.
        activation: `"prelu"` or `"relu"`.
    """

    scale: int
    width: int = 16
    blocks: int = 5
    activation: str = "prelu"

    def __post_init__(self):
        require_known("an activation", self.activation, ACTIVATIONS)


def _identity(kernel_shape) -> np.ndarray:
    """The kernel that copies its input: the short residual of a block."""
    identity = np.zeros(kernel_shape, np.float32)
    middle, channels = kernel_shape[0] // 2, range(kernel_shape[2])
    identity[middle, middle, channels, channels] = 1.0
    return identity


@tf_keras.saving.register_keras_serializable("sr_models")
class LinearBlock(tf_keras.layers.Layer):
    """A collapsible linear block in training, without its activation.

    Args:
        filters: Output channels.
        size: Height and width of the kernel.
        residual: Whether the input is added to the output.
        spread: Variance of the initial 1x1 kernel, relative to the usual one.
    """

    def __init__(self, filters: int, size: int, residual=False, spread: float = 1.0, **keywords):
        super().__init__(**keywords)
        self.filters, self.size, self.residual, self.spread = filters, size, residual, spread

    def build(self, input_shape):
        inputs = input_shape[-1]
        self.expand = self.add_weight(
            name="expand",
            shape=(self.size, self.size, inputs, EXPANDED_WIDTH),
            initializer=tf_keras.initializers.VarianceScaling(1.0),
        )
        self.squeeze = self.add_weight(
            name="squeeze",
            shape=(EXPANDED_WIDTH, self.filters),
            initializer=tf_keras.initializers.VarianceScaling(self.spread),
        )
        self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros")
        super().build(input_shape)

    def call(self, inputs):
        kernel = tf.tensordot(self.expand, self.squeeze, 1)
        if self.residual:
            kernel += _identity(kernel.shape)
        return tf.nn.conv2d(inputs, kernel, strides=1, padding="SAME") + self.bias

    def get_config(self):
        own = {"filters": self.filters, "size": self.size}
        return {**super().get_config(), **own, "residual": self.residual, "spread": self.spread}


def to_deploy_form(weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Multiply the kernels of each linear block; add the identity of a short residual."""
    deployed = {}
    for name, array in weights.items():
        layer, variable = name.split("/")
        if variable == "expand":
            kernel = np.float64(array) @ np.float64(weights[f"{layer}/squeeze"])
            if layer.startswith("block"):
                kernel += _identity(kernel.shape)
            deployed[f"{layer}/kernel"] = np.float32(kernel)
        elif variable != "squeeze":
            deployed[name] = array
    return deployed


def to_training_form(weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Put each kernel, less its short residual, into the first of the 256 channels.

    The 1x1 kernel copies channels, over and over, and the unused part of the wide kernel is zero:
    it adds nothing yet and has a gradient.
    """
    trained = {}
    for name, array in weights.items():
        layer, variable = name.split("/")
        if variable != "kernel":
            trained[name] = array
            continue
        filters = array.shape[-1]
        if layer.startswith("block"):
            array = array - _identity(array.shape)
        wide = np.zeros((*array.shape[:3], EXPANDED_WIDTH), np.float32)
        wide[..., :filters] = array
        trained[f"{layer}/expand"] = wide
        channels = np.arange(EXPANDED_WIDTH) % filters
        trained[f"{layer}/squeeze"] = np.eye(filters, dtype=np.float32)[channels]
    return trained


@register_family(
    "sesr",
    source="arXiv 2103.09404",
    to_deploy_form=to_deploy_form,
    to_training_form=to_training_form,
)
def build_sesr(config: SesrConfig, *, form: str = "deploy"):
    """The trunk of an SESR: (N, H, W, 3) in 0..1 -> (N, H, W, 3 s^2).

    Args:
        config: Widths, scale factor and activation.
        form: `"deploy"` with plain convolutions, `"train"` with linear blocks.
    """

    def block(x, filters: int, size: int, *, name: str, residual=False, spread: float = 1.0):
        if form == "train":
            return LinearBlock(filters, size, residual, spread, name=name)(x)
        kernel = tf_keras.initializers.VarianceScaling(spread)
        layer = tf_keras.layers.Conv2D(
            filters, size, padding="same", kernel_initializer=kernel, name=name
        )
        y = layer(x)
        if residual:
            kernel, bias = layer.get_weights()
            layer.set_weights([kernel + _identity(kernel.shape), bias])
        return y

    picture = tf_keras.Input((None, None, 3), name="input")
    features = block(picture, config.width, 5, name="first")
    x = features
    for b in range(config.blocks):
        name = f"block{b}"
        x = block(x, config.width, 3, name=name, residual=True, spread=0.1)
        # A slope of zero: PReLU starts as the ReLU that int8 networks take.
        x = rectifier(config.activation, name=name, slope=0.0)(x)
    x = tf_keras.layers.Add(name="long_residual")([x, features])
    y = block(x, 3 * config.scale**2, 5, name="last", spread=0.001)
    anchor = RepeatChannels(config.scale**2, name="anchor")(picture)
    # The residual comes first: see sr_models.families.abpn on the calibrator's in-place fault.
    y = tf_keras.layers.Add(name="add")([y, anchor])
    return tf_keras.Model(picture, y, name="sesr")
