"""ABPN: the Anchor-Based Plain Net, convolutions on top of a repeated picture.

Du et al., "Anchor-based Plain Net for Mobile Image Super-Resolution", CVPR workshops 2021 (arXiv
2105.09750). Layer widths as in github:NJU-Jet/SR_Mobile_Quantization (solvers/networks/base7.py):
D4C28 has 42.54 K parameters at x3. The anchor repeats each pixel s^2 times on the channels, which
depth-to-space turns into nearest-neighbour upscaling; the convolutions learn what is missing.

The anchor as a frozen 1x1 convolution is that of NCNet (github:Algolzw/NCNet, model/basenet.py; 32
channels, 52,279 trained parameters at x3): the same numbers, computed where an accelerator is fast.

The residual is the first operand of the addition and the anchor the second. TFLite's calibrator
records an in-place addition's output as its first operand's range
(github.com/tensorflow/tensorflow/issues/127842); with the anchor first, it would be the picture's
range, and with it the input's, that is spoilt. So it is the residual's, which gets coarser but
saturates nowhere. Files made from written ranges (`export.exporting.conversion`) have
neither fault, and `anchor="none"` has no addition.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tf_keras

from sr_models.ground.errors import require_known
from sr_models.networks.layers import RepeatChannels
from sr_models.networks.registry import register_family

ANCHORS = ("concat", "conv", "none")


@dataclass(frozen=True)
class AbpnConfig:
    """Widths of an ABPN.

    Attributes:
        scale: Upscaling factor.
        width: Channels of the body.
        blocks: Convolutions of the body, behind the first one.
        anchor: How the picture is repeated: `"concat"`, `"conv"` (a frozen 1x1 convolution) or
            `"none"` (a plain network without an anchor).
    """

    scale: int
    width: int = 28
    blocks: int = 4
    anchor: str = "concat"

    def __post_init__(self):
        require_known("an anchor", self.anchor, ANCHORS)


def _convolution(filters: int, *, name: str, activation: str | None = "relu"):
    return tf_keras.layers.Conv2D(
        filters, 3, padding="same", activation=activation, kernel_initializer="he_normal", name=name
    )


def _anchor(picture, config: AbpnConfig):
    if config.anchor == "concat":
        return RepeatChannels(config.scale**2, name="anchor")(picture)
    channels = 3 * config.scale**2
    layer = tf_keras.layers.Conv2D(channels, 1, use_bias=False, trainable=False, name="anchor")
    anchor = layer(picture)
    layer.set_weights([np.tile(np.eye(3, dtype=np.float32), config.scale**2)[None, None]])
    return anchor


@register_family("abpn", source="arXiv 2105.09750")
def build_abpn(config: AbpnConfig, *, form: str = "deploy"):
    """The trunk of an ABPN: (N, H, W, 3) in 0..1 -> (N, H, W, 3 s^2).

    Args:
        config: Widths, scale factor and anchor.
        form: Both forms are one.
    """
    channels = 3 * config.scale**2
    picture = tf_keras.Input((None, None, 3), name="input")
    x = _convolution(config.width, name="first")(picture)
    for b in range(config.blocks):
        x = _convolution(config.width, name=f"block{b}")(x)
    x = _convolution(channels, name="to_pixels")(x)
    # Small: the untrained network is nearest-neighbour upscaling, nearly.
    small = tf_keras.initializers.VarianceScaling(0.001)
    last = tf_keras.layers.Conv2D(
        channels, 3, padding="same", kernel_initializer=small, name="last"
    )
    y = last(x)
    if config.anchor != "none":
        y = tf_keras.layers.Add(name="add")([y, _anchor(picture, config)])
    return tf_keras.Model(picture, y, name="abpn")
