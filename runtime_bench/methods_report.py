"""The table of quantization methods as text and as a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from runtime_bench.method_result import (
    FLOAT,
    MethodResult,
    calibration_speedups,
    speedups_at_equal_quality,
)
from runtime_bench.quality import protocol
from runtime_bench.report import Page

_INTRODUCTION = """\
Each method quantizes the same convolutions of one network: those of the body at the width given,
head and tail at 8 bits or, in DFSQ, not at all. The simulated PSNR is that of the method as
published, in float. The exported one is that of a plain int8 file which holds as much of the method
as such a file can; "exported as" names its recipe. Without a file a method is simulated only.

Levels say how many values an activation of the body can take, which bits promise and not every
method keeps. Seconds are those of calibration or training on the machine below."""


def method_rows(rows: Sequence[MethodResult]) -> tuple[list[str], list[list[Any]]]:
    """Column names and cells; `None` where there is nothing to say."""
    datasets = list(rows[0].simulated_db)
    columns = [
        "method",
        "bits",
        "levels",
        *(f"simulated {name} dB" for name in datasets),
        "exported as",
        *(f"INT8 {name} dB" for name in datasets),
        "seconds",
        "ground truth",
        "size kB",
        "ms",
    ]
    cells = [
        [
            row.method,
            row.bits,
            row.levels,
            *(_rounded(row.simulated_db[name], 2) for name in datasets),
            row.exported_as,
            *(_rounded((row.exported_db or {}).get(name), 2) for name in datasets),
            _rounded(row.seconds, 1),
            "yes" if row.ground_truth else "no",
            _rounded(row.size_bytes and row.size_bytes / 1000, 1),
            _rounded(row.median_ms, 2),
        ]
        for row in rows
    ]
    return columns, cells


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def text_rows(rows: Sequence[MethodResult]) -> tuple[list[str], list[list[str]]]:
    """`method_rows` for a terminal."""
    columns, cells = method_rows(rows)
    return columns, [["-" if cell is None else str(cell) for cell in row] for row in cells]


def quality_lines(rows: Sequence[MethodResult], dataset: str) -> dict[str, list[tuple]]:
    """For each method its (bits, simulated PSNR) by rising bits; the float network is left out."""
    lines: dict[str, list[tuple]] = {}
    for row in rows:
        if row.bits is not None:
            lines.setdefault(row.method, []).append((row.bits, row.simulated_db[dataset]))
    return {method: sorted(points) for method, points in lines.items()}


def methods_page(
    network: str, rows: Sequence[MethodResult], *, scale: int, machine: Mapping[str, Any]
) -> Page:
    """The page: table, a plot for each dataset, ratios, machine."""
    page = Page(f"Quantization methods: {network}")
    page.add_text(_INTRODUCTION)
    columns, cells = method_rows(rows)
    page.add_table(columns, cells, caption=f"luma; {protocol(scale)}")
    for dataset in rows[0].simulated_db:
        page.add_heading(f"Simulated, {dataset}")
        whole = next(row.simulated_db[dataset] for row in rows if row.method == FLOAT)
        page.add_quality_by_bits(
            quality_lines(rows, dataset), float_db=whole, caption="luma PSNR; dashed: float"
        )
    if found := calibration_speedups(rows):
        page.add_heading("Training against calibration")
        equal = speedups_at_equal_quality(rows)
        ratios = [[name, ratio, equal.get(name)] for name, ratio in found.items()]
        page.add_table(
            ["method and bits", "times faster than training PAMS", "than training it as far"],
            ratios,
            caption="both timed in this run; as far: to the PSNR of the calibrated network on the "
            "pictures that training holds back",
        )
    page.add_heading("Machine")
    page.add_machine(machine)
    return page
