"""The demonstration as one table and one HTML page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runtime_bench.demo import Demonstration, Row
from runtime_bench.quality import protocol
from runtime_bench.report import Page
from runtime_bench.statistics import Comparison

_INTRODUCTION = """
Each file holds the same trained weights. The clipped twin is what people ship today: a clip after
the last operator, natural calibration pictures, the converter's own calibrator. Its clip is two
passes over the full-size picture. Taken away alone, it leaves an output scale that is no longer
1/255, so that whoever reads the codes as pixels gets a wrong contrast (raw PSNR). With tamed
representative pictures (CFQP, reconstructed) the int8 grid itself ends at black and white, and the
saturating store of the last convolution is the clip.

Raw PSNR reads the output codes as pixels. Dequantized PSNR applies scale and zero point first. In
a good file both are the same.
"""


def speedup_text(comparison: Comparison) -> str:
    """Ratio with its 95 % interval, or that no difference was shown."""
    if not comparison.significant:
        return f"{comparison.speedup:.2f} (no difference shown)"
    return f"{comparison.speedup:.2f} [{comparison.low:.2f}, {comparison.high:.2f}]"


def table(demonstration: Demonstration) -> tuple[list[str], list[list[str]]]:
    """Columns and rows of the demonstration's table; the first row is the float network."""
    datasets = list(demonstration.float_psnr_db)
    threads = list(demonstration.rows[0].latency)
    columns = ["variant", "operators", "clips", "255 x scale", "codes are pixels"]
    columns += [f"{dataset} raw / dequantized dB" for dataset in datasets]
    for count in threads:
        named = f"{count} thread{'s' if count > 1 else ''}"
        columns += [f"ms, {named}", f"speed-up, {named}"]
    reference = [f"{psnr_db:.3f}" for psnr_db in demonstration.float_psnr_db.values()]
    rows = [["float network", "-", "-", "-", "-", *reference, *["-"] * (2 * len(threads))]]
    rows += [_row(row, baseline=index == 0) for index, row in enumerate(demonstration.rows)]
    return columns, rows


def _row(row: Row, *, baseline: bool) -> list[str]:
    cells = [
        row.variant.name,
        str(sum(row.audit.ops.values())),
        str(len(row.audit.clip_ops)),
        f"{255.0 * row.audit.outputs[0].scale:.4f}",
        "yes" if row.audit.pixel_contract.holds else "no",
    ]
    cells += [
        f"{result.raw.psnr_rgb_db:.3f} / {result.dequantized.psnr_rgb_db:.3f}"
        for result in row.quality
    ]
    for count, latency in row.latency.items():
        speedup = "baseline" if baseline else speedup_text(row.speedup[count])
        cells += [f"{latency.summary.median_ms:.1f}", speedup]
    return cells


def build_page(demonstration: Demonstration, *, machine: Mapping[str, Any], scale: int) -> Page:
    """The page: table, bars, quality against latency, crops, histograms, machine."""
    page = Page(f"Clip-free INT8: {demonstration.network}")
    page.add_text(_INTRODUCTION)
    columns, rows = table(demonstration)
    page.add_table(columns, rows, caption=protocol(scale))
    threads = list(demonstration.rows[0].latency)
    dataset = next(iter(demonstration.float_psnr_db))
    for count in threads:
        page.add_heading(f"Latency at {count} thread{'s' if count > 1 else ''}")
        bars = [
            {"label": row.variant.name, **row.latency[count].summary.to_json()}
            for row in demonstration.rows
        ]
        runs = demonstration.rows[0].latency[count].summary.runs
        page.add_latency_bars(
            bars, caption=f"median of {runs} interleaved runs, whiskers from 5 to 95 %, XNNPACK"
        )
    page.add_heading("Quality against latency")
    page.add_scatter(
        [
            {
                "label": row.variant.name,
                "psnr_db": row.quality[0].raw.psnr_rgb_db,
                "median_ms": row.latency[threads[-1]].summary.median_ms,
            }
            for row in demonstration.rows
        ],
        caption=f"raw PSNR (RGB) on {dataset}, {threads[-1]} threads",
    )
    page.add_heading("Side by side")
    page.add_crops(
        demonstration.crops,
        caption="codes read as pixels; differences to the ground truth, amplified eight times",
    )
    page.add_heading("Output codes")
    page.add_histograms(demonstration.outputs, caption="how often each code occurs, one picture")
    page.add_heading("Machine")
    page.add_machine(machine)
    return page
