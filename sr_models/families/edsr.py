"""EDSR: residual blocks without normalization, and a long skip around them.

Lim et al., "Enhanced Deep Residual Networks for Single Image Super-Resolution", CVPR workshops 2017
(arXiv 1707.02921). Two upsamplers:

- `"direct"`: one 3x3 convolution to 3 s^2 channels and depth-to-space, as in the EDSR f32b5 of
  MLPerf Mobile (github:mlcommons/mobile_open, vision/edsr; 106,092 parameters at x2).
- `"staged"`: the paper's, a convolution and depth-to-space for each factor of two (one of three at
  x3), then a 3x3 convolution on the large picture. With 64 channels and 16 blocks that is the
  EDSR-baseline, 1.37 M parameters at x2 and 1.52 M at x4.

The authors subtract the mean colour of DIV2K before and add it after. Adding it is left to the bias
of the last convolution. Subtracting it is left to the first one's where a network is trained so,
but published weights are not: their padding is the mean colour, and with black in its place they
lose 0.13 dB at x4 and 0.36 dB at x2. `mean_colour` subtracts it before the first
convolution, as they do. Their residual scaling is 1 in all of these networks;
elsewhere it is a factor of the second convolution of a block.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tf_keras

from sr_models.ground.errors import OptionError, require_known
from sr_models.networks.layers import MEAN_COLOUR, DepthToSpace, SpaceToDepth, centred
from sr_models.networks.registry import register_family

UPSAMPLERS = ("direct", "staged")


@dataclass(frozen=True)
class EdsrConfig:
    """Widths of an EDSR.

    Attributes:
        scale: Upscaling factor: 2, 3 or 4 for the staged upsampler.
        width: Channels of the body, at least 3.
        blocks: Number of residual blocks.
        upsampler: `"direct"` or `"staged"`.
        mean_colour: Whether DIV2K's mean colour is subtracted before the first convolution, so that
            padding has it; published weights want that.
    """

    scale: int
    width: int = 32
    blocks: int = 5
    upsampler: str = "direct"
    mean_colour: bool = False

    def __post_init__(self):
        require_known("an upsampler", self.upsampler, UPSAMPLERS)
        if self.upsampler == "staged":
            stages(self.scale)


def stages(scale: int) -> tuple[int, ...]:
    """Factors of the stages of an upsampler; raises `OptionError` for another scale factor."""
    if scale not in (2, 3, 4):
        raise OptionError(f"expected a scale factor of 2, 3 or 4, found {scale}")
    return (2, 2) if scale == 4 else (scale,)


def convolution(filters: int, *, name: str, spread: float = 1.0, activation: str | None = None):
    """A 3x3 convolution; `spread` is the variance of its initial kernel, relative to He's."""
    kernel = tf_keras.initializers.VarianceScaling(2.0 * spread)
    return tf_keras.layers.Conv2D(
        filters, 3, padding="same", activation=activation, kernel_initializer=kernel, name=name
    )


def staged_upsampler(x, *, width: int, scale: int):
    """Features to the large picture in stages, then back to the trunk's (N, H, W, 3 s^2)."""
    for k, factor in enumerate(stages(scale)):
        x = convolution(width * factor**2, name=f"upscale{k}", spread=0.001)(x)
        x = DepthToSpace(factor, name=f"upscale{k}_depth_to_space")(x)
    y = convolution(3, name="last", spread=0.001)(x)
    return SpaceToDepth(scale, name="space_to_depth")(y)


def carry_picture(layer, *, copies: int = 1) -> None:
    """Let the first three outputs, or `copies` times their number, copy the first three inputs.

    Where `copies` is more than 1, they are those that depth-to-space makes one channel of.
    """
    kernel, bias = layer.get_weights()
    step, middle = kernel.shape[-1] // copies, kernel.shape[0] // 2
    for colour in range(3):
        kernel[:, :, :, colour::step] = 0.0
        kernel[middle, middle, colour, colour::step] = 1.0
    layer.set_weights([kernel, bias])


def start_near_nearest_neighbour(trunk) -> None:
    """Carry the picture through the first three features, to which the blocks add little."""
    carry_picture(trunk.get_layer("first"))
    upscaling = [layer for layer in trunk.layers if layer.name.startswith("upscale")]
    for convolved, moved in zip(upscaling[::2], upscaling[1::2]):
        carry_picture(convolved, copies=moved.block_size**2)
    last = trunk.get_layer("last")
    carry_picture(last, copies=last.filters // 3)


@register_family("edsr", source="arXiv 1707.02921")
def build_edsr(config: EdsrConfig, *, form: str = "deploy"):
    """The trunk of an EDSR: (N, H, W, 3) in 0..1 -> (N, H, W, 3 s^2), linear output.

    Args:
        config: Widths, scale factor and upsampler.
        form: Both forms are one.
    """
    picture = tf_keras.Input((None, None, 3), name="input")
    first = centred(picture) if config.mean_colour else picture
    features = convolution(config.width, name="first")(first)
    x = features
    for b in range(config.blocks):
        name = f"block{b}"
        y = convolution(config.width, name=f"{name}_conv0", activation="relu")(x)
        y = convolution(config.width, name=f"{name}_conv1", spread=0.01)(y)
        x = tf_keras.layers.Add(name=f"{name}_add")([y, x])
    x = convolution(config.width, name="body_last", spread=0.001)(x)
    x = tf_keras.layers.Add(name="long_skip")([x, features])
    if config.upsampler == "staged":
        y = staged_upsampler(x, width=config.width, scale=config.scale)
    else:
        y = convolution(3 * config.scale**2, name="last", spread=0.001)(x)
    trunk = tf_keras.Model(picture, y, name="edsr")
    start_near_nearest_neighbour(trunk)
    if config.mean_colour:
        kernel, bias = trunk.get_layer("last").get_weights()
        repeated = np.resize(np.float32(MEAN_COLOUR), bias.shape)
        trunk.get_layer("last").set_weights([kernel, bias + repeated])
    return trunk
