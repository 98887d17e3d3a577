"""RDN: residual dense blocks, each convolution of which sees all before it.

Zhang et al., "Residual Dense Network for Image Super-Resolution", CVPR 2018 (arXiv 1802.08797);
layers as in github:colorjam/PAMS (model/rdn_org.py), configuration B: 16 blocks of 8 convolutions
with 64 new channels each, 22.1 M parameters at x2. A network of this size is no mobile network; it
is here because quantization methods are compared on it.
"""

from __future__ import annotations

from dataclasses import dataclass

import tf_keras

from sr_models.families.edsr import (
    convolution,
    staged_upsampler,
    stages,
    start_near_nearest_neighbour,
)
from sr_models.networks.layers import MOST_JOINED
from sr_models.networks.registry import register_family


@dataclass(frozen=True)
class RdnConfig:
    """Widths of an RDN.

    Attributes:
        scale: Upscaling factor: 2, 3 or 4.
        width: Channels between blocks, at least 3.
        growth: Channels that each convolution of a block adds, and those of the upsampler; at
            least 3.
        blocks: Number of residual dense blocks.
        layers: 3x3 convolutions in each block.
    """

    scale: int
    width: int = 64
    growth: int = 64
    blocks: int = 16
    layers: int = 8

    def __post_init__(self):
        stages(self.scale)


def _fusion(filters: int, *, name: str):
    small = tf_keras.initializers.VarianceScaling(0.02)
    return tf_keras.layers.Conv2D(filters, 1, kernel_initializer=small, name=name)


def _dense_block(x, config: RdnConfig, *, name: str):
    dense = x
    for k in range(config.layers):
        new = convolution(config.growth, name=f"{name}_conv{k}", activation="relu")(dense)
        dense = tf_keras.layers.Concatenate(name=f"{name}_concat{k}")([dense, new])
    fused = _fusion(config.width, name=f"{name}_fusion")(dense)
    return tf_keras.layers.Add(name=f"{name}_add")([fused, x])


def _join(tensors: list, *, name: str):
    """One concatenation, in groups where XNNPACK does not take that many tensors at once."""
    if len(tensors) <= MOST_JOINED:
        return tf_keras.layers.Concatenate(name=name)(tensors) if len(tensors) > 1 else tensors[0]
    groups = [tensors[k : k + MOST_JOINED] for k in range(0, len(tensors), MOST_JOINED)]
    return _join([_join(part, name=f"{name}_{k}") for k, part in enumerate(groups)], name=name)


@register_family("rdn", source="arXiv 1802.08797")
def build_rdn(config: RdnConfig, *, form: str = "deploy"):
    """The trunk of an RDN: (N, H, W, 3) in 0..1 -> (N, H, W, 3 s^2), linear output.

    Args:
        config: Widths and scale factor.
        form: Both forms are one.
    """
    picture = tf_keras.Input((None, None, 3), name="input")
    features = convolution(config.width, name="first")(picture)
    x = convolution(config.width, name="second")(features)
    blocks = []
    for b in range(config.blocks):
        x = _dense_block(x, config, name=f"block{b}")
        blocks.append(x)
    x = _fusion(config.width, name="fusion")(_join(blocks, name="concat"))
    x = convolution(config.width, name="body_last", spread=0.001)(x)
    x = tf_keras.layers.Add(name="long_skip")([x, features])
    y = staged_upsampler(x, width=config.growth, scale=config.scale)
    trunk = tf_keras.Model(picture, y, name="rdn")
    start_near_nearest_neighbour(trunk)
    return trunk
