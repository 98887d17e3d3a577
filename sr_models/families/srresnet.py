"""SRResNet: EDSR's ancestor, with PReLU and normalization of batches.

Ledig et al., "Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial
Network", CVPR 2017 (arXiv 1609.04802); layers as in github:zysxmu/DFSQ (model/setq/
bnsrresnet_setq.py), whose quantizers and those of github:haiiling/OAQ-SR were tried on it: 9x9
convolutions at both ends, 16 blocks of 64 channels, PReLU behind each stage of the upsampler too.
There are no weights of it here.

In the training form a normalization of the batch stands behind each convolution of blocks and
body; in the deployed form it is part of the convolution. The released quantizers keep it float
behind a quantized kernel, so their kernels are those before folding. Convolutions have biases
everywhere in the deployed form, and PReLU a slope for each channel, which holds the one slope of
the released code.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tf_keras

from sr_models.families.edsr import carry_picture, stages
from sr_models.ground.errors import require_known
from sr_models.networks.layers import DepthToSpace, SpaceToDepth, rectifier
from sr_models.networks.registry import register_family

ACTIVATIONS = ("prelu", "relu")
NORM_EPSILON = 1e-5
"""Of PyTorch's normalization."""
_NORM = "_norm"


@dataclass(frozen=True)
class SrresnetConfig:
    """Widths of an SRResNet.

    Attributes:
        scale: Upscaling factor: 2, 3 or 4.
        width: Channels of the body, at least 3.
        blocks: Number of residual blocks.
        activation: `"prelu"` or `"relu"`.
    """

    scale: int
    width: int = 64
    blocks: int = 16
    activation: str = "prelu"

    def __post_init__(self):
        stages(self.scale)
        require_known("an activation", self.activation, ACTIVATIONS)


def to_deploy_form(weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Fold each normalization into the convolution before it."""
    folded = {name: array for name, array in weights.items() if f"{_NORM}/" not in name}
    for name in weights:
        layer, _, variable = name.partition(f"{_NORM}/")
        if variable != "gamma":
            continue
        norm = {key: weights[f"{layer}{_NORM}/{key}"] for key in ("beta", "moving_mean")}
        spread = np.sqrt(weights[f"{layer}{_NORM}/moving_variance"] + NORM_EPSILON)
        factor = weights[name] / spread
        folded[f"{layer}/kernel"] = weights[f"{layer}/kernel"] * factor
        folded[f"{layer}/bias"] = norm["beta"] - norm["moving_mean"] * factor
    return folded


def to_training_form(weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Give each folded convolution a normalization that does nothing but add its bias."""
    trained = {}
    for name, array in weights.items():
        layer, variable = name.split("/")
        if variable != "bias" or not _is_normalized(layer):
            trained[name] = array
            continue
        ones = np.ones_like(array)
        trained[f"{layer}{_NORM}/gamma"] = ones
        trained[f"{layer}{_NORM}/beta"] = array
        trained[f"{layer}{_NORM}/moving_mean"] = np.zeros_like(array)
        trained[f"{layer}{_NORM}/moving_variance"] = ones - np.float32(NORM_EPSILON)
    return trained


def _is_normalized(layer: str) -> bool:
    return layer.startswith("block") or layer == "body_last"


@register_family(
    "srresnet",
    source="arXiv 1609.04802",
    to_deploy_form=to_deploy_form,
    to_training_form=to_training_form,
)
def build_srresnet(config: SrresnetConfig, *, form: str = "deploy"):
    """The trunk of an SRResNet: (N, H, W, 3) in 0..1 -> (N, H, W, 3 s^2), linear output.

    Args:
        config: Widths, scale factor and activation.
        form: `"deploy"` with plain convolutions, `"train"` with normalizations behind those of
            blocks and body.
    """

    def convolution(x, filters: int, size: int = 3, *, name: str, spread: float = 1.0):
        normalized = form == "train" and _is_normalized(name)
        kernel = tf_keras.initializers.VarianceScaling(2.0 * spread)
        y = tf_keras.layers.Conv2D(
            filters,
            size,
            padding="same",
            use_bias=not normalized,
            kernel_initializer=kernel,
            name=name,
        )(x)
        if not normalized:
            return y
        # At first next to nothing comes of a block, as of the small kernels of the other form.
        start = tf_keras.initializers.Constant(spread**0.5)
        layer = tf_keras.layers.BatchNormalization(
            epsilon=NORM_EPSILON, momentum=0.9, gamma_initializer=start, name=f"{name}{_NORM}"
        )
        return layer(y)

    picture = tf_keras.Input((None, None, 3), name="input")
    first = convolution(picture, config.width, 9, name="first")
    x = features = rectifier(config.activation, name="first")(first)
    for b in range(config.blocks):
        name = f"block{b}"
        y = convolution(x, config.width, name=f"{name}_conv0")
        y = rectifier(config.activation, name=f"{name}_conv0")(y)
        y = convolution(y, config.width, name=f"{name}_conv1", spread=0.01)
        x = tf_keras.layers.Add(name=f"{name}_add")([y, x])
    x = convolution(x, config.width, name="body_last", spread=0.001)
    x = tf_keras.layers.Add(name="long_skip")([x, features])
    for k, factor in enumerate(stages(config.scale)):
        x = convolution(x, config.width * factor**2, name=f"upscale{k}", spread=0.001)
        x = DepthToSpace(factor, name=f"upscale{k}_depth_to_space")(x)
        x = rectifier(config.activation, name=f"upscale{k}")(x)
    y = convolution(x, 3, 9, name="last", spread=0.001)
    y = SpaceToDepth(config.scale, name="space_to_depth")(y)
    trunk = tf_keras.Model(picture, y, name="srresnet")
    carry_picture(trunk.get_layer("first"))
    for k, factor in enumerate(stages(config.scale)):
        carry_picture(trunk.get_layer(f"upscale{k}"), copies=factor**2)
    carry_picture(trunk.get_layer("last"))
    return trunk
