"""XLSR: the Extremely Lightweight Quantization Robust Real-Time SR network.

Ayazoglu, "Extremely Lightweight Quantization Robust Real-Time Single-Image Super Resolution for
Mobile Devices", CVPR workshops 2021 (arXiv 2105.10288). Layer widths as in the public
re-implementation github:cxzhou95/XLSR (model.py).

The network starts with four parallel 3x3 convolutions of 8 filters on the same input, which is one
3x3 convolution of 32 filters; it is written so here. Each grouped block holds a 3x3 convolution
in four groups. TensorFlow trains a native grouped convolution many times slower on a CPU than the
same convolution written as slices, four convolutions and a concatenation, while the file made
from the native form is one operator; hence two forms with an exact transfer between them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tf_keras

from sr_models.networks.layers import ChannelSlice
from sr_models.networks.registry import register_family

GROUPS = 4


@dataclass(frozen=True)
class XlsrConfig:
    """Widths of an XLSR.

    Attributes:
        scale: Upscaling factor.
        width: Channels of the body, a multiple of `GROUPS`.
        blocks: Number of grouped blocks.
        skip_width: Channels of the branch that carries the picture past the body.
        merge_width: Channels after body and skip branch are merged.
    """

    scale: int
    width: int = 32
    blocks: int = 3
    skip_width: int = 16
    merge_width: int = 32


def _convolution(filters: int, size: int, *, name: str, activation: str | None = None, groups=1):
    # Small initial weights, as in the public re-implementation: normal, fan-out, variance 0.2.
    kernel = tf_keras.initializers.VarianceScaling(0.2, mode="fan_out", distribution="normal")
    return tf_keras.layers.Conv2D(
        filters,
        size,
        padding="same",
        activation=activation,
        groups=groups,
        kernel_initializer=kernel,
        bias_initializer=tf_keras.initializers.Constant(0.01),
        name=name,
    )


def _grouped_convolution(x, width: int, *, name: str, form: str):
    if form == "deploy":
        return _convolution(width, 3, name=name, activation="relu", groups=GROUPS)(x)
    step = width // GROUPS
    groups = []
    for g in range(GROUPS):
        part = ChannelSlice(g * step, (g + 1) * step, name=f"{name}_slice{g}")(x)
        groups.append(_convolution(step, 3, name=f"{name}_group{g}", activation="relu")(part))
    return tf_keras.layers.Concatenate(name=f"{name}_concat")(groups)


def to_deploy_form(weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Join the kernels (3, 3, 8, 8) and biases of the four groups along the output channels."""
    joined: dict[str, np.ndarray] = {}
    for name, array in weights.items():
        if "_group" not in name:
            joined[name] = array
        elif "_group0/" in name:
            parts = [weights[name.replace("_group0/", f"_group{g}/")] for g in range(GROUPS)]
            joined[name.replace("_group0/", "/")] = np.concatenate(parts, axis=-1)
    return joined


def to_training_form(weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Cut the kernels (3, 3, 8, 32) and biases of grouped convolutions into their groups."""
    cut: dict[str, np.ndarray] = {}
    for name, array in weights.items():
        layer, variable = name.split("/")
        if layer.startswith("block") and layer.endswith("_conv3"):
            for g, part in enumerate(np.split(array, GROUPS, axis=-1)):
                cut[f"{layer}_group{g}/{variable}"] = part
        else:
            cut[name] = array
    return cut


def start_as_nearest_neighbour(trunk, config: XlsrConfig) -> None:
    """Set the picture's path through skip, merge and last convolution to copy pixels.

    The untrained network then repeats pixels instead of returning noise (the identity
    initialisation of QuickSRNet, arXiv 2303.04336, applied to the skip branch).
    """
    skip = trunk.get_layer("skip")
    kernel, bias = skip.get_weights()
    kernel[:, :, :, :3] = 0.0
    kernel[1, 1, range(3), range(3)] = 1.0
    bias[:3] = 0.0
    skip.set_weights([kernel, bias])

    merge = trunk.get_layer("merge")
    kernel, bias = merge.get_weights()
    kernel[:, :, :, :3] = 0.0
    kernel[0, 0, range(config.width, config.width + 3), range(3)] = 1.0
    bias[:3] = 0.0
    merge.set_weights([kernel, bias])

    last = trunk.get_layer("last")
    kernel, bias = last.get_weights()
    kernel[:, :, :3, :] = 0.0
    for position in range(config.scale**2):
        for colour in range(3):
            kernel[1, 1, colour, position * 3 + colour] = 1.0
    last.set_weights([kernel, np.zeros_like(bias)])


@register_family(
    "xlsr",
    source="arXiv 2105.10288",
    to_deploy_form=to_deploy_form,
    to_training_form=to_training_form,
)
def build_xlsr(config: XlsrConfig, *, form: str = "deploy"):
    """The trunk of an XLSR: (N, H, W, 3) in 0..1 -> (N, H, W, 3 s^2), linear output.

    Args:
        config: Widths and scale factor.
        form: `"deploy"` with native grouped convolutions, `"train"` with slices.
    """
    picture = tf_keras.Input((None, None, 3), name="input")
    x = _convolution(config.width, 3, name="first", activation="relu")(picture)
    x = _convolution(config.width, 1, name="mix")(x)
    for b in range(config.blocks):
        x = _grouped_convolution(x, config.width, name=f"block{b}_conv3", form=form)
        x = _convolution(config.width, 1, name=f"block{b}_conv1")(x)
    skip = _convolution(config.skip_width, 3, name="skip")(picture)
    x = tf_keras.layers.Concatenate(name="concat")([x, skip])
    x = _convolution(config.merge_width, 1, name="merge", activation="relu")(x)
    y = _convolution(3 * config.scale**2, 3, name="last")(x)
    trunk = tf_keras.Model(picture, y, name="xlsr")
    start_as_nearest_neighbour(trunk, config)
    return trunk
