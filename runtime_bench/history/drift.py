"""How far figures of one file vary from session to session, and verdicts on phones by that.

On a computer every sample is kept and two sessions are tested against each other. A phone's
program tells percentiles alone, so that a difference is shown where they lie apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from runtime_bench.history.history import HistoryEntry

NO_DIFFERENCE = "no difference shown"
DRIFT = 0.05
"""Least share by which two sessions must differ; medians of one file may vary by as much."""
# From this many sessions of one file on, their own spread can say more than DRIFT.
_LEAST_SESSIONS = 3
# Median absolute deviation to standard deviation of a normal distribution, and two of those.
_SPREAD = 2 * 1.4826


def drift_of(sessions: Sequence[HistoryEntry], figure: str = "median_ms") -> float:
    """Share by which medians of one file on one machine vary from session to session.

    Twice the robust standard deviation of their logarithms, but no less than `DRIFT`.

    Args:
        sessions: Entries of the same work; those of other files than the last's are left out.
        figure: Which figure of theirs, `median_ms` or `mean_ms`.
    """
    same = [
        entry.result[figure]
        for entry in sessions
        if entry.result["sha256"] == sessions[-1].result["sha256"] and entry.result.get(figure)
    ]
    if len(same) < _LEAST_SESSIONS:
        return DRIFT
    logarithms = np.log(same)
    spread = _SPREAD * float(np.median(np.abs(logarithms - np.median(logarithms))))
    return max(DRIFT, float(np.expm1(spread)))


def judge_phone(now: HistoryEntry, earlier: Sequence[HistoryEntry]) -> tuple:
    """Verdict on a phone's result, now over the last, and no interval.

    Medians where both programs told one, else means. A difference is shown where it is more than
    sessions drift, and neither figure lies among the other's runs.
    """
    last, row = earlier[-1].result, now.result
    figure = "median_ms" if row.get("median_ms") and last.get("median_ms") else "mean_ms"
    if not row.get(figure) or not last.get(figure):
        return NO_DIFFERENCE, None, None, None
    change = row[figure] / last[figure]
    apart = not _among(row[figure], last) and not _among(last[figure], row)
    shown = apart and abs(np.log(change)) > np.log1p(drift_of(earlier, figure))
    verdict = ("slower" if change > 1 else "faster") if shown else NO_DIFFERENCE
    return verdict, change, None, None


def phone_notes(now: HistoryEntry, last: HistoryEntry) -> list[str]:
    """What else differs on a phone: where the nodes ran, and its heat."""
    row, former = now.result, last.result
    notes = []
    if row.get("placement") != former.get("placement"):
        notes.append(f"then {former.get('placement')}, now {row.get('placement')}")
    for when, found in (("then", former), ("now", row)):
        heat = found.get("thermal_after")
        state = heat.get("state") if isinstance(heat, Mapping) else None
        if state not in (None, "none"):
            notes.append(f"the phone throttled for heat {when}")
    return notes


def _among(figure: float, row: Mapping[str, Any]) -> bool:
    """Whether a figure lies among most runs of a row; of unknown runs it may."""
    if row.get("p5_ms") is not None and row.get("p95_ms") is not None:
        return row["p5_ms"] <= figure <= row["p95_ms"]
    if row.get("std_ms") is None or row.get("mean_ms") is None:
        return True
    return abs(figure - row["mean_ms"]) <= 2 * row["std_ms"]
