"""Results of today against those that a history keeps, of the same machine and work only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from export.running.statistics import compare_sessions
from runtime_bench.history.drift import NO_DIFFERENCE, drift_of, judge_phone, phone_notes
from runtime_bench.history.history import HistoryEntry

NOTHING_EARLIER = "nothing earlier"
MACHINES_OWN = "so the difference is the machine's"


@dataclass(frozen=True)
class Trend:
    """One result of today, and those before it that it may be compared with.

    Attributes:
        kind: The verb: `latency`, `quality`, `compare` or `android`.
        now: Today's result.
        earlier: Comparable entries, oldest first.
        skipped: Why others of the same file are not compared, to their number.
        verdict: `faster`, `slower`, `better`, `worse`, `no difference shown`, `nothing earlier`.
        change: What `verdict` rests on: now over the last (latency, compare: medians, speed-ups),
            or now less the last in dB (quality); `None` with nothing earlier.
        low: Lower end of the 95 % interval of `change`; `None` where it has none.
        high: Upper end.
        notes: What else differs from the last, e.g. the file or the interpreter.
    """

    kind: str
    now: HistoryEntry
    earlier: tuple[HistoryEntry, ...]
    skipped: dict[str, int]
    verdict: str
    change: float | None = None
    low: float | None = None
    high: float | None = None
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict:
        """One `trend` row; every earlier entry with its date and its figures."""
        return {
            "kind": self.kind,
            **identity(self.now),
            "verdict": self.verdict,
            "change": self.change,
            "change_low": self.low,
            "change_high": self.high,
            "notes": list(self.notes),
            "not_compared": self.skipped,
            "entries": [dated_figures(entry) for entry in (*self.earlier, self.now)],
        }


def machine_key(machine: Mapping[str, Any]) -> tuple:
    """What makes two machines the same for timing: processor, instruction sets, cores."""
    return machine.get("cpu"), *sorted(machine.get("cpu_features") or ()), machine.get("cores")


def identity(entry: HistoryEntry) -> dict[str, Any]:
    """Which file or pair, with what: the names that a row of a table begins with."""
    row = entry.result
    if entry.kind == "compare":
        first, second = row["baseline"], row["candidate"]
        return {
            "model": second["model"],
            "baseline": first["model"],
            "delegate": second["delegate"],
            "threads": second["threads"],
        }
    names = {
        "latency": ("model", "delegate", "threads"),
        "quality": ("model", "dataset", "delegate"),
        "android": ("phone", "model", "delegate", "threads"),
    }[entry.kind]
    return {name: row.get(name) for name in names}


def dated_figures(entry: HistoryEntry) -> dict[str, Any]:
    """Date and figures of one entry."""
    names = {
        "latency": ("median_ms", "p5_ms", "p95_ms", "runs", "sha256", "runtime"),
        "quality": ("psnr_rgb_db", "psnr_y_db", "ssim_y", "sha256", "runtime"),
        "compare": ("speedup", "speedup_low", "speedup_high", "psnr_drop_db"),
        "android": ("median_ms", "mean_ms", "p5_ms", "p95_ms", "runs", "sha256", "runtime"),
    }[entry.kind]
    told = {name: entry.result.get(name) for name in names}
    if entry.kind == "compare":
        told["sha256"] = entry.result["candidate"]["sha256"]
    return {"date": entry.date, "host": entry.host, **told}


def trends(now: Sequence[HistoryEntry], past: Sequence[HistoryEntry]) -> list[Trend]:
    """Each result of today against the history, in the order of today's.

    The last comparable entry is what a result is held against.
    """
    return [_trend(entry, past) for entry in now]


def slowed_down(found: Sequence[Trend], ratio: float) -> list[str]:
    """Which latency trends are slower than the last result by more than `ratio`, in words.

    Where no difference is shown, or nothing earlier is there, a trend is not slower. The same file
    in the same interpreter is not either: what has become slower then is the machine.
    """
    return [
        f"{trend.now.result['model']} with {trend.now.result['delegate']}, "
        f"{trend.now.result['threads']} thread(s): {trend.change:.3f} times as long as on "
        f"{trend.earlier[-1].date[:10]}"
        for trend in found
        if trend.verdict == "slower"
        and trend.change is not None
        and trend.change > ratio
        and MACHINES_OWN not in trend.notes
    ]


def _trend(now: HistoryEntry, past: Sequence[HistoryEntry]) -> Trend:
    earlier: list[HistoryEntry] = []
    skipped: dict[str, int] = {}
    for entry in past:
        if entry.kind != now.kind or _subject(entry) != _subject(now):
            continue
        reason = next((name for name, of in _CONDITIONS[now.kind] if of(entry) != of(now)), None)
        if reason is None:
            earlier.append(entry)
        else:
            skipped[reason] = skipped.get(reason, 0) + 1
    if not earlier:
        return Trend(now.kind, now, (), skipped, NOTHING_EARLIER)
    verdict, *change = _VERDICTS[now.kind](now, earlier)
    notes = _notes(now, earlier[-1], differs=verdict != NO_DIFFERENCE)
    return Trend(now.kind, now, tuple(earlier), skipped, verdict, *change, notes)


def _subject(entry: HistoryEntry) -> tuple:
    row = entry.result
    if entry.kind == "compare":
        return row["baseline"]["model"], row["candidate"]["model"]
    return (row["model"], row.get("dataset"))


def _of(*keys: str) -> Callable[[HistoryEntry], Any]:
    def read(entry: HistoryEntry) -> Any:
        row: Any = entry.result
        for key in keys:
            row = row.get(key)
        return row

    return read


def _cpus(entry: HistoryEntry) -> Any:
    return entry.protocol.get("cpus")


# What must be the same for figures to be comparable, by the words that say it was not.
_CONDITIONS: dict[str, list[tuple[str, Callable[[HistoryEntry], Any]]]] = {
    "latency": [
        ("another machine", lambda entry: machine_key(entry.machine)),
        ("another delegate", _of("delegate")),
        ("other threads", _of("threads")),
        ("another input size", _of("input_shape")),
        ("other cores", _cpus),
        ("another input", lambda entry: entry.protocol.get("input")),
    ],
    "quality": [
        ("another delegate", _of("delegate")),
        ("another protocol", _of("protocol")),
        ("other pictures", _of("images")),
    ],
    "compare": [
        ("another machine", lambda entry: machine_key(entry.machine)),
        ("another delegate", _of("candidate", "delegate")),
        ("other threads", _of("candidate", "threads")),
        ("another input size", _of("candidate", "input_shape")),
        ("other cores", _cpus),
    ],
    "android": [
        ("another phone", lambda entry: (entry.result["phone"], entry.result.get("soc"))),
        ("another delegate", _of("delegate")),
        ("other threads", _of("threads")),
        ("another input size", _of("input_shape")),
        ("other cores", _of("cpus")),
        ("other flags", _of("tool_flags")),
    ],
}


def _judge_latency(now: HistoryEntry, earlier: Sequence[HistoryEntry]) -> tuple:
    last = earlier[-1].result
    found = compare_sessions(last["samples_ms"], now.result["samples_ms"])
    change, low, high = 1 / found.speedup, 1 / found.high, 1 / found.low
    beyond_drift = abs(np.log(change)) > np.log1p(drift_of(earlier))
    shown = found.significant and beyond_drift and _apart(last, now.result)
    return found.verdict if shown else NO_DIFFERENCE, change, low, high


def _apart(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    """Whether neither median lies between the other's 5th and 95th percentile.

    Where other work disturbs a machine, runs scatter as widely as its sessions do.
    """
    return all(
        not one["p5_ms"] <= other["median_ms"] <= one["p95_ms"]
        for one, other in ((first, second), (second, first))
    )


def decibels_of(*rows: Mapping[str, Any]) -> list[float | None]:
    """PSNR of quality rows that are to be compared: RGB, or luma where a file has no more."""
    colour = [row["psnr_rgb_db"] for row in rows]
    luma = [row["psnr_y_db"] for row in rows]
    return luma if colour.count(None) == len(rows) else colour


def _judge_quality(now: HistoryEntry, earlier: Sequence[HistoryEntry]) -> tuple:
    first, second = decibels_of(earlier[-1].result, now.result)
    if first is None or second is None:
        # A picture without any error is infinitely good, which JSON does not have.
        verdict = NO_DIFFERENCE if first is second else "better" if second is None else "worse"
        return verdict, None, None, None
    change = second - first
    # No chance is in it: the same file on the same kernels makes the same pixels.
    verdict = NO_DIFFERENCE if change == 0 else "better" if change > 0 else "worse"
    return verdict, change, None, None


def _judge_compare(now: HistoryEntry, earlier: Sequence[HistoryEntry]) -> tuple:
    first, second = earlier[-1].result, now.result
    verdict = NO_DIFFERENCE
    # Intervals that do not touch: stricter than a test of the difference.
    if second["speedup_low"] > first["speedup_high"]:
        verdict = "better"
    elif second["speedup_high"] < first["speedup_low"]:
        verdict = "worse"
    return verdict, second["speedup"] / first["speedup"], None, None


_VERDICTS = {
    "latency": _judge_latency,
    "quality": _judge_quality,
    "compare": _judge_compare,
    "android": judge_phone,
}


def _same(now: HistoryEntry, last: HistoryEntry, key: str) -> bool:
    return all(row.get(key) == former.get(key) for row, former in _rows(now, last))


def _notes(now: HistoryEntry, last: HistoryEntry, *, differs: bool) -> tuple[str, ...]:
    same_file, same_runtime = _same(now, last, "sha256"), _same(now, last, "runtime")
    notes = ["the same file" if same_file else "another file"]
    if not same_runtime:
        notes.append(f"then with {_rows(now, last)[0][1].get('runtime')}")
    if same_file and same_runtime and differs and now.kind == "latency":
        notes.append(MACHINES_OWN)
    if now.kind == "android":
        notes += phone_notes(now, last)
    elif now.host != last.host:
        notes.append(f"then on host {last.host}")
    if last.machine.get("warning"):
        notes.append("the machine was noisy then")
    return tuple(dict.fromkeys(notes))


def _rows(now: HistoryEntry, last: HistoryEntry) -> list[tuple[Mapping, Mapping]]:
    if now.kind == "compare":
        return [(now.result[name], last.result[name]) for name in ("baseline", "candidate")]
    return [(now.result, last.result)]
