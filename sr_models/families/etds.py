"""ETDS: the Equivalent Transformation and Dual Stream network, nothing but convolutions.

Chao et al., "Equivalent Transformation and Dual Stream Network Construction for Mobile Image
Super-Resolution", CVPR 2023 (code: github:ECNUSR/ETDS, core/archs/ir/ETDS/arch.py). A feature
stream and a residual stream of three channels run side by side; every layer of the features also
reads the residual stream, which reads only itself, starts as the picture and ends as the repeated
picture, so that neither a skip connection nor an addition is left.

Both streams are one plain network: the kernel from features to residual stream is zero, all others
stand beside each other. It trains in this form with those entries held at zero by a mask and is
deployed with the zeros written out, exact everywhere. The authors add a convolution for the clip
and, at x3, a 28th channel against slow kernels; both belong to the end that the output tail
replaces: 15,963 parameters here are 16.92 K there (M5C16 at x3).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tf_keras

from sr_models.networks.registry import register_family

RESIDUAL_WIDTH = 3
"""Channels of the residual stream, the last ones of every layer."""


@dataclass(frozen=True)
class EtdsConfig:
    """Widths of an ETDS.

    Attributes:
        scale: Upscaling factor.
        width: Channels of both streams together, more than `RESIDUAL_WIDTH`.
        blocks: Convolutions between the first and the last.
    """

    scale: int
    width: int = 16
    blocks: int = 5


def _mask(width: int) -> np.ndarray:
    """(1, 1, inputs, outputs): 0 where the residual stream would read features, else 1."""
    mask = np.ones((1, 1, width, width), np.float32)
    mask[:, :, :-RESIDUAL_WIDTH, -RESIDUAL_WIDTH:] = 0.0
    return mask


@tf_keras.saving.register_keras_serializable("sr_models")
class DualStreamConvolution(tf_keras.layers.Conv2D):
    """A convolution of both streams whose residual stream reads only itself."""

    def convolution_op(self, inputs, kernel):
        return super().convolution_op(inputs, kernel * _mask(self.filters))


def to_deploy_form(weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Write the zeros of the mask into the kernels."""
    return {
        name: array * _mask(array.shape[-1])
        if name.startswith("block") and name.endswith("/kernel")
        else array
        for name, array in weights.items()
    }


def start_near_nearest_neighbour(trunk, config: EtdsConfig) -> None:
    """The residual stream copies the picture and leaves the features alone, as published."""
    picture = range(config.width - RESIDUAL_WIDTH, config.width)
    for layer in trunk.layers[1:]:
        kernel, bias = layer.get_weights()
        if layer.name == "first":
            kernel[:, :, :, picture] = 0.0
            kernel[1, 1, range(3), picture] = 1.0
        elif layer.name == "last":
            kernel[:, :, picture, :] = 0.0
            for colour in range(3):
                kernel[1, 1, picture[colour], colour::3] = 1.0
        else:
            kernel[:, :, picture, :] = 0.0
            kernel[:, :, :, picture] = 0.0
            kernel[1, 1, picture, picture] = 1.0
        layer.set_weights([kernel, bias])


@register_family(
    "etds",
    source="CVPR 2023, github:ECNUSR/ETDS",
    to_deploy_form=to_deploy_form,
    to_training_form=dict,
)
def build_etds(config: EtdsConfig, *, form: str = "deploy"):
    """The trunk of an ETDS: (N, H, W, 3) in 0..1 -> (N, H, W, 3 s^2), linear output.

    Args:
        config: Widths and scale factor.
        form: `"deploy"` with plain convolutions, `"train"` with the mask on their kernels.
    """
    convolution = tf_keras.layers.Conv2D if form == "deploy" else DualStreamConvolution
    settings = {"padding": "same", "activation": "relu", "kernel_initializer": "he_normal"}
    picture = tf_keras.Input((None, None, 3), name="input")
    x = tf_keras.layers.Conv2D(config.width, 3, name="first", **settings)(picture)
    for b in range(config.blocks):
        x = convolution(config.width, 3, name=f"block{b}", **settings)(x)
    small = tf_keras.initializers.VarianceScaling(0.001)
    last = tf_keras.layers.Conv2D(
        3 * config.scale**2, 3, padding="same", kernel_initializer=small, name="last"
    )
    trunk = tf_keras.Model(picture, last(x), name="etds")
    start_near_nearest_neighbour(trunk, config)
    return trunk
