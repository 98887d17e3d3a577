"""What a quantization method is given, and what it returns: weights with ranges."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tf_keras

from export.running.targets import DEFAULT_TARGET
from representative_data.dataset import RepresentativeDataset
from representative_data.observation import (
    joined_grids,
    known_ranges,
    observe_ranges,
    pin_pixels,
)
from sr_models.ground.pictures import unit
from sr_models.quantization.ranges import TensorRanges


class QuantizedNetwork:
    """Everything that the converter needs.

    Attributes:
        model: Float Keras model; its weights are what the file rounds.
        ranges: A range for every tensor that the file stores.
    """

    def __init__(self, model: Any, ranges: TensorRanges | Callable[[], TensorRanges]):
        """Of ranges, or of what finds them when somebody first asks.

        A method that changes the network leaves its ranges to be found: the next one may change it
        again, and observing a large network takes longer than changing it.
        """
        self.model, self._ranges = model, ranges

    @property
    def ranges(self) -> TensorRanges:
        """See above."""
        if callable(self._ranges):
            self._ranges = self._ranges()
        return self._ranges

    def renamed(self, method: str) -> QuantizedNetwork:
        """The same with another name of the method that found it."""
        return QuantizedNetwork(self.model, replace(self.ranges, method=method))


@dataclass(frozen=True)
class Evidence:
    """What a method may look at: no ground truth.

    Attributes:
        dataset: The representative dataset, which decides min/max ranges.
        pictures: uint8 (h, w, 3) low-resolution pictures as they are in nature, all of one size.
        pinned: Whether input and output are written as exactly [0, 1], whatever is observed.
        seed: Seed of every random choice.
        weights: File of the network's weights; `None` for shipped ones.
        run_dir: Folder of states of methods that fine-tune, made if missing; what stands there is
            resumed. `None` keeps none.
        room: Pictures whose tensors memory has room for together; `None` for any number.
        packed_for: Whose kernels layers are packed for, see `export.running.targets`.
        kept: Names of layers that methods which put others in their place leave as they are.
        on_progress: Called with the steps done of a long method, and their number.
        on_note: Told what a method did, or left, that nobody would expect.
    """

    dataset: RepresentativeDataset
    pictures: Sequence[np.ndarray]
    pinned: bool = True
    seed: int = 0
    weights: Path | None = None
    run_dir: Path | None = None
    room: int | None = None
    packed_for: str = DEFAULT_TARGET
    kept: Sequence[str] = ()
    on_progress: Callable[[int, int], None] = lambda done, total: None
    on_note: Callable[[str], None] = lambda note: None

    def observe(self, model) -> TensorRanges:
        """Min/max ranges of a network over the representative dataset."""
        return self.pin(observe_ranges(model, self.dataset), model)

    def pin(self, ranges: TensorRanges, model) -> TensorRanges:
        """The ranges with those fixed that are known: of the source's own training, and of the
        pixels, where that is asked for."""
        ranges = ranges.replacing({**joined_grids(model), **known_ranges(model)})
        return pin_pixels(ranges, model) if self.pinned else ranges

    def stack(self, count: int) -> np.ndarray:
        """At most `count` of the pictures, and no more than there is room for: float32 in 0..1."""
        return unit(np.stack(self.pictures[: min(count, self.room or count)]))


def observe(model, evidence: Evidence) -> QuantizedNetwork:
    """The network by min/max, which every recipe starts from; its weights are a copy."""
    copy = clone(model)
    return QuantizedNetwork(copy, lambda: evidence.observe(copy))


def clone(model):
    """The same network with weights of its own."""
    copy = tf_keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    return copy
