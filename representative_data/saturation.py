"""What taming costs inside: each layer's range beside natural ones, and what saturates there.

Darker pictures have smaller activations. Where the ranges of a tamed set are too small for natural
pictures, an int8 file cuts their activations off. Nothing here shapes a set; it judges one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from representative_data.probe import read_pictures
from sr_models.networks.graph import output_name, points, quantized_points
from sr_models.observing.tensors import TensorReader

DEFAULT_LIMIT = 0.001
"""Share of a tensor's activations that may saturate. docs/cfqp.md says where it comes from."""

BINS = np.linspace(-0.25, 1.25, 76)
"""Edges of the histograms of outputs: 0 and 1 lie in the middle of a bin."""


@dataclass(frozen=True)
class LayerComparison:
    """One tensor under the set and under natural pictures.

    Attributes:
        tensor: Name of the point, see `sr_models.networks.graph.points`.
        natural: (minimum, maximum) over natural pictures.
        set: The same over the set.
        is_stored: Whether an int8 file stores it with a range of its own.
        is_output: Whether it is the output, or the same values in another order. There saturation
            is the clip, and wanted.
        saturating_fraction: Share of the natural pictures' values outside of the set's range;
            `None` for a tensor that is not stored.
    """

    tensor: str
    natural: tuple[float, float]
    set: tuple[float, float]
    is_stored: bool
    is_output: bool
    saturating_fraction: float | None

    @property
    def span_ratio(self) -> float:
        """Width of the set's range over that of the natural one."""
        return (self.set[1] - self.set[0]) / max(self.natural[1] - self.natural[0], 1e-12)

    @property
    def is_judged(self) -> bool:
        """Whether saturation here is a loss."""
        return self.is_stored and not self.is_output

    def to_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return {
            "tensor": self.tensor,
            "natural": list(self.natural),
            "set": list(self.set),
            "span_ratio": self.span_ratio,
            "is_stored": self.is_stored,
            "is_output": self.is_output,
            "saturating_fraction": self.saturating_fraction,
        }


@dataclass(frozen=True)
class SetComparison:
    """All tensors of a network, and its outputs, under a set and under natural pictures.

    Attributes:
        layers: In the order in which they are computed, input first.
        natural_histogram: Share of the output values per bin of `BINS`; what lies outside counts
            in the first and the last bin.
        set_histogram: The same for the set.
        forward_passes: Number of pictures that went through the network for it.
    """

    layers: tuple[LayerComparison, ...]
    natural_histogram: tuple[float, ...]
    set_histogram: tuple[float, ...]
    forward_passes: int

    @property
    def worst(self) -> LayerComparison:
        """The judged tensor of which most saturates."""
        judged = [layer for layer in self.layers if layer.is_judged]
        return max(judged, key=lambda layer: layer.saturating_fraction)


class _Watcher:
    """Runs a network and sums up every tensor, picture by picture."""

    def __init__(self, model):
        self.names = tuple(points(model))
        self.output = self.names.index(output_name(model))
        self.reader = TensorReader(model, self.names)

    def sum_up(
        self, pictures: Sequence[np.ndarray], *, bounds: np.ndarray, on_batch
    ) -> list[np.ndarray]:
        """Minimum, maximum, share outside of `bounds` (2, P), each (N, P); histograms (N, B)."""

        def reduce(tensor: np.ndarray, index: int) -> tuple:
            low, high = bounds[:, index]
            least, greatest = tensor.min(), tensor.max()
            fits = least >= low and greatest <= high
            outside = 0.0 if fits else float(((tensor < low) | (tensor > high)).mean())
            return least, greatest, outside, _histogram(tensor) if index == self.output else None

        forms = [partial(reduce, index=index) for index in range(len(self.names))]
        found = read_pictures(self.reader, pictures, forms, on_batch=on_batch)
        ends = [[tensor[:3] for tensor in picture] for picture in found]
        histograms = np.stack([picture[self.output][3] for picture in found])
        return [*np.moveaxis(np.array(ends, np.float32), -1, 0), histograms]


def _histogram(y: np.ndarray) -> np.ndarray:
    """Share of the values per bin of `BINS`: float32 (B,)."""
    count = len(BINS) - 1
    places = np.floor((y.ravel() - BINS[0]) * (count / (BINS[-1] - BINS[0])))
    codes = np.clip(places, 0, count - 1).astype(np.int64)
    return (np.bincount(codes, minlength=count) / y.size).astype(np.float32)


def compare_layers(
    model,
    natural: Sequence[np.ndarray],
    pictures: Sequence[np.ndarray],
    *,
    on_batch: Callable[[int, int], None] = lambda done, total: None,
) -> SetComparison:
    """Run a network on a set and on natural pictures, once on each.

    Args:
        model: Functional Keras network, input in 0..1.
        natural: uint8 (h, w, 3) pictures as they are in nature.
        pictures: Those of the set.
        on_batch: Called with the number of pictures done and the total, first for the set.
    """
    watcher = _Watcher(model)
    everything = np.array([[-np.inf], [np.inf]], np.float32).repeat(len(watcher.names), axis=1)
    minimum, maximum, _, histograms = watcher.sum_up(pictures, bounds=everything, on_batch=on_batch)
    bounds = np.stack([minimum.min(axis=0), maximum.max(axis=0)])
    set_ranges = _ranges(watcher.names, bounds)
    minimum, maximum, outside, natural_histograms = watcher.sum_up(
        natural, bounds=bounds, on_batch=on_batch
    )
    natural_ranges = _ranges(watcher.names, np.stack([minimum.min(axis=0), maximum.max(axis=0)]))
    shares = dict(zip(watcher.names, outside.mean(axis=0).tolist()))
    stored, outputs = set(quantized_points(model)), _output_chain(model)
    return SetComparison(
        layers=tuple(
            LayerComparison(
                name,
                natural_ranges[name],
                set_ranges[name],
                name in stored,
                name in outputs,
                shares[name] if name in stored else None,
            )
            for name in watcher.names
        ),
        natural_histogram=tuple(natural_histograms.mean(axis=0).tolist()),
        set_histogram=tuple(histograms.mean(axis=0).tolist()),
        forward_passes=len(natural) + len(pictures),
    )


def _ranges(names: Sequence[str], bounds: np.ndarray) -> Mapping[str, tuple[float, float]]:
    return {name: (float(low), float(high)) for name, low, high in zip(names, *bounds)}


def _output_chain(model) -> set[str]:
    """The output and the tensors before it that hold the same values in another order."""
    graph = points(model)
    name = output_name(model)
    chain = {name}
    while graph[name].shares_grid:
        (name,) = graph[name].inputs
        chain.add(name)
    return chain
