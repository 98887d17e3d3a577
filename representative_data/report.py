"""What calibration did: outputs before and after, and each layer's range beside natural ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from representative_data.dataset import RepresentativeDataset
from representative_data.probe import probe_layers
from representative_data.tiles import Tile


def build_report(model, tiles: Sequence[Tile], dataset: RepresentativeDataset) -> dict[str, Any]:
    """Outputs, changes and layer ranges, as plain data.

    Args:
        model: The float network that shaped the set.
        tiles: The natural pictures it was made from.
        dataset: The set.
    """
    natural = probe_layers(model, [tile.pixels for tile in tiles]).union()
    tamed = probe_layers(model, dataset.pictures).union()
    reached = [r for r in dataset.records if r.status != "anchor"]
    highs = np.array([record.output_before[1] for record in reached])
    lows = np.array([record.output_before[0] for record in reached])
    return {
        **dataset.to_json(),
        "natural_output_range": [float(lows.min()), float(highs.max())],
        "natural_outputs_leaving_0_1": int(((highs > 1.0) | (lows < 0.0)).sum()),
        "counts": {
            status: dataset.count(status)
            for status in ("natural", "kept", "tamed", "anchor", "dropped")
        },
        "layers": [
            {"tensor": name, "natural": list(natural[name]), "set": list(tamed[name]),
             "span_ratio": _span(tamed[name]) / max(_span(natural[name]), 1e-12)}
            for name in natural
        ],
    }  # fmt: skip


def _span(bounds: tuple[float, float]) -> float:
    return bounds[1] - bounds[0]


def report_rows(report: dict[str, Any]) -> list[tuple[str, list[str], list[list[str]]]]:
    """The report as tables: (title, columns, rows)."""

    def span(bounds: Sequence[float]) -> str:
        return f"{bounds[0]:.4f}..{bounds[1]:.4f}"

    counts = ", ".join(f"{n} {status}" for status, n in report["counts"].items() if n)
    summary = [
        ["pictures", counts],
        ["float outputs of the natural pictures", span(report["natural_output_range"])],
        ["natural pictures that leave [0, 1]", str(report["natural_outputs_leaving_0_1"])],
        ["float outputs of the set", span(report["output_range"])],
        ["inputs of the set", span(report["input_range"])],
    ]
    layers = [
        [row["tensor"], span(row["natural"]), span(row["set"]), f"{row['span_ratio']:.3f}"]
        for row in report["layers"]
    ]
    return [
        (f"representative dataset ({report['method']})", ["property", "value"], summary),
        ("tensor ranges", ["tensor", "natural pictures", "this set", "set / natural"], layers),
    ]
