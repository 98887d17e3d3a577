"""ECBSR: edge-oriented convolution blocks that become plain 3x3 convolutions.

Zhang, Zeng and Zhang, "Edge-oriented Convolution Block for Real-time Super Resolution on Mobile
Devices", ACM Multimedia 2021 (code: github:xindongzhang/ECBSR, models/ecb.py). M4C16 for RGB, with
the repeated picture added before depth-to-space, as in github:ECNUSR/ETDS
(core/archs/ir/ECBSR/arch.py): 13.72 K parameters at x3.

A block trains as the sum of five branches: a 3x3 convolution, a 1x1 followed by a 3x3, and three
1x1 followed by a scaled Sobel (x, y) or Laplace filter per channel. All are linear, so their sum is
one 3x3 kernel. Behind a 1x1 with a bias, the 3x3 would see zeros beyond the border and not that
bias; the authors pad with the bias, which makes the one kernel exact there too. Trained here is
that same function in the cheaper order: the branches' kernels are summed in every step, and one
convolution runs on the picture.

PReLU is the published activation. XNNPACK runs it in float but not in int8, so that a file with it
falls into one delegate partition for each block; `activation="relu"` stays in one.
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
EXPANSION = 2

# As in the authors' code: positive on the left, at the top, and around the centre.
EDGE_FILTERS = {
    "sobel_x": ((1.0, 0.0, -1.0), (2.0, 0.0, -2.0), (1.0, 0.0, -1.0)),
    "sobel_y": ((1.0, 2.0, 1.0), (0.0, 0.0, 0.0), (-1.0, -2.0, -1.0)),
    "laplacian": ((0.0, 1.0, 0.0), (1.0, -4.0, 1.0), (0.0, 1.0, 0.0)),
}


@dataclass(frozen=True)
class EcbsrConfig:
    """Widths of an ECBSR.

    Attributes:
        scale: Upscaling factor.
        width: Channels of the body.
        blocks: Blocks between the first and the last.
        activation: `"prelu"` or `"relu"`.
    """

    scale: int
    width: int = 16
    blocks: int = 4
    activation: str = "prelu"

    def __post_init__(self):
        require_known("an activation", self.activation, ACTIVATIONS)


@tf_keras.saving.register_keras_serializable("sr_models")
class EdgeOrientedConvolution(tf_keras.layers.Layer):
    """An edge-oriented convolution block in training, without its activation.

    Args:
        filters: Output channels.
        spread: Variance of the initial 3x3 kernels, relative to the usual one.
    """

    def __init__(self, filters: int, spread: float = 1.0, **keywords):
        super().__init__(**keywords)
        self.filters, self.spread = filters, spread

    def build(self, input_shape):
        inputs, filters = input_shape[-1], self.filters
        middle = EXPANSION * filters
        shapes = {
            "kernel": (3, 3, inputs, filters),
            "bias": (filters,),
            "expand_kernel": (inputs, middle),
            "expand_bias": (middle,),
            "squeeze_kernel": (3, 3, middle, filters),
            "squeeze_bias": (filters,),
        }
        for edge in EDGE_FILTERS:
            shapes |= {f"{edge}_kernel": (inputs, filters)}
            shapes |= {f"{edge}_{name}": (filters,) for name in ("bias", "scale", "shift")}
        self.branches = {
            name: self.add_weight(name=name, shape=shape, initializer=self._initializer(name))
            for name, shape in shapes.items()
        }
        super().build(input_shape)

    def _initializer(self, name: str):
        if name.endswith("bias"):
            return "zeros"
        if name.endswith(("scale", "shift")):
            return tf_keras.initializers.RandomNormal(stddev=1e-3)
        large = name in ("kernel", "squeeze_kernel")
        return tf_keras.initializers.VarianceScaling(self.spread if large else 1.0)

    def call(self, inputs):
        kernel, bias = summed_branches(self.branches)
        return tf.nn.conv2d(inputs, kernel, strides=1, padding="SAME") + bias

    def get_config(self):
        return {**super().get_config(), "filters": self.filters, "spread": self.spread}


def summed_branches(branches: dict):
    """The one kernel (3, 3, inputs, outputs) and bias that the five branches of a block make.

    A 1x1 kernel (i, m) before a 3x3 kernel (h, w, m, o) is their product over m. The 1x1 kernel's
    bias reaches the output through the sum of the 3x3 kernel, at the border as everywhere.
    """
    kernel = branches["kernel"] + tf.einsum(
        "im,hwmo->hwio", branches["expand_kernel"], branches["squeeze_kernel"]
    )
    bias = branches["bias"] + branches["squeeze_bias"]
    bias += tf.einsum("m,hwmo->o", branches["expand_bias"], branches["squeeze_kernel"])
    for edge, taps in EDGE_FILTERS.items():
        scaled = tf.cast(taps, bias.dtype)[:, :, None] * branches[f"{edge}_scale"]
        kernel += branches[f"{edge}_kernel"] * scaled[:, :, None, :]
        bias += branches[f"{edge}_bias"] * tf.reduce_sum(scaled, axis=(0, 1))
        bias += branches[f"{edge}_shift"]
    return kernel, bias


def _by_layer(weights: dict[str, np.ndarray]) -> dict[str, dict[str, np.ndarray]]:
    layers: dict[str, dict[str, np.ndarray]] = {}
    for name, array in weights.items():
        layer, variable = name.split("/")
        layers.setdefault(layer, {})[variable] = array
    return layers


def to_deploy_form(weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Sum the branches of each block, in float64 since that happens once."""
    deployed = {}
    for layer, variables in _by_layer(weights).items():
        if "expand_kernel" in variables:
            exact = {name: tf.constant(array, tf.float64) for name, array in variables.items()}
            kernel, bias = summed_branches(exact)
            variables = {"kernel": np.float32(kernel), "bias": np.float32(bias)}
        deployed.update({f"{layer}/{name}": array for name, array in variables.items()})
    return deployed


