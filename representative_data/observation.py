"""Ranges by observation: the least and the greatest value of each tensor over a set of pictures."""

from __future__ import annotations

from collections.abc import Callable

from representative_data.dataset import RepresentativeDataset
from representative_data.probe import probe_layers
from sr_models.graph import INPUT, output_name, points, quantized_points
from sr_models.int8.ranges import PIXELS, TensorRange, TensorRanges


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
    observed = probe_layers(model, dataset.pictures, on_batch=on_batch).union()
    ranges = {name: TensorRange(*observed[name]) for name in quantized_points(model)}
    return TensorRanges(ranges, method=f"{dataset.method}-minmax")


def pin_pixels(ranges: TensorRanges, model) -> TensorRanges:
    """Write the input's and the output's range as exactly [0, 1].

    Both are known beforehand: pixels are pixels. The input's range goes to it and to tensors that
    hold the same values in another order. The output's range goes to the output and to the
    tensors before it that hold the same values in another order, up to the operator that computes
    them; its saturating store then is the clip.
    """
    graph = points(model)
    name = output_name(model)
    pinned = {INPUT: PIXELS, name: PIXELS}
    while graph[name].passes_through:
        (name,) = graph[name].inputs
        if name in ranges:
            pinned[name] = PIXELS
    moved = {INPUT}
    for point in graph.values():
        if point.passes_through and moved.issuperset(point.inputs):
            moved.add(point.name)
            pinned |= {point.name: PIXELS} if point.name in ranges else {}
    return ranges.replacing(pinned)
