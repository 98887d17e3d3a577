"""How long observing ranges takes, beside other calibrators on the same pictures."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from runtime_bench.evidence import calibration as edge_quantizer
from runtime_bench.measuring.statistics import summarize

PACKAGE = "ai-edge-quantizer"
INSTALL = f"not installed, pip install {PACKAGE}"
MODES = ("profiler", "all tensors")
"""Its two ways to see inside of the interpreter; the second is its default, the first faster."""


def is_installed() -> bool:
    """Whether the package is there."""
    return importlib.util.find_spec("ai_edge_quantizer") is not None


def make_calibrator(
    content: bytes, samples: Sequence[np.ndarray], *, threads: int, mode: str = MODES[0]
) -> Callable[[], dict[str, Any]]:
    """A function that calibrates once and returns what was found, by name of the tensor.

    Args:
        content: A float32 file with the signature `serving_default`: input -> output.
        samples: float32 (1, h, w, 3), the size of the file's input.
        threads: Threads that its interpreter may use.
        mode: One of `MODES`.
    """
    from ai_edge_quantizer import Quantizer, calibrator, recipe

    modes = calibrator.CalibrationMode
    chosen = {
        "profiler": modes.CALIBRATION_PROFILER_BASED,
        "all tensors": modes.CALIBRATION_PRESERVE_ALL_TENSORS,
    }[mode]
    data = {"serving_default": [{"input": sample} for sample in samples]}

    def calibrate() -> dict[str, Any]:
        # It draws a progress bar, and warns of its own mode.
        with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            quantizer = Quantizer(bytearray(content), recipe.static_wi8_ai8())
            return quantizer.calibrate(data, num_threads=threads, mode=chosen)

    return calibrate


@dataclass(frozen=True)
class ObserverTiming:
    """All observers on the same pictures, in interleaved rounds.

    Attributes:
        pictures: Number of pictures.
        tile_side: Their height and width in pixels.
        observer_ms: Ours, one value a round: trace the float graph, run it on all pictures.
        calibrator_ms: The converter's calibrator on its float graph, conversion not counted.
        forward_ms: The bare float network on all pictures, for scale.
        quantizer_ms: ai-edge-quantizer on the same float graph, by its mode; empty where the
            package is not installed.
    """

    pictures: int
    tile_side: int
    observer_ms: tuple[float, ...]
    calibrator_ms: tuple[float, ...]
    forward_ms: tuple[float, ...]
    quantizer_ms: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    def _over_observer(self, samples_ms: Sequence[float]) -> float:
        return float(np.median(samples_ms) / np.median(self.observer_ms))

    @property
    def ratio(self) -> float:
        """Median of the calibrator over median of the observer: how many times faster we are."""
        return self._over_observer(self.calibrator_ms)

    @property
    def quantizer_ratio(self) -> float | None:
        """The same for the faster mode of ai-edge-quantizer; `None` where it is not installed."""
        return min(map(self._over_observer, self.quantizer_ms.values()), default=None)

    def to_json(self) -> dict[str, Any]:
        """Medians and the ratios."""
        return {
            "pictures": self.pictures,
            "tile_side": self.tile_side,
            "rounds": len(self.observer_ms),
            "observer_ms": summarize(self.observer_ms).median_ms,
            "calibrator_ms": summarize(self.calibrator_ms).median_ms,
            "forward_ms": summarize(self.forward_ms).median_ms,
            "calibrator_over_observer": self.ratio,
            "edge_quantizer_ms": {
                mode: summarize(samples).median_ms for mode, samples in self.quantizer_ms.items()
            },
            "edge_quantizer_over_observer": self.quantizer_ratio,
        }


def time_observers(
    model,
    dataset,
    *,
    rounds: int = 5,
    on_round: Callable[[int, int], None] = lambda done, total: None,
) -> ObserverTiming:
    """Time all ways to find the ranges of all tensors.

    Args:
        model: Float functional Keras network.
        dataset: `representative_data.dataset.RepresentativeDataset`.
        rounds: How often each is run, taking turns.
        on_round: Called with rounds done and the total.
    """
    import tensorflow as tf
    from tensorflow.lite.python.optimize.calibrator import Calibrator

    from export.exporting.conversion import convert_float
    from representative_data.observation import observe_ranges
    from sr_models.networks.graph import with_split_groups

    side = max(picture.shape[0] for picture in dataset.pictures)
    content = convert_float(model, height=side, width=side)
    fast = with_split_groups(model)
    forward = tf.function(lambda batch: fast(batch, training=False), reduce_retracing=True)
    stacks = _stacks(dataset.pictures)
    actions: dict[str, Callable[[], Any]] = {
        "observer": lambda: observe_ranges(model, dataset),
        "calibrator": lambda: Calibrator(content).calibrate(dataset),
        "forward": lambda: [forward(stack) for stack in stacks],
    }
    modes = edge_quantizer.MODES if edge_quantizer.is_installed() else ()
    for mode in modes:
        actions[mode] = edge_quantizer.make_calibrator(
            content, [sample for (sample,) in dataset()], threads=os.cpu_count() or 1, mode=mode
        )
    samples: dict[str, list[float]] = {name: [] for name in actions}
    for done in range(rounds):
        for name, action in actions.items():
            start = time.perf_counter()
            action()
            samples[name].append((time.perf_counter() - start) * 1e3)
        on_round(done + 1, rounds)
    return ObserverTiming(
        len(dataset),
        side,
        *(tuple(samples[name]) for name in ("observer", "calibrator", "forward")),
        quantizer_ms={mode: tuple(samples[mode]) for mode in modes},
    )


def _stacks(pictures: Sequence[np.ndarray]) -> list[np.ndarray]:
    by_size: dict[tuple, list[np.ndarray]] = {}
    for picture in pictures:
        by_size.setdefault(picture.shape, []).append(picture)
    return [np.stack(group).astype(np.float32) / 255.0 for group in by_size.values()]
