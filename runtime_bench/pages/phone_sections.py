"""Sections of a page of results about phones, from the rows that `android` writes as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runtime_bench.android.tables import delegate_text
from runtime_bench.measuring.tables import left_text, nodes_text, short_names
from runtime_bench.pages.gathered import Rows, section
from runtime_bench.pages.report import Page
from runtime_bench.pages.sections import hashes_of, label_of_row


@section(30, "phones", "failures")
def add_phones(page: Page, rows: Rows, failures: Mapping[str, str]) -> None:
    """Bars and a table of what `android` measured, and which phones failed."""
    if not rows and not failures:
        return
    names = short_names(row["model"] for row in rows)
    page.add_heading("Latency on phones")
    bars = [
        {
            "label": label_of_row(row, names),
            "median_ms": row["median_ms"],
            "p5_ms": _or(row["p5_ms"], row["median_ms"]),
            "p95_ms": _or(row["p95_ms"], row["median_ms"]),
        }
        for row in rows
        if row["median_ms"] is not None
    ]
    if bars:
        page.add_latency_bars(bars)
    if len(bars) < len(rows):
        page.add_text(
            f"{len(rows) - len(bars)} row(s) without a bar: that benchmark_model tells no median."
        )
    headers = [
        "phone",
        "file",
        "delegate",
        "threads",
        "runs",
        "median ms",
        "mean ms",
        "p5 ms",
        "p95 ms",
        "first ms",
        "init ms",
        "where",
        "throttling before / after",
    ]
    keys = ("runs", "median_ms", "mean_ms", "p5_ms", "p95_ms", "first_ms", "init_ms")
    cells = [
        [
            row["phone"],
            names[row["model"]],
            delegate_text(row),
            row["threads"],
            *(row[key] for key in keys),
            _where(row),
            _throttling(row),
        ]
        for row in rows
    ]
    if cells:
        runtimes = " and ".join(dict.fromkeys(row["runtime"] for row in rows))
        page.add_table(
            headers,
            cells,
            caption=f"Programs started over adb are scheduled in another way than an app: compare "
            f"rows with rows. Ran on {runtimes}. SHA-256: {hashes_of(rows, names)}.",
        )
        keys = ("phone", "serial", "soc", "android", "sdk", "abi")
        phones = dict.fromkeys(tuple(row[key] for key in keys) for row in rows)
        page.add_table(["phone", "serial", "SoC", "Android", "API", "ABI"], list(phones))
    for notice in dict.fromkeys(notice for row in rows for notice in row["notices"]):
        page.add_text(f"Note: {notice}.")
    if failures:
        page.add_table(["phone", "failed"], [[name, text] for name, text in failures.items()])


@section(60, "made")
def add_phone_quality(page: Page, rows: Rows) -> None:
    """Pictures that phones made, beside those of the desktop."""
    if not rows:
        return
    names = short_names(row["model"] for row in rows)
    page.add_heading("Pictures made on phones")
    headers = [
        "phone",
        "file",
        "delegate",
        "dataset",
        "pictures",
        "PSNR RGB dB",
        "on the desktop",
        "largest code difference",
        "codes that differ",
    ]
    keys = ("dataset", "images", "psnr_rgb_db", "desktop_psnr_rgb_db", "max_abs_code_difference")
    page.add_table(
        headers,
        [
            [
                row["serial"],
                names[row["model"]],
                row["delegate"],
                *(row[key] for key in keys),
                f"{row['differing_fraction']:.2%}",
            ]
            for row in rows
        ],
        caption=" ".join(dict.fromkeys(row["protocol"] for row in rows)),
    )


@section(70, "pairs")
def add_goldens(page: Page, rows: Rows) -> None:
    """Golden pairs of a bundle, and whether phones reproduced them."""
    if not rows:
        return
    names = short_names(row["model"] for row in rows)
    page.add_heading("Golden pairs")
    page.add_table(
        ["phone", "file", "delegate", "largest difference", "codes that differ", "allowed", ""],
        [
            [
                row["serial"],
                names[row["model"]],
                row["delegate"],
                row["found"]["max_abs_code_difference"],
                f"{row['found']['differing_fraction']:.2%}",
                f"{row['allowed']['max_abs_code_difference']} at "
                f"{row['allowed']['differing_fraction']:.2%}",
                "passed" if row["passed"] else "NOT PASSED",
            ]
            for row in rows
        ],
    )


def _or(value: float | None, other: float) -> float:
    return other if value is None else value


def _where(row: Mapping[str, Any]) -> str:
    nodes = (row["delegated_nodes"], row["total_nodes"], row["partitions"])
    told = [row["placement"], nodes_text(*nodes) if None not in nodes else ""]
    left = "" if row["fell_back"] else left_text(row["left_behind"])
    return ", ".join(word for word in (*told, left and f"on the CPU: {left}") if word)


def _throttling(row: Mapping[str, Any]) -> str:
    states = [(row[key] or {}).get("state") or "?" for key in ("thermal_before", "thermal_after")]
    return " / ".join(states)
