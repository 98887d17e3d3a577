"""Sections of a page of results, each from the rows that verbs write as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from runtime_bench.comparing.comparison import gate_rows
from runtime_bench.history.history import HistoryEntry
from runtime_bench.measuring.tables import (
    left_text,
    nodes_text,
    place_text,
    short_names,
    size_text,
)
from runtime_bench.pages.flame import is_delegate
from runtime_bench.pages.gathered import Rows, section
from runtime_bench.pages.report import Page
from runtime_bench.pages.trend_plot import UNITS, charts_of_history, charts_of_trends, label_of

_MOST_OPERATORS = 15


@section(10, "compared")
def add_comparisons(page: Page, parts: Rows) -> None:
    """Verdict, speed-up, differences and gates of every `compare`."""
    for part in parts:
        _add_comparison(page, part)


def _add_comparison(page: Page, part: Mapping[str, Any]) -> None:
    names = short_names([part["baseline"]["model"], part["candidate"]["model"]])
    page.add_heading("Candidate against baseline")
    page.add_text(
        f"{names[part['candidate']['model']]} against {names[part['baseline']['model']]}, "
        f"timed in the same interleaved rounds: {part['verdict']}."
    )
    interval = f"{part['speedup_low']:.3f} to {part['speedup_high']:.3f}"
    rows = [
        ["speed-up", f"{part['speedup']:.3f}"],
        ["its 95 % interval", interval],
        ["p (Mann-Whitney)", f"{part['p_value']:.3g}"],
        ["largest code difference", str(part["max_abs_code_difference"])],
        ["differing codes", f"{part['differing_fraction']:.2%}"],
        ["size, candidate / baseline", f"{part['size_ratio']:.3f}"],
    ]
    if part["psnr_drop_db"] is not None:
        rows.append(["PSNR drop RGB (worst dataset)", f"{part['psnr_drop_db']:+.3f} dB"])
        rows.append(["PSNR drop Y (worst dataset)", f"{part['psnr_y_drop_db']:+.3f} dB"])
    page.add_table(["", "found"], rows + gate_rows(part["gates"]))


@section(20, "timed")
def add_latency(page: Page, rows: Rows) -> None:
    """Bars and a table of rows of this machine."""
    if not rows:
        return
    names = short_names(row["model"] for row in rows)
    page.add_heading("Latency")
    page.add_latency_bars([{**row, "label": label_of_row(row, names)} for row in rows])
    headers = [
        "file",
        "delegate",
        "threads",
        "runs",
        "median ms",
        "p5 ms",
        "p95 ms",
        "first ms",
        "init ms",
        "delegated nodes",
        "left behind",
    ]
    keys = ("runs", "median_ms", "p5_ms", "p95_ms", "first_ms", "init_ms")
    cells = [
        [
            names[row["model"]],
            row["delegate"],
            row["threads"],
            *(row[key] for key in keys),
            nodes_text(row["delegated_nodes"], row["total_nodes"], row["partitions"]),
            ""
            if row["delegate"] in ("builtin", "reference")
            else left_text(row.get("left_behind")),
        ]
        for row in rows
    ]
    if any(row.get("peak_memory_mb") is not None for row in rows):
        headers.append("peak MiB")
        cells = [[*line, row.get("peak_memory_mb")] for line, row in zip(cells, rows)]
    shapes = " and ".join(dict.fromkeys(str(row["input_shape"]) for row in rows))
    runtimes = " and ".join(dict.fromkeys(row["runtime"] for row in rows))
    page.add_table(
        headers,
        cells,
        best={"median ms": "low"},
        caption=f"Input {shapes}, {runtimes}. SHA-256: {hashes_of(rows, names)}.",
    )


@section(50, "rated")
def add_quality(page: Page, rows: Rows) -> None:
    """A table per dataset."""
    if not rows:
        return
    names = short_names(row["model"] for row in rows)
    page.add_heading("Quality")
    headers = [
        "file",
        "dataset",
        "pictures",
        "PSNR RGB dB",
        "PSNR Y dB",
        "SSIM Y",
        "dequantized RGB dB",
        "dequantized Y dB",
    ]
    keys = ("images", "psnr_rgb_db", "psnr_y_db", "ssim_y")
    keys += ("dequantized_psnr_rgb_db", "dequantized_psnr_y_db")
    for dataset in dict.fromkeys(row["dataset"] for row in rows):
        cells = [
            [names[row["model"]], dataset, *(row[key] for key in keys)]
            for row in rows
            if row["dataset"] == dataset
        ]
        protocol = next(row["protocol"] for row in rows if row["dataset"] == dataset)
        page.add_table(
            headers,
            cells,
            caption=protocol,
            best={"PSNR RGB dB": "high", "PSNR Y dB": "high", "SSIM Y": "high"},
        )


@section(80, "timed_anywhere", "rated_anywhere")
def add_scatter(page: Page, timed: Rows, rated: Rows) -> None:
    """PSNR against latency per dataset, of the files that have both.

    Rows of a phone meet pictures of the same phone alone.
    """
    names = short_names(row["model"] for row in timed)
    for dataset in dict.fromkeys(row["dataset"] for row in rated):
        psnr_db = {
            (row["model"], row.get("serial")): row["psnr_rgb_db"]
            for row in rated
            if row["dataset"] == dataset
        }
        rows = [
            {
                "label": label_of_row(row, names),
                "median_ms": row["median_ms"],
                "psnr_db": psnr_db[row["model"], row.get("serial")],
            }
            for row in timed
            if row["median_ms"] is not None
            and psnr_db.get((row["model"], row.get("serial"))) is not None
        ]
        if rows:
            page.add_scatter(rows, caption=f"Raw RGB PSNR on {dataset} against latency.")


@section(90, "crops")
def add_crops(page: Page, crops: Rows) -> None:
    """Cut-outs with difference maps."""
    if crops:
        page.add_heading("Side by side")
    for crop in crops:
        page.add_drawn_crops(crop)


@section(100, "timed_anywhere")
def add_operators(page: Page, rows: Rows) -> None:
    """A flame-style plot and a table for each row with a profile."""
    rows = [row for row in rows if row.get("profile")]
    if not rows:
        return
    names = short_names(row["model"] for row in rows)
    page.add_heading("Where the time goes")
    for row in rows:
        operators = sorted(row["profile"], key=lambda op: -_time(op))
        page.add_flame(row, caption=f"{label_of_row(row, names)}. {_outside(row)}")
        cells = [
            [
                op["op"],
                size_text(op.get("height"), op.get("width")),
                place_text(row["delegate"], op["inside"] or is_delegate(op), op.get("partition")),
                _time(op),
                _tenths(op["percent"]),
                op.get("kernel") or "-",
                str(op["name"]).split(";")[0] or "-",
            ]
            for op in operators[:_MOST_OPERATORS]
        ]
        if rest := operators[_MOST_OPERATORS:]:
            share = sum(op["percent"] or 0.0 for op in rest)
            time_ms = sum(map(_time, rest))
            cells.append([f"{len(rest)} others", "", "", time_ms, _tenths(share), "", ""])
        headers = ["operator", "output", "ran in", "ms", "%", "kernel", "tensor"]
        method = (row.get("profiled") or {}).get("method", "benchmark_model's own profile, means")
        page.add_table(headers, cells, caption=f"By time; {method}.")


@section(40, "history", "trend")
def add_history(page: Page, entries: Sequence[HistoryEntry], trends: Rows) -> None:
    """Lines over time from histories; from `trend` rows where no history is given."""
    charts = charts_of_history(entries) if entries else charts_of_trends(trends)
    if charts:
        page.add_heading("Over time")
    for chart in charts:
        if all(len(line.points) == 1 for line in chart.lines):
            told = ", ".join(f"{line.label}: {line.points[0].value:.4g}" for line in chart.lines)
            page.add_text(f"One result so far ({UNITS[chart.kind]}): {told}.")
            continue
        where = f"On {chart.machine}. " if chart.machine else ""
        page.add_trend(chart, caption=f"{where}A ring is a file with another SHA-256 than before.")
    rows = [row for row in trends if len(row["entries"]) > 1]
    if rows:
        names = short_names(row[key] for row in rows for key in ("model", "baseline") if key in row)
        headers = ["what", "earlier", "now / last, or dB more", "now is", "notes"]
        cells = [
            [
                label_of(row, names),
                len(row["entries"]) - 1,
                row["change"],
                row["verdict"],
                "; ".join(row["notes"]),
            ]
            for row in rows
        ]
        page.add_table(headers, cells, caption="Today's results against the last comparable ones.")


@section(110, "parts")
def add_machines(page: Page, parts: Rows) -> None:
    """Each machine once."""
    machines: list[Mapping[str, Any]] = []
    for part in parts:
        if part.get("machine") and part["machine"] not in machines:
            machines.append(part["machine"])
    for machine in machines:
        page.add_machine(machine)


def label_of_row(row: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """File, delegate and threads of a latency row, behind the phone's name where it has one."""
    phone = f"{row['phone']}: " if row.get("phone") else ""
    return f"{phone}{names[row['model']]}, {row['delegate']}, {row['threads']} thread(s)"


def hashes_of(rows: Rows, names: Mapping[str, str]) -> str:
    """Each file and the beginning of its SHA-256."""
    return ", ".join(dict.fromkeys(f"{names[r['model']]} {r['sha256'][:12]}" for r in rows))


def _tenths(percent: float | None) -> float | None:
    return None if percent is None else round(percent, 1)


def _time(op: Mapping[str, Any]) -> float:
    found = op.get("median_ms")
    return float(op["mean_ms"] * op["calls"] if found is None else found)


def _outside(row: Mapping[str, Any]) -> str:
    inside = [op for op in row["profile"] if op["inside"]]
    if not inside or not any("partition" in op for op in row["profile"]):
        return ""
    whole = sum(map(_time, row["profile"])) or 1.0
    share = 1.0 - sum(map(_time, inside)) / whole
    return f"{share:.0%} of the operators' time lies outside of {row['delegate']}."
