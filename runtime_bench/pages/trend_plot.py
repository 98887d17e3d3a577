"""Figures of a history as lines over time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from runtime_bench.history.history import HistoryEntry
from runtime_bench.history.trend import dated_figures, identity, machine_key
from runtime_bench.measuring.tables import short_names
from sr_models.ground.plots import COLOURS, GRID, INK, new_axes, svg_uri

# What is drawn of each kind: the figure, the ends of its band, and the words at the axis.
_TIMES = ("median_ms", "p5_ms", "p95_ms", "median in ms, band 5th to 95th percentile")
_DRAWN = {
    "latency": _TIMES,
    "android": _TIMES,
    "quality": ("psnr_rgb_db", None, None, "PSNR in dB (raw; RGB, or luma of luma files)"),
    "compare": ("speedup", "speedup_low", "speedup_high", "speed-up, band 95 % interval"),
}
UNITS = {"latency": "median ms", "android": "ms", "quality": "dB", "compare": "speed-up"}
"""What figures of each kind are."""
_MOST_DATES = 8


@dataclass(frozen=True)
class ChartPoint:
    """One result.

    Attributes:
        date: When, ISO 8601.
        value: The figure.
        low: Lower end of its band.
        high: Upper end.
        file: What tells its file from others, e.g. the hash.
    """

    date: str
    value: float
    low: float
    high: float
    file: str


@dataclass(frozen=True)
class Line:
    """Results of the same work, oldest first.

    Attributes:
        label: File, delegate, threads.
        points: At least one.
    """

    label: str
    points: tuple[ChartPoint, ...]


@dataclass(frozen=True)
class Chart:
    """Lines that share one axis.

    Attributes:
        kind: The verb, one of `history.KINDS`.
        machine: The processor; empty where the figures do not depend on it.
        lines: What is drawn.
    """

    kind: str
    machine: str
    lines: tuple[Line, ...]


def charts_of_history(entries: Sequence[HistoryEntry]) -> list[Chart]:
    """One chart for each kind and machine, one line for the same work of the same names."""
    names = _names(identity(entry) for entry in entries)
    groups: dict[tuple, dict[str, list[ChartPoint]]] = {}
    machines: dict[tuple, str] = {}
    for entry in entries:
        key = (entry.kind, *_machine_key(entry))
        machines[key] = _machine_text(entry)
        point = _point(entry.kind, dated_figures(entry))
        if point is not None:
            label = label_of(identity(entry), names)
            if entry.kind in ("latency", "android"):
                label += f", {'x'.join(map(str, entry.result['input_shape'][1:3]))}"
            groups.setdefault(key, {}).setdefault(label, []).append(point)
    return [
        Chart(key[0], machines[key], tuple(Line(k, tuple(v)) for k, v in lines.items()))
        for key, lines in groups.items()
    ]


def charts_of_trends(rows: Sequence[Mapping[str, Any]]) -> list[Chart]:
    """The same from the `trend` rows that verbs write."""
    names = _names(rows)
    groups: dict[str, list[Line]] = {}
    for row in rows:
        points = [_point(row["kind"], entry) for entry in row["entries"]]
        points = [point for point in points if point is not None]
        if points:
            groups.setdefault(row["kind"], []).append(Line(label_of(row, names), tuple(points)))
    return [Chart(kind, "", tuple(lines)) for kind, lines in groups.items()]


def label_of(row: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """`phone: model, dataset, delegate, 1 thread(s)`: those that a row has.

    Args:
        row: What `trend.identity` tells of a result.
        names: What files are to be called.
    """
    words = [names[row["model"]], row.get("dataset"), row.get("delegate")]
    if row.get("baseline"):
        words[0] = f"{words[0]} against {names[row['baseline']]}"
    if row.get("phone"):
        words[0] = f"{row['phone']}: {words[0]}"
    if row.get("threads"):
        words.append(f"{row['threads']} thread(s)")
    return ", ".join(str(word) for word in words if word)


def draw(chart: Chart) -> str:
    """Lines with bands, a point per result; a ring where the file is another than before.

    Returns:
        An SVG as a data URI.
    """
    dates = sorted({point.date for line in chart.lines for point in line.points})
    places = {date: place for place, date in enumerate(dates)}
    figure, axes = new_axes(height=3.2 + 0.2 * len(chart.lines))
    drawn = []
    for number, line in enumerate(chart.lines):
        colour = COLOURS[number % len(COLOURS)]
        x = [places[point.date] for point in line.points]
        values, low, high = (
            np.array([getattr(point, name) for point in line.points], float)
            for name in ("value", "low", "high")
        )
        drawn += axes.plot(x, values, color=colour, marker="o", markersize=5, zorder=3)
        axes.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0, zorder=2)
        if len(x) == 1:
            axes.errorbar(x, values, [values - low, high - values], color=colour, capsize=4)
        new = [n for n in range(1, len(x)) if line.points[n].file != line.points[n - 1].file]
        axes.scatter(
            [x[n] for n in new], values[new], s=95, facecolors="none", edgecolors=INK, zorder=4
        )
    step = max(1, -(-len(dates) // _MOST_DATES))
    axes.set_xticks(
        range(0, len(dates), step), [date[:16].replace("T", "\n") for date in dates[::step]]
    )
    axes.set_xlim(-0.5, len(dates) - 0.5)
    if chart.kind in ("latency", "android"):
        axes.set_ylim(bottom=0)
    axes.set_ylabel(_DRAWN[chart.kind][3])
    axes.grid(axis="y", color=GRID, zorder=0)
    legend = figure.legend(
        drawn,
        list(map(str, range(len(drawn)))),
        loc="outside lower left",
        frameon=False,
        labelcolor=INK,
        fontsize=9,
    )
    for text, line in zip(legend.get_texts(), chart.lines):
        text.set(text=line.label, parse_math=False)
    return svg_uri(figure)


def _point(kind: str, found: Mapping[str, Any]) -> ChartPoint | None:
    name, low, high, _ = _DRAWN[kind]
    value = found.get(name)
    if kind == "quality" and value is None:
        # Files of luma have no RGB.
        value = found.get("psnr_y_db")
    if kind == "android" and value is None:
        # Old programs tell a mean alone.
        value = found.get("mean_ms")
    if value is None:
        return None
    ends = [found.get(end) if end and found.get(end) is not None else value for end in (low, high)]
    return ChartPoint(found["date"], float(value), *map(float, ends), str(found.get("sha256")))


def _names(rows: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    return short_names(
        row[key] for row in rows for key in ("model", "baseline") if row.get(key) is not None
    )


def _machine_key(entry: HistoryEntry) -> tuple:
    if entry.kind == "android":
        return entry.result["phone"], entry.result.get("soc")
    # Pixels depend on the kernels alone.
    return () if entry.kind == "quality" else machine_key(entry.machine)


def _machine_text(entry: HistoryEntry) -> str:
    machine = entry.machine
    if entry.kind == "quality":
        return ""
    if entry.kind == "android":
        return f"{entry.result['phone']}, {entry.result.get('soc') or 'unknown SoC'}"
    return f"{machine.get('cpu') or 'unknown processor'}, {machine.get('cores')} core(s)"
