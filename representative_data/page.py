"""The report of a calibration as one HTML page that needs nothing else.

Its layout is its own; `runtime_bench.pages.report.Page` is put together of blocks.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from representative_data.dataset import Record
from representative_data.report import (
    CalibrationReport,
    contract_text,
    share_text,
    span_text,
    summary_rows,
)
from representative_data.saturation import BINS, DEFAULT_LIMIT, LayerComparison
from representative_data.tiles import Tile
from sr_models.ground.files import writing_file
from sr_models.ground.plots import fill_template, picture

_TEMPLATE = Path(__file__).with_name("templates") / "calibration.html"
_LEAST_SHARE = 1e-7


@dataclass(frozen=True)
class BeforeAndAfter:
    """A picture before and after taming, for the page.

    Attributes:
        title: Where it comes from and what became of it.
        before: PNG of the natural tile as a data URI; empty for an anchor.
        after: PNG of the picture in the set; empty for one that was dropped.
        side: Height and width in pixels.
        outputs: The float outputs for it, before and after.
        change: What was done to the pixels.
    """

    title: str
    before: str
    after: str
    side: int
    outputs: str
    change: str


def _change(record: Record) -> str:
    done = []
    if record.gain != 1.0 or record.offset != 0.0:
        done.append(f"x {record.gain:.3f} {record.offset:+.1f}")
    if record.blur_sigma:
        done.append(f"blurred, sigma {record.blur_sigma:.2f}")
    return ", ".join(done) or "unchanged"


def shown_pairs(
    report: CalibrationReport, tiles: Sequence[Tile], *, most: int = 12
) -> list[BeforeAndAfter]:
    """Anchors, dropped pictures, then the rest, those whose natural outputs left [0, 1] farthest
    first, but of each source one before any other.

    Args:
        report: The calibration.
        tiles: The natural pictures.
        most: How many pairs, anchors not counted.
    """
    natural = {(tile.source_sha256, tile.top, tile.left): tile.pixels for tile in tiles}
    records = report.dataset.records
    used = [record for record in records if record.status != "dropped"]
    after = {id(record): p for record, p in zip(used, report.dataset.pictures)}

    def leaves(record: Record) -> float:
        return max(-record.output_before[0], record.output_before[1] - 1.0)

    anchors = [record for record in records if record.status == "anchor"]
    rest = [record for record in records if record.status != "anchor"]
    rest.sort(key=lambda record: (record.status != "dropped", -leaves(record)))
    # Tiles of one picture overlap: the worst of each picture first.
    seen: Counter[str] = Counter()
    turn = {}
    for record in rest:
        turn[id(record)] = seen[record.source]
        seen[record.source] += 1
    rest.sort(key=lambda record: (record.status != "dropped", turn[id(record)]))
    found = []
    for record in [*anchors, *rest[:most]]:
        before = natural.get((record.source_sha256, record.top, record.left))
        pixels = after.get(id(record))
        shown = before if pixels is None else pixels
        outputs = span_text(record.output_after)
        if record.status != "anchor":
            outputs = f"{span_text(record.output_before)} → {outputs}"
        found.append(
            BeforeAndAfter(
                title=f"{record.source} ({record.status})",
                before="" if before is None else picture(before),
                after="" if pixels is None else picture(pixels),
                side=0 if shown is None else shown.shape[0],
                outputs=outputs,
                change="made" if record.status == "anchor" else _change(record),
            )
        )
    return found


def _curve(shares: Sequence[float], *, width: float, height: float) -> str:
    """Steps of a histogram as the points of an SVG polyline, logarithmic upwards."""
    step = width / len(shares)
    found = []
    for index, share in enumerate(shares):
        level = 1.0 - math.log10(max(share, _LEAST_SHARE)) / math.log10(_LEAST_SHARE)
        y = height * (1.0 - level)
        found += [f"{index * step:.1f},{y:.1f}", f"{(index + 1) * step:.1f},{y:.1f}"]
    return " ".join(found)


def _histogram(report: CalibrationReport) -> dict[str, Any]:
    width, height = 720.0, 200.0

    def place(value: float) -> float:
        return width * (value - BINS[0]) / (BINS[-1] - BINS[0])

    comparison = report.comparison
    return {
        "width": width,
        "height": height,
        "zero": place(0.0),
        "one": place(1.0),
        "natural": _curve(comparison.natural_histogram, width=width, height=height),
        "set": _curve(comparison.set_histogram, width=width, height=height),
        "first": f"{BINS[0]:g}",
        "last": f"{BINS[-1]:g}",
        "least": f"{_LEAST_SHARE:g}",
    }


def _layer(layer: LayerComparison, *, limit: float) -> dict[str, Any]:
    low = min(0.0, layer.natural[0], layer.set[0])
    span = max(layer.natural[1], layer.set[1], 1e-12) - low

    def bar(bounds: tuple[float, float]) -> dict[str, float]:
        return {"x": 100.0 * (bounds[0] - low) / span, "w": 100.0 * (bounds[1] - bounds[0]) / span}

    share = share_text(layer.saturating_fraction)
    return {
        "tensor": layer.tensor,
        "natural": span_text(layer.natural),
        "set": span_text(layer.set),
        "natural_bar": bar(layer.natural),
        "set_bar": bar(layer.set),
        "ratio": f"{layer.span_ratio:.3f}",
        "saturating": f"{share} (the clip)" if layer.is_output else share,
        "is_bad": layer.is_judged and layer.saturating_fraction > limit,
    }


def _choices(report: CalibrationReport) -> list[tuple[str, str]]:
    dataset = report.dataset
    rows = [
        ("network", f"{dataset.network} (x{dataset.scale})"),
        ("weights, SHA-256", dataset.weights_sha256),
        ("method", dataset.method),
    ]
    for name, value in dataset.settings.items():
        if isinstance(value, dict):
            value = ", ".join(f"{key} {item}" for key, item in value.items())
        rows.append((name.replace("_", " "), str(value)))
    return rows


def page_html(
    report: CalibrationReport, tiles: Sequence[Tile], *, limit: float = DEFAULT_LIMIT
) -> str:
    """The page as text.

    Args:
        report: The calibration.
        tiles: The natural pictures it was made from.
        limit: Share of a tensor's natural activations that may saturate.
    """
    saturating = report.saturating(limit)
    worst = report.comparison.worst
    contract = f"Pixel contract of the set alone: {contract_text(report.contract)}"
    saturation = (
        f"Saturation: {share_text(worst.saturating_fraction)} at most ({worst.tensor}), "
        f"{share_text(limit)} allowed"
    )
    return fill_template(
        _TEMPLATE,
        title=f"Calibration of {report.dataset.network}",
        verdicts=[(report.contract.holds, contract), (not saturating, saturation)],
        summary=summary_rows(report),
        histogram=_histogram(report),
        pairs=shown_pairs(report, tiles),
        pictures=len(report.dataset.records) - report.counts["anchor"],
        layers=[_layer(layer, limit=limit) for layer in report.comparison.layers],
        choices=_choices(report),
    )


def save_page(
    report: CalibrationReport,
    tiles: Sequence[Tile],
    path: str | Path,
    *,
    limit: float = DEFAULT_LIMIT,
) -> None:
    """Write the page, whole or not at all; see `page_html`.

    Raises:
        OutputError: The place cannot be written to.
    """
    text = page_html(report, tiles, limit=limit)
    with writing_file(path) as beside:
        beside.write_text(text, encoding="utf-8")
