"""Ranges that leave out the rarest values at both ends.

McKinstry et al., "Discovering Low-Precision Networks Close to Full-Precision Networks for Efficient
Embedded Inference" (arXiv 1809.04191), section 3.2, takes the 99.99th percentile of activations.
"""

from __future__ import annotations

import numpy as np

from export.quantizing.histograms import Histogram, observe_histograms
from export.quantizing.quantized_network import Evidence, QuantizedNetwork
from export.quantizing.registry import register_method
from sr_models.quantization.ranges import TensorRange, TensorRanges

KEPT = 0.9999


def percentile_range(found: Histogram, *, kept: float = KEPT) -> TensorRange:
    """The smallest range between bins that leaves out (1 - kept) / 2 at each end at most."""
    share = np.cumsum(found.counts) / found.counts.sum()
    cut = (1.0 - kept) / 2.0
    first = int(np.searchsorted(share, cut, side="right"))
    last = int(np.searchsorted(share, 1.0 - cut, side="left"))
    low = found.minimum + first * found.width
    return TensorRange(low, max(low, found.minimum + (last + 1) * found.width))


@register_method("percentile", stage="ranges", source="McKinstry et al. 2018, arXiv 1809.04191")
def percentile(network: QuantizedNetwork, evidence: Evidence) -> QuantizedNetwork:
    """Ranges that hold 99.99 % of the values."""
    histograms = observe_histograms(network.model, evidence)
    ranges = {name: percentile_range(found) for name, found in histograms.items()}
    return QuantizedNetwork(network.model, TensorRanges(ranges, "percentile"))
