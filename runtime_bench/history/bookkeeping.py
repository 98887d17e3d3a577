"""Trends as tables on a terminal and rows of a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from runtime_bench.history.history import (
    HistoryEntry,
    append_history,
    new_entries,
    read_earlier,
    require_history_target,
)
from runtime_bench.history.trend import Trend, decibels_of, trends
from runtime_bench.measuring.tables import short_names
from sr_models.ground.console import print_table, say

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
    "android": (
        "phone",
        "file",
        "delegate",
        "threads",
        "earlier",
        "last on",
        "last ms",
        "now ms",
        "now / last",
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
    if trend.kind == "android":
        change = "-" if trend.change is None else f"{trend.change:.3f}"
        times = [_shown(_phone_ms(found.result), 2) for found in (last, trend.now) if found]
        times = times if last else ["-", *times]
        words = [row["phone"], *models, row["delegate"], row["threads"]]
        return [*words, *told, *times, change, *tail]
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


def _phone_ms(row: Mapping[str, Any]) -> float | None:
    return row["mean_ms"] if row["median_ms"] is None else row["median_ms"]


def _speedup(row: dict) -> str:
    return f"{row['speedup']:.3f} ({row['speedup_low']:.3f} to {row['speedup_high']:.3f})"


def _shown(value: float | None, digits: int) -> float | str:
    return "-" if value is None else round(value, digits)


# What a row holds beside its figures, and a history need not repeat.
_LEFT_OUT = ("profile", "profiled")


class Bookkeeping:
    """The history of one run of a verb.

    Attributes:
        trends: Today's results against the history; empty without `--against`.
    """

    def __init__(self, kind: str, *, save: str | None, against: str | None):
        """Read what is there, so that an unusable file is told before the work.

        Args:
            kind: The verb, one of `history.KINDS`.
            save: History to add to; `None` for none.
            against: History to compare with; `None` for none.

        Raises:
            OptionError: A file that is no history.
            OutputError: A place that cannot be written to.
        """
        self.kind, self.against = kind, against
        self.trends: list[Trend] = []
        self._save = require_history_target(save)
        self._past = [] if against is None else read_earlier(against)
        self._entries: list[HistoryEntry] = []

    def take(
        self,
        rows: Sequence[Mapping[str, Any]],
        *,
        machine: Mapping[str, Any],
        protocol: Mapping[str, Any],
    ) -> dict[str, Any]:
        """Take today's rows, and compare them.

        Returns:
            What the verb's JSON has of it: `trend`, or nothing without `--against`.
        """
        kept = [
            {name: value for name, value in row.items() if name not in _LEFT_OUT} for row in rows
        ]
        self._entries = new_entries(self.kind, kept, machine=machine, protocol=protocol)
        if self.against is None:
            return {}
        self.trends = trends(self._entries, self._past)
        return {"trend": [trend.to_json() for trend in self.trends]}

    def print(self) -> None:
        """The table of trends, on stdout."""
        print_trends(self.trends, source=self.against or "")

    def close(self, *, gates_met: bool = True, refused: str = "a gate is not met") -> None:
        """Say what was not compared, and add today's results.

        Args:
            gates_met: Otherwise nothing is added: the next run would be held against a result
                that was refused.
            refused: Why, then.
        """
        for line in skipped_lines(self.trends, source=self.against or ""):
            say(line)
        if self._save is None:
            return
        if not gates_met:
            say(f"nothing added to {self._save}, for {refused}")
            return
        append_history(self._save, self._entries)
        say(f"added {len(self._entries)} result(s) to {self._save}")
