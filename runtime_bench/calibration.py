"""How long observing ranges takes, beside the TFLite converter's own calibrator."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from runtime_bench.statistics import summarize


@dataclass(frozen=True)
class ObserverTiming:
    """Both observers on the same pictures, in interleaved rounds.

    Attributes:
        pictures: Number of pictures.
        tile_side: Their height and width in pixels.
        observer_ms: Ours, one value a round: trace the float graph, run it on all pictures.
        calibrator_ms: The converter's calibrator on its float graph, conversion not counted.
        forward_ms: The bare float network on all pictures, for scale.
    """

    pictures: int
    tile_side: int
    observer_ms: tuple[float, ...]
    calibrator_ms: tuple[float, ...]
    forward_ms: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """Median of the calibrator over median of the observer: how many times faster we are."""
        return float(np.median(self.calibrator_ms) / np.median(self.observer_ms))

    def to_json(self) -> dict[str, Any]:
        """Medians and the ratio."""
        return {
            "pictures": self.pictures, "tile_side": self.tile_side,
            "rounds": len(self.observer_ms),
            "observer_ms": summarize(self.observer_ms).median_ms,
            "calibrator_ms": summarize(self.calibrator_ms).median_ms,
            "forward_ms": summarize(self.forward_ms).median_ms,
            "calibrator_over_observer": self.ratio,
        }  # fmt: skip


def time_observers(
    model, dataset, *, rounds: int = 5,
    on_round: Callable[[int, int], None] = lambda done, total: None,
) -> ObserverTiming:  # fmt: skip
    """Time both ways to find the ranges of all tensors.

    Args:
        model: Float functional Keras network.
        dataset: `representative_data.dataset.RepresentativeDataset`.
        rounds: How often each is run, taking turns.
        on_round: Called with rounds done and the total.
    """
    import tensorflow as tf
    from tensorflow.lite.python.optimize.calibrator import Calibrator

    from export.conversion import convert_float
    from representative_data.observation import observe_ranges
    from sr_models.graph import with_split_groups

    side = max(picture.shape[0] for picture in dataset.pictures)
    content = convert_float(model, height=side, width=side)
    fast = with_split_groups(model)
    forward = tf.function(lambda batch: fast(batch, training=False), reduce_retracing=True)
    stacks = _stacks(dataset.pictures)
    actions = [
        lambda: observe_ranges(model, dataset),
        lambda: Calibrator(content).calibrate(dataset),
        lambda: [forward(stack) for stack in stacks],
    ]
    samples: list[list[float]] = [[] for _ in actions]
    for done in range(rounds):
        for taken, action in zip(samples, actions):
            start = time.perf_counter()
            action()
            taken.append((time.perf_counter() - start) * 1e3)
        on_round(done + 1, rounds)
    return ObserverTiming(len(dataset), side, *(tuple(taken) for taken in samples))


def _stacks(pictures: Sequence[np.ndarray]) -> list[np.ndarray]:
    by_size: dict[tuple, list[np.ndarray]] = {}
    for picture in pictures:
        by_size.setdefault(picture.shape, []).append(picture)
    return [np.stack(group).astype(np.float32) / 255.0 for group in by_size.values()]
