"""What `--save` and `--against` ask of a verb: read before the work, told and added to after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from runtime_bench.history import (
    HistoryEntry,
    append_history,
    new_entries,
    read_earlier,
    require_history_target,
)
from runtime_bench.trend import Trend, trends
from runtime_bench.trend_tables import print_trends, skipped_lines
from sr_models.command import say

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

    def close(self, *, gates_met: bool = True) -> None:
        """Say what was not compared, and add today's results.

        Args:
            gates_met: Otherwise nothing is added: the next run would be held against a result
                that was refused.
        """
        for line in skipped_lines(self.trends, source=self.against or ""):
            say(line)
        if self._save is None:
            return
        if not gates_met:
            say(f"nothing added to {self._save}, for a gate is not met")
            return
        append_history(self._save, self._entries)
        say(f"added {len(self._entries)} result(s) to {self._save}")
