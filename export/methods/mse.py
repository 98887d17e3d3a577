"""Ranges of least squared error: saturation at the ends against the width of a step.

Choukroun et al., "Low-bit Quantization of Neural Networks for Efficient Inference", ICCV workshops
2019 (arXiv 1902.06822), section 3; both ends are searched apart, as in 2DQuant (Liu et al., arXiv
2406.06649, algorithm 1).
"""

from __future__ import annotations

import numpy as np

from export.quantizing.histograms import Histogram, observe_histograms, rounding_error
from export.quantizing.quantized_network import Evidence, QuantizedNetwork
from export.quantizing.registry import register_method
from sr_models.quantization.ranges import TensorRange, TensorRanges

LEAST_SHARE = 0.3
CANDIDATES = 71
ROUNDS = 4


def mse_range(found: Histogram) -> TensorRange:
    """The range of least squared error among shares of the observed minimum and maximum.

    One end is searched while the other is held, until neither moves.
    """
    whole = TensorRange(found.minimum, found.maximum).with_zero
    shares = np.linspace(1.0, LEAST_SHARE, CANDIDATES).tolist()
    low, high = whole.minimum, whole.maximum
    for _ in range(ROUNDS):
        before = low, high
        high = _best([(low, s * whole.maximum) for s in shares], found)[1]
        low = _best([(s * whole.minimum, high) for s in shares], found)[0]
        if (low, high) == before:
            break
    return TensorRange(low, high)


def _best(candidates: list[tuple[float, float]], found: Histogram) -> tuple[float, float]:
    return min(dict.fromkeys(candidates), key=lambda c: rounding_error(found, TensorRange(*c)))


@register_method("mse", stage="ranges", source="Choukroun et al. 2019, arXiv 1902.06822, section 3")
def least_squares(network: QuantizedNetwork, evidence: Evidence) -> QuantizedNetwork:
    """Ranges of least squared error, each tensor by itself."""
    histograms = observe_histograms(network.model, evidence)
    ranges = {name: mse_range(found) for name, found in histograms.items()}
    return QuantizedNetwork(network.model, TensorRanges(ranges, "mse"))
