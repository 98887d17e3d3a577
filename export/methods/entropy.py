"""Ranges whose quantized distribution tells most about the true one (KL divergence).

Migacz, "8-bit Inference with TensorRT" (GPU Technology Conference 2017), the calibration of
TensorRT: a range is cut, what lies beyond is added to its last bins, and the rest is merged into as
many levels as the tensor has codes; the cut of least divergence wins. TensorRT's grids are
symmetric; here both ends of an asymmetric range are cut by the same share.
"""

from __future__ import annotations

import numpy as np

from export.quantizing.histograms import Histogram, observe_histograms
from export.quantizing.quantized_network import Evidence, QuantizedNetwork
from export.quantizing.registry import register_method
from sr_models.quantization.ranges import TensorRange, TensorRanges

LEVELS = 256
CANDIDATES = 64


def divergence(reference: np.ndarray, *, levels: int = LEVELS, weights=None) -> float:
    """KL divergence of a distribution from itself merged into fewer levels.

    Args:
        reference: float64 (bins,), counts after saturation.
        levels: Levels of the quantized tensor.
        weights: float64 (bins,), counts before saturation, which the levels share out (TensorRT
            keeps the saturated ones out of them); `reference` by default.
    """
    inner = reference if weights is None else weights
    level = np.arange(len(reference)) * levels // len(reference)
    occupied = (inner > 0).astype(np.float64)
    total = np.bincount(level, inner, levels)
    share = total / np.maximum(np.bincount(level, occupied, levels), 1.0)
    merged = share[level] * occupied
    p, q = reference / reference.sum(), merged / max(merged.sum(), 1e-30)
    there = p > 0
    return float((p[there] * np.log(p[there] / np.maximum(q[there], 1e-12))).sum())


def without_zero(found: Histogram) -> np.ndarray:
    """The counts with the bin of 0 levelled to its neighbours.

    Zero is a code of its own in every grid, so what a ReLU cuts off is no distribution to be
    kept; TensorRT's published implementations level that bin too.
    """
    counts = found.counts.copy()
    place = int(np.clip((0.0 - found.minimum) / found.width, 0, len(counts) - 1))
    beside = [counts[i] for i in (place - 1, place + 1) if 0 <= i < len(counts)]
    if found.minimum <= 0.0 <= found.maximum:
        counts[place] = min(counts[place], float(np.mean(beside)))
    return counts


def entropy_range(found: Histogram) -> TensorRange:
    """The range of least divergence among `CANDIDATES` cuts that leave at least `LEVELS` bins."""
    bins, counts = len(found.counts), without_zero(found)
    least = min(1.0, LEVELS / bins)
    best = None
    for share in np.linspace(1.0, least, CANDIDATES).tolist():
        low, high = share * min(found.minimum, 0.0), share * max(found.maximum, 0.0)
        first = max(0, int(np.floor((low - found.minimum) / found.width)))
        last = min(bins, int(np.ceil((high - found.minimum) / found.width)))
        if last - first < 2:
            continue
        inner = counts[first:last]
        reference = inner.copy()
        reference[0] += counts[:first].sum()
        reference[-1] += counts[last:].sum()
        if not inner.sum():
            continue
        lost = divergence(reference, weights=inner)
        if best is None or lost < best[0]:
            best = lost, TensorRange(low, high)
    return TensorRange(found.minimum, found.maximum) if best is None else best[1]


@register_method("entropy", stage="ranges", source="Migacz 2017, 8-bit Inference with TensorRT")
def entropy(network: QuantizedNetwork, evidence: Evidence) -> QuantizedNetwork:
    """Ranges of least KL divergence, each tensor by itself."""
    histograms = observe_histograms(network.model, evidence)
    ranges = {name: entropy_range(found) for name, found in histograms.items()}
    return QuantizedNetwork(network.model, TensorRanges(ranges, "entropy"))
