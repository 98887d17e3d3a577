"""For each tensor the range, of several methods, that the output suffers least from.

Errors inside of a layer are a proxy; what counts is the output. Choosing by it layer by layer is
what NNCF calls "advanced parameters by accuracy" and Nahshan et al., "Loss Aware Post-Training
Quantization" (LAPQ, arXiv 1911.07190), do by joint optimization; here the candidates are the ranges
of the other methods, tried in the order of computation with all earlier choices in place.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from export.methods.entropy import entropy_range
from export.methods.mse import mse_range
from export.methods.percentile import percentile_range
from export.quantizing.histograms import observe_histograms
from export.quantizing.quantized_network import Evidence, QuantizedNetwork
from export.quantizing.registry import register_method
from sr_models.networks.graph import with_split_groups
from sr_models.quantization.fake_quantization import write_ranges
from sr_models.quantization.ranges import TensorRange, TensorRanges

PICTURES = 8
CANDIDATES = {"percentile": percentile_range, "mse": mse_range, "entropy": entropy_range}


def mean_square(model, ranges: TensorRanges, *, pictures: np.ndarray, expected) -> float:
    """Mean squared error of the output with activations quantized and weights in float."""
    simulated = with_split_groups(write_ranges(model, ranges))
    return float(np.square(simulated(pictures, training=False).numpy() - expected).mean())


def choose_ranges(
    model,
    ranges: TensorRanges,
    *,
    candidates: Mapping[str, list[TensorRange]],
    pictures: np.ndarray,
) -> TensorRanges:
    """The ranges with each replaced by its best candidate, where one is better.

    Args:
        model: Float network.
        ranges: What is started from.
        candidates: Point name -> ranges to try.
        pictures: float32 (N, h, w, 3) in 0..1.
    """
    expected = np.clip(with_split_groups(model)(pictures, training=False).numpy(), 0.0, 1.0)
    least = mean_square(model, ranges, pictures=pictures, expected=expected)
    for name, values in candidates.items():
        for value in values:
            tried = ranges.replacing({name: value})
            error = mean_square(model, tried, pictures=pictures, expected=expected)
            if error < least:
                least, ranges = error, tried
    return ranges


@register_method("choose", stage="ranges", source="after Nahshan et al. 2019, arXiv 1911.07190")
def chosen(network: QuantizedNetwork, evidence: Evidence) -> QuantizedNetwork:
    """For each tensor the range, of min/max and three methods, that serves the output best."""
    histograms = observe_histograms(network.model, evidence)
    pinned = evidence.pin(TensorRanges({}, ""), network.model)
    candidates = {
        name: [find(found) for find in CANDIDATES.values()]
        for name, found in histograms.items()
        if name not in pinned
    }
    ranges = choose_ranges(
        network.model, network.ranges, candidates=candidates, pictures=evidence.stack(PICTURES)
    )
    return QuantizedNetwork(network.model, ranges)
