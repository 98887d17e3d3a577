"""ESPCN: the Efficient Sub-Pixel Convolutional Network, three convolutions and depth-to-space.

Shi et al., "Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel
Convolutional Neural Network", CVPR 2016 (arXiv 1609.05158). The paper's last convolution is linear
(section 3.2), and so is this one; the bound is left to the output tail. Re-implementations that end
in a sigmoid (github:ECNUSR/ETDS, core/archs/ir/ESPCN/arch.py, whose RGB widths and 31.13 K
parameters at x3 are these) saturate the same pixels softly and need an operator on the large
picture for it.

TFLite fixes the int8 grid of a tanh at 1/128 from -1 to 127/128, so tanh has no range to calibrate;
its input has, and is therefore a point of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tf_keras

from sr_models.networks.registry import register_family


@dataclass(frozen=True)
class EspcnConfig:
    """Widths of an ESPCN.

    Attributes:
        scale: Upscaling factor.
        first_width: Channels after the 5x5 convolution, at least 3.
        second_width: Channels after the 3x3 convolution, at least 3.
    """

    scale: int
    first_width: int = 64
    second_width: int = 32


def _convolution(filters: int, size: int, *, name: str, spread: float = 1.0):
    kernel = tf_keras.initializers.VarianceScaling(spread, mode="fan_in")
    return tf_keras.layers.Conv2D(
        filters, size, padding="same", kernel_initializer=kernel, name=name
    )


def _tanh(x, *, name: str):
    return tf_keras.layers.Activation("tanh", name=name)(x)


def start_near_nearest_neighbour(trunk, config: EspcnConfig) -> None:
    """Let three channels carry the picture, less the middle grey, through both tanh.

    Without a skip connection the picture itself has to be learnt first, which takes a network with
    tanh tens of thousands of steps. The last convolution undoes the two tanh by the straight line
    that fits them best, so the untrained network repeats pixels with slightly flat black and white.
    """
    for name in ("first", "second"):
        layer = trunk.get_layer(name)
        kernel, bias = layer.get_weights()
        middle = kernel.shape[0] // 2
        kernel[:, :, :, :3] = 0.0
        kernel[middle, middle, range(3), range(3)] = 1.0
        if name == "first":
            bias[:3] = -0.5
        layer.set_weights([kernel, bias])
    grey = np.linspace(-0.5, 0.5, 256)
    bent = np.tanh(np.tanh(grey))
    last = trunk.get_layer("last")
    kernel, bias = last.get_weights()
    kernel[:, :, :3, :] = 0.0
    for colour in range(3):
        kernel[1, 1, colour, colour::3] = bent @ grey / (bent @ bent)
    last.set_weights([kernel, np.full_like(bias, 0.5)])


@register_family("espcn", source="arXiv 1609.05158")
def build_espcn(config: EspcnConfig, *, form: str = "deploy"):
    """The trunk of an ESPCN: (N, H, W, 3) in 0..1 -> (N, H, W, 3 s^2), linear output.

    Args:
        config: Widths and scale factor.
        form: Both forms are one.
    """
    picture = tf_keras.Input((None, None, 3), name="input")
    x = _tanh(_convolution(config.first_width, 5, name="first")(picture), name="first_tanh")
    x = _tanh(_convolution(config.second_width, 3, name="second")(x), name="second_tanh")
    y = _convolution(3 * config.scale**2, 3, name="last", spread=0.001)(x)
    trunk = tf_keras.Model(picture, y, name="espcn")
    start_near_nearest_neighbour(trunk, config)
    return trunk
