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
from typing import Annotated, Any

import numpy as np
import typer

from export.running.statistics import summarize
from runtime_bench.evidence.studies import study
from runtime_bench.measuring.machine import read_machine
from runtime_bench.measuring.options import Json, Name
from runtime_bench.measuring.tables import protocol_lines
from sr_models.ground.console import print_table, progress, say, write_json
from sr_models.ground.native_output import import_tensorflow_quietly
from sr_models.ground.pictures import unit

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
    modes = MODES if is_installed() else ()
    for mode in modes:
        actions[mode] = make_calibrator(
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
    return [unit(np.stack(group)) for group in by_size.values()]


def print_calibration(timing: ObserverTiming) -> None:
    """All observers beside the bare network, and the ratios."""
    row = timing.to_json()
    rows = [
        ["observing the float graph (ours)", round(row["observer_ms"], 1), 1.0],
        [
            "the converter's calibrator",
            round(row["calibrator_ms"], 1),
            round(row["calibrator_over_observer"], 2),
        ],
        *_quantizer_rows(row),
        [
            "bare forward passes, for scale",
            round(row["forward_ms"], 1),
            round(row["forward_ms"] / row["observer_ms"], 2),
        ],
    ]
    title = f"Ranges from {row['pictures']} pictures of {row['tile_side']} pixels"
    print_table(title, ["way", "median ms", "times ours"], rows)


def _quantizer_rows(row: Mapping) -> list[list]:
    times_ms = row["edge_quantizer_ms"]
    if not times_ms:
        return [[PACKAGE, INSTALL, "-"]]
    return [
        [f"{PACKAGE} ({mode})", round(ms, 1), round(ms / row["observer_ms"], 2)]
        for mode, ms in times_ms.items()
    ]


@study("calibration")
def calibration(
    name: Name,
    *,
    images: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Pictures.", show_default="scikit-image's pictures"),
    ] = None,
    pictures: Annotated[int, typer.Option(help="Number of pictures.")] = 100,
    side: Annotated[int, typer.Option(help="Their height and width in input pixels.")] = 96,
    rounds: Annotated[int, typer.Option(help="Interleaved rounds.")] = 5,
    json: Json = None,
) -> None:
    """Time observing tensor ranges against the calibrators of others, on the same pictures.

    They are the TFLite converter's and, where it is installed, ai-edge-quantizer's.

    [bold]Examples[/bold]

    \b
    sr-bench evidence calibration xlsr_x3
    sr-bench evidence calibration xlsr_x3 --images photos --pictures 100 --json -
    """
    machine = read_machine()
    import_tensorflow_quietly()
    from export.running.runtimes import find_runtime
    from representative_data.cfqp import build_natural_dataset
    from representative_data.pictures import bundled_pictures
    from representative_data.tiles import load_tiles
    from sr_models.networks.network import load_model
    from sr_models.networks.presets import get_preset

    scale = get_preset(name).scale
    model = load_model(name)
    source = bundled_pictures() if images is None else images
    tiles = load_tiles(source, scale=scale, count=pictures, side=side)
    dataset = build_natural_dataset(model, tiles, network=name, scale=scale)
    with progress("observing", unit="rounds") as update:
        timing = time_observers(model, dataset, rounds=rounds, on_round=update)
    write_json({**timing.to_json(), "model": name, "machine": machine.to_json()}, json)
    if json != "-":
        print_calibration(timing)
    for line in protocol_lines(machine, str(find_runtime())):
        say(line)