def to_training_form(weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Put each kernel into the 3x3 branch of its block.

    The other branches add nothing yet: their 1x1 copy channels, which leaves them a gradient, and
    what follows is zero.
    """
    trained = {}
    for layer, variables in _by_layer(weights).items():
        if "kernel" in variables:
            inputs, filters = variables["kernel"].shape[2:]
            middle = EXPANSION * filters
            variables = {
                **variables,
                "expand_kernel": np.eye(inputs, middle, dtype=np.float32),
                "expand_bias": np.zeros(middle, np.float32),
                "squeeze_kernel": np.zeros((3, 3, middle, filters), np.float32),
                "squeeze_bias": np.zeros(filters, np.float32),
            }
            for edge in EDGE_FILTERS:
                variables[f"{edge}_kernel"] = np.eye(inputs, filters, dtype=np.float32)
                for name in ("bias", "scale", "shift"):
                    variables[f"{edge}_{name}"] = np.zeros(filters, np.float32)
        trained.update({f"{layer}/{name}": array for name, array in variables.items()})
    return trained


@register_family(
    "ecbsr",
    source="ACM Multimedia 2021, github:xindongzhang/ECBSR",
    to_deploy_form=to_deploy_form,
    to_training_form=to_training_form,
)
def build_ecbsr(config: EcbsrConfig, *, form: str = "deploy"):
    """The trunk of an ECBSR: (N, H, W, 3) in 0..1 -> (N, H, W, 3 s^2).

    Args:
        config: Widths, scale factor and activation.
        form: `"deploy"` with plain convolutions, `"train"` with edge-oriented blocks.
    """

    def block(x, filters: int, *, name: str, spread: float = 1.0):
        if form == "deploy":
            kernel = tf_keras.initializers.VarianceScaling(spread)
            layer = tf_keras.layers.Conv2D(
                filters, 3, padding="same", kernel_initializer=kernel, name=name
            )
        else:
            layer = EdgeOrientedConvolution(filters, spread, name=name)
        return layer(x)

    picture = tf_keras.Input((None, None, 3), name="input")
    x = rectifier(config.activation, name="first")(block(picture, config.width, name="first"))
    for b in range(config.blocks):
        x = block(x, config.width, name=f"block{b}")
        x = rectifier(config.activation, name=f"block{b}")(x)
    y = block(x, 3 * config.scale**2, name="last", spread=0.001)
    anchor = RepeatChannels(config.scale**2, name="anchor")(picture)
    # The residual comes first: see sr_models.families.abpn on the calibrator's in-place fault.
    y = tf_keras.layers.Add(name="add")([y, anchor])
    return tf_keras.Model(picture, y, name="ecbsr")
