"""Ranges by observation: the least and the greatest value of each tensor over a set of pictures."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tf_keras

from representative_data.dataset import RepresentativeDataset
from representative_data.probe import LayerProbe, probe_layers
from sr_models.networks.graph import INPUT, output_name, points, quantized_points
from sr_models.quantization.ranges import PIXELS, TensorRange, TensorRanges
from sr_models.quantization.simulator import FIXED_GRIDS


def observe_ranges(
    model,
    dataset: RepresentativeDataset,
    *,
    on_batch: Callable[[int, int], None] = lambda done, total: None,
) -> TensorRanges:
    """Min/max of every tensor that the int8 file stores, over the representative dataset.

    The statistic is the TFLite calibrator's (one minimum and one maximum over all samples); it is
    taken on the float Keras graph, in batches and on all cores.

    Args:
        model: Float network, functional Keras model.
        dataset: Calibration pictures.
        on_batch: Called with the number of pictures done and the total.
    """
    return ranges_of(probe_layers(model, dataset.pictures, on_batch=on_batch), model, dataset)


def ranges_of(observed: LayerProbe, model, dataset: RepresentativeDataset) -> TensorRanges:
    """Min/max of every stored tensor, from what was seen on the pictures of a dataset."""
    ends = observed.union()
    ranges = {name: TensorRange(*ends[name]) for name in quantized_points(model)}
    return TensorRanges(ranges, method=f"{dataset.method}-minmax")


def pixel_points(model) -> list[str]:
    """Names of the stored tensors that hold pixels.

    They are the input and the output, and whatever holds the values of one of them in another
    order: behind the input (beside constants of 0..1 too, where a convolution copies the input),
    and before the output up to the operator that computes them.
    """
    graph, name = points(model), output_name(model)
    found = {INPUT, name}
    while graph[name].shares_grid:
        (name,) = graph[name].inputs
        found.add(name)
    moved = {INPUT}
    for point in graph.values():
        copies = point.shares_grid or (point.layer is not None and _copies(point.layer))
        if copies and moved.issuperset(point.inputs):
            moved.add(point.name)
    return [name for name in quantized_points(model) if name in found | moved]


def _copies(layer) -> bool:
    """Whether each channel that a layer makes is one that it reads, or one value in 0..1.

    On the grid of the input such a convolution moves codes; on another it would round each anew.
    """
    if type(layer) is not tf_keras.layers.Conv2D or layer.kernel_size != (1, 1):
        return False
    if layer.groups != 1 or layer.activation is not tf_keras.activations.linear:
        return False
    kernel, *bias = layer.get_weights()
    bias = bias[0] if bias else np.zeros(kernel.shape[3], np.float32)
    ones, others = (kernel == 1.0).sum(axis=(0, 1, 2)), (kernel != 0.0).sum(axis=(0, 1, 2))
    copied = (ones == 1) & (others == 1) & (bias == 0.0)
    constant = (others == 0) & (bias >= 0.0) & (bias <= 1.0)
    return bool((copied | constant).all())


def joined_grids(model) -> dict[str, TensorRange]:
    """Ranges of the concatenations of outputs whose grid TFLite fixes: that grid, by point."""
    graph = points(model)
    joined = {
        name: {
            graph[i].layer.activation.__name__ if graph[i].has_fixed_grid else None
            for i in point.inputs
        }
        for name, point in graph.items()
        if point.concatenates
    }
    return {
        name: FIXED_GRIDS[kind]
        for name, kinds in joined.items()
        for kind in kinds
        if len(kinds) == 1 and kind
    }


def known_ranges(model) -> dict[str, TensorRange]:
    """Ranges that the network was trained for, of the stored tensors that have one, by point."""
    stored = set(quantized_points(model))
    return {
        name: TensorRange(point.layer.minimum, point.layer.maximum, point.layer.narrow)
        for name, point in points(model).items()
        if point.knows_range and name in stored
    }


def pin_pixels(ranges: TensorRanges, model) -> TensorRanges:
    """Write the range of all pixels as exactly [0, 1].

    It is known beforehand: pixels are pixels. The saturating store of the operator that computes
    the output then is the clip.
    """
    return ranges.replacing(dict.fromkeys(pixel_points(model), PIXELS))
