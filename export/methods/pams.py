"""PAMS as a file of integers: learned alphas, written exactly.

Li et al., arXiv 2011.04212. `sr-models train NAME --quantize pams` leaves weights with a file of
alphas beside them. At eight bits the grid of an alpha is that of an int8 tensor with scale
alpha / 127 and zero point 0 (unsigned, which is ours: alpha / 255 and -128), and a kernel's scale
is its largest weight over 127, one for all channels; both go into the file as they are. What the
file does otherwise than the simulation: biases are whole numbers of 32 bits, the picture's grid is
the pixels', a code -128 is not clipped to -127, outputs of tanh and sigmoid lie on TFLite's own
grids, and builtin kernels round in fixed point. Given the same codes to read, no tensor without
such an activation is more than one code apart; over a whole picture such codes spread.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf
import tf_keras

from export.quantizing.quantized_network import Evidence, QuantizedNetwork, clone
from export.quantizing.registry import register_method
from sr_models.ground.errors import CalibrationError, OptionError
from sr_models.networks.graph import points, quantized_points
from sr_models.published.pams import quantized_weights, weight_maximum
from sr_models.published.pams_file import LearnedPams, load_learned
from sr_models.published.settings import PIXEL_BITS
from sr_models.quantization.ranges import TensorRange, TensorRanges
from sr_models.quantization.simulator import LARGEST_WEIGHT_CODE
from sr_models.quantization.weight_grids import with_weight_scales


def require_integer(learned: LearnedPams) -> None:
    """Raise `OptionError` where what was learned is a simulation only."""
    settings = learned.settings
    if not settings.edges:
        raise OptionError(
            f"expected alphas for every tensor of a file, found the placement "
            f"{settings.placement!r} with float edges; train with --placement integer and without "
            "--float-edges"
        )
    widths = {settings.bits, settings.edge_bits}
    if widths != {PIXEL_BITS}:
        raise OptionError(
            f"expected alphas of {PIXEL_BITS} bits, found {min(widths)}; at that width PAMS is "
            f"simulated only: train with --bits {PIXEL_BITS} for a file"
        )


def learned_ranges(model, learned: LearnedPams) -> TensorRanges:
    """The ranges that alphas stand for.

    Outputs of tanh and sigmoid have none: TFLite fixes their grids, whatever was learned.

    Raises:
        CalibrationError: The alphas are another network's.
        OptionError: A tensor has an alpha and, in a file, no grid of its own.
    """
    graph, stored = points(model), set(quantized_points(model))
    fixed = {name for name, point in graph.items() if point.has_fixed_grid}
    if other := sorted(set(learned.tensors) - graph.keys()):
        raise CalibrationError(
            f"expected alphas of the tensors of {model.name}, found some of {', '.join(other[:4])};"
            " give the weights that they were learned with"
        )
    if joined := sorted(set(learned.tensors) - stored - fixed):
        raise OptionError(
            f"expected alphas of tensors that have a grid of their own in a file, found some of "
            f"{', '.join(joined[:4])}, which a concatenation joins on one; of {model.name} PAMS is "
            "simulated only"
        )
    ranges = {
        name: TensorRange(grid.minimum, grid.maximum, grid.narrow)
        for name, grid in learned.tensors.items()
        if name in stored
    }
    return TensorRanges(ranges, "pams")


def with_pams_weights(model, *, per_channel: bool):
    """A copy of the network with its kernels on PAMS's grid of eight bits, for the converter."""
    copy, scales = clone(model), {}
    for layer in copy.layers:
        if type(layer) is tf_keras.layers.Conv2D:
            kernel, *rest = layer.get_weights()
            tensor = tf.constant(kernel)
            on_grid = quantized_weights(tensor, bits=PIXEL_BITS, per_channel=per_channel)
            layer.set_weights([on_grid.numpy(), *rest])
            scale = weight_maximum(tensor, per_channel=per_channel) / LARGEST_WEIGHT_CODE
            scales[layer.name] = np.broadcast_to(scale, (layer.filters,))
    return with_weight_scales(copy, scales)


@register_method("pams", stage="ranges", source="Li et al. 2020, arXiv 2011.04212", alone=True)
def pams(network: QuantizedNetwork, evidence: Evidence) -> QuantizedNetwork:
    """The alphas that `sr-models train --quantize pams` left beside --weights."""
    if evidence.weights is None:
        raise CalibrationError(
            "expected weights that PAMS was trained to, found the shipped ones; make some with "
            "sr-models train NAME --quantize pams --data DIR, and give them by --weights"
        )
    learned = load_learned(evidence.weights)
    require_integer(learned)
    ranges = network.ranges.replacing(learned_ranges(network.model, learned))
    model = with_pams_weights(network.model, per_channel=learned.settings.per_channel)
    return QuantizedNetwork(model, ranges)
