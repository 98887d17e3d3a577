"""What precision buys and costs: one network as int8, int16x8, mixed and float32 files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from export.exporting.settings import ExportSettings
from export.tflite.files import read_model
from runtime_bench.comparing.drop import Drop, measured_exports
from runtime_bench.measuring.latency import Latency, Plan, measure_latency
from runtime_bench.measuring.quality import Dataset
from runtime_bench.pages.tables import left_text


@dataclass(frozen=True)
class PrecisionRow:
    """One precision of one network.

    Attributes:
        name: What it is called, e.g. `"mixed, 3 float32"`.
        layers: Layers that the file computes above int8, and in what.
        drop: What it loses against the float network.
        latency: How long it takes, in rounds with the others.
    """

    name: str
    layers: dict[str, str]
    drop: Drop
    latency: Latency

    def to_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return {
            "precision": self.name,
            "layers_above_int8": self.layers,
            **self.drop.to_json(),
            "latency": self.latency.to_json(),
            "size_bytes": self.latency.size_bytes,
        }


def precision_choices(
    *, height: int, width: int, method: str, most_sensitive: int
) -> dict[str, ExportSettings]:
    """The settings to compare, by name."""
    size = {"height": height, "width": width, "method": method}
    mixed = {
        f"mixed, {most_sensitive} {kept}": ExportSettings(
            precision="mixed", most_sensitive=most_sensitive, kept_precision=kept, **size
        )
        for kept in ("float32", "int16x8")
    }
    plain = {
        name: ExportSettings(precision=name, **size) for name in ("int8", "int16x8", "float32")
    }
    return {
        "int8": plain["int8"],
        **mixed,
        "int16x8": plain["int16x8"],
        "float32": plain["float32"],
    }


def compare_precisions(
    network: str,
    choices: dict[str, ExportSettings],
    *,
    datasets: Sequence[Dataset],
    images: str | None = None,
    threads: int = 1,
    plan: Plan | None = None,
    on_stage: Callable[[str], None] = lambda stage: None,
) -> list[PrecisionRow]:
    """Export, measure against the float network, then time all files in interleaved rounds.

    Args:
        network: Preset name.
        choices: Settings by what to call them.
        datasets: Ground truth, for measuring only.
        images: Folder of calibration pictures; scikit-image's own by default.
        threads: Threads the kernels may use when they are timed.
        plan: How to time.
        on_stage: Called with what begins next.
    """
    made = list(
        measured_exports(network, choices, datasets=datasets, images=images, on_stage=on_stage)
    )
    on_stage(f"{network}: timing (interleaved)")
    files = [read_model(result.content, name=name) for name, (_, result) in zip(choices, made)]
    timed = measure_latency(files, plan, threads=[threads])
    return [
        PrecisionRow(name, dict(result.layers_above_int8), drop, latency)
        for name, (drop, result), latency in zip(choices, made, timed)
    ]


def precision_rows(results: Sequence[PrecisionRow]) -> tuple[list[str], list[list[str]]]:
    """Column names and cells of a table; gains in dB and costs in ms are against the first row."""
    first = results[0]
    columns = [
        "precision",
        "drop dB, RGB / luma",
        "gain dB",
        "fidelity dB",
        "ms",
        "cost ms",
        "kB",
        "left to the CPU",
    ]
    rows = []
    for row in results:
        ms, of_first = row.latency.summary.median_ms, first.latency.summary.median_ms
        rows.append(
            [
                row.name,
                f"{row.drop.mean_rgb_db:.3f} / {row.drop.mean_y_db:.3f}",
                f"{first.drop.mean_rgb_db - row.drop.mean_rgb_db:+.3f}",
                f"{row.drop.fidelity_db:.2f}",
                f"{ms:.1f}",
                f"{ms - of_first:+.1f}",
                f"{row.latency.size_bytes / 1000:.1f}",
                left_text(row.latency.delegation and row.latency.delegation.left_behind) or "-",
            ]
        )
    return columns, rows
