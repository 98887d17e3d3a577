"""Trends as tables on a terminal and rows of a page."""

from __future__ import annotations

from collections.abc import Sequence

from runtime_bench.tables import short_names
from runtime_bench.trend import Trend, decibels_of
from sr_models.command import print_table

COLUMNS = {
    "latency": (
        "file",
        "delegate",
        "threads",
        "earlier",
        "last on",
        "last ms",
        "now ms",
        "now / last (95 %)",
        "now is",
        "notes",
    ),
    "quality": (
        "file",
        "dataset",
        "delegate",
        "earlier",
        "last on",
        "last dB",
        "now dB",
        "change dB",
        "now is",
        "notes",
    ),
    "compare": (
        "candidate",
        "baseline",
        "delegate",
        "threads",
        "earlier",
        "last on",
        "last speed-up",
        "now",
        "now is",
        "notes",
    ),
}


def trend_rows(trends: Sequence[Trend]) -> list[list]:
    """One row per trend, under `COLUMNS` of its kind."""
    names = short_names(name for trend in trends for name in _models(trend))
    return [_row(trend, names) for trend in trends]


def print_trends(trends: Sequence[Trend], *, source: str) -> None:
    """All trends of one kind, and what was not compared."""
    if trends:
        print_table(f"Against {source}", COLUMNS[trends[0].kind], trend_rows(trends))


def skipped_lines(trends: Sequence[Trend], *, source: str) -> list[str]:
    """What the history has of these files but was not compared, one line each."""
    lines = []
    for trend in trends:
        if trend.earlier and set(trend.skipped) <= {"another delegate", "other threads"}:
            # Rows of their own, or left out today.
            continue
        if trend.skipped:
            told = ", ".join(f"{count} of {reason}" for reason, count in trend.skipped.items())
            lines.append(f"not compared with {source}, {_models(trend)[0]}: {told}")
    return list(dict.fromkeys(lines))


def _models(trend: Trend) -> list[str]:
    if trend.kind == "compare":
        return [trend.now.result[name]["model"] for name in ("candidate", "baseline")]
    return [trend.now.result["model"]]


def _row(trend: Trend, names: dict[str, str]) -> list:
    row, models = trend.now.result, [names[name] for name in _models(trend)]
    last = trend.earlier[-1] if trend.earlier else None
    told = [len(trend.earlier), last.date[:10] if last else "-"]
    tail = [trend.verdict, "; ".join(trend.notes)]
    if trend.kind == "latency":
        change = "-"
        if trend.change is not None:
            change = f"{trend.change:.3f} ({trend.low:.3f} to {trend.high:.3f})"
        times = [_shown(last.result["median_ms"] if last else None, 2), _shown(row["median_ms"], 2)]
        return [*models, row["delegate"], row["threads"], *told, *times, change, *tail]
    if trend.kind == "quality":
        figures = decibels_of(last.result, row) if last else [None, *decibels_of(row)]
        change = "-" if trend.change is None else f"{trend.change:+.3f}"
        shown = [_shown(figure, 3) for figure in figures]
        return [*models, row["dataset"], row.get("delegate"), *told, *shown, change, *tail]
    candidate = row["candidate"]
    return [
        *models,
        candidate["delegate"],
        candidate["threads"],
        *told,
        _speedup(last.result) if last else "-",
        _speedup(row),
        *tail,
    ]


def _speedup(row: dict) -> str:
    return f"{row['speedup']:.3f} ({row['speedup_low']:.3f} to {row['speedup_high']:.3f})"


def _shown(value: float | None, digits: int) -> float | str:
    return "-" if value is None else round(value, digits)
