"""How often each value occurs in each tensor: rare values are weighed against fine steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from export.quantizing.quantized_network import Evidence
from sr_models.networks.graph import quantized_points, watcher, with_split_groups
from sr_models.networks.memory import pictures_at_once
from sr_models.quantization.ranges import TensorRange

BINS = 2048
PICTURES = 32
BATCH = 8


@dataclass(frozen=True)
class Histogram:
    """Counts in bins of equal width.

    Attributes:
        minimum: Lower edge of the first bin.
        maximum: Upper edge of the last bin.
        counts: float64 (bins,).
    """

    minimum: float
    maximum: float
    counts: np.ndarray

    @property
    def width(self) -> float:
        """Width of a bin."""
        return (self.maximum - self.minimum) / len(self.counts)

    @property
    def centres(self) -> np.ndarray:
        """float64 (bins,): the value in the middle of each bin."""
        return self.minimum + self.width * (np.arange(len(self.counts)) + 0.5)


def histogram(values: np.ndarray, *, bins: int = BINS) -> Histogram:
    """The histogram of some values between their least and their greatest."""
    low, high = float(values.min()), float(values.max())
    high = max(high, low + 1e-6)
    return Histogram(low, high, np.histogram(values, bins, (low, high))[0].astype(np.float64))


def rounding_error(found: Histogram, value: TensorRange) -> float:
    """Mean squared error of an int8 tensor with that range, saturation included."""
    grid = value.on_grid
    x = found.centres
    codes = np.clip(np.rint(x / grid.scale), round(grid.minimum / grid.scale), None)
    codes = np.minimum(codes, round(grid.maximum / grid.scale))
    error = np.square(codes * grid.scale - x) + np.square(found.width) / 12.0
    return float((found.counts * error).sum() / found.counts.sum())


def observe_histograms(model, evidence: Evidence) -> dict[str, Histogram]:
    """A histogram of every tensor that the file stores, over natural pictures."""
    fast = with_split_groups(model)
    names = quantized_points(model)
    watched = watcher(fast, names)
    pictures = evidence.stack(PICTURES)
    _, height, width, _ = pictures.shape
    step = pictures_at_once(model, height=height, width=width, most=BATCH)
    parts: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for first in range(0, len(pictures), step):
        tensors = watched(pictures[first : first + step], training=False)
        for name, tensor in zip(names, tensors):
            parts[name].append(np.asarray(tensor).ravel())
    return {name: histogram(np.concatenate(values)) for name, values in parts.items()}
