"""Latencies, operators and quality of files as tables on a terminal."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from runtime_bench.measuring.latency import Latency
from runtime_bench.measuring.machine import Machine
from runtime_bench.measuring.quality import QualityResult
from sr_models.ground.console import print_table

WIDE = 1.5
"""95th over 5th percentile of runs from which on a machine was too noisy to tell."""


def short_names(names: Iterable[str]) -> dict[str, str]:
    """Each path to the fewest last parts that tell it from the others."""
    names = list(dict.fromkeys(names))
    parts = {name: Path(name).parts or (name,) for name in names}
    for length in range(1, max(map(len, parts.values()), default=1)):
        short = {name: str(Path(*parts[name][-length:])) for name in names}
        if len(set(short.values())) == len(names):
            return short
    return {name: name for name in names}


def nodes_text(delegated: int | None, total: int | None, partitions: int | None) -> str:
    """`4/6 in 1`: delegated of all nodes, in how many partitions; `?` where unknown."""
    if delegated is None or total is None:
        return "?"
    return f"{delegated}/{total} in {partitions}"


def left_text(left_behind: Sequence[str] | None) -> str:
    """`2 QUANTIZE, ADD`: operators that no delegate took, by kind; empty for none or unknown."""
    counts = Counter(left_behind or ())
    return ", ".join(name if count == 1 else f"{count} {name}" for name, count in counts.items())


def memory_text(peak_mb: float | None) -> str:
    """Memory in MiB; `?` where unknown."""
    return "?" if peak_mb is None else f"{peak_mb:.1f}"


def size_text(height: int | None, width: int | None) -> str:
    """`360x640`; `?` where unknown."""
    return "?" if height is None or width is None else f"{height}x{width}"


def place_text(delegate: str, inside: bool, partition: int | None) -> str:
    """`xnnpack 0`: the delegate and which of its kernels; `builtin` outside of it."""
    if not inside:
        return "builtin"
    return delegate if partition is None else f"{delegate} {partition}"


def print_latency(results: Sequence[Latency]) -> None:
    """One row per file, delegate and number of threads."""
    names = short_names(result.model for result in results)
    with_memory = any(result.peak_memory_mb is not None for result in results)
    rows = []
    for result in results:
        row = result.to_json()
        times_ms = (row[f"{name}_ms"] for name in ("median", "p5", "p95", "first", "init"))
        rows.append(
            [
                names[result.model],
                result.delegate,
                result.threads,
                row["runs"],
                *(round(time_ms, 2) for time_ms in times_ms),
                nodes_text(row["delegated_nodes"], row["total_nodes"], row["partitions"]),
                # Kernels without a delegate have nothing to leave behind.
                ""
                if result.delegate in ("builtin", "reference")
                else left_text(row["left_behind"]),
                *([memory_text(result.peak_memory_mb)] if with_memory else []),
            ]
        )
    columns = (
        "file",
        "delegate",
        "threads",
        "runs",
        "median ms",
        "p5",
        "p95",
        "first",
        "init",
        "delegated nodes",
        "left behind",
        *(["peak MiB"] if with_memory else []),
    )
    print_table("Latency", columns, rows)


def print_profiles(results: Sequence[Latency]) -> None:
    """One table for each profiled result, the slowest operator first."""
    names = short_names(result.model for result in results)
    for result in results:
        if result.profile is None:
            continue
        rows = [
            [
                operator.op,
                size_text(operator.height, operator.width),
                place_text(result.delegate, operator.inside, operator.partition),
                round(operator.median_ms, 3),
                round(operator.p5_ms, 3),
                round(operator.p95_ms, 3),
                f"{operator.percent:.1f}",
                operator.kernel or "-",
                operator.name.split(";")[0],
            ]
            for operator in sorted(result.profile.operators, key=lambda op: -op.median_ms)
        ]
        title = (
            f"Operators of {names[result.model]}, {result.delegate}, {result.threads} thread(s), "
            f"{result.profile.runs} profiled runs of {result.profile.total_ms:.2f} ms"
        )
        columns = (
            "operator",
            "output",
            "ran in",
            "median ms",
            "p5",
            "p95",
            "%",
            "kernel",
            "tensor",
        )
        print_table(title, columns, rows)


def print_quality(results: Sequence[QualityResult]) -> None:
    """One row per file and dataset, raw beside dequantized."""
    names = short_names(result.model for result in results)
    rows = [
        [
            names[result.model],
            result.dataset,
            len(result.images),
            f"x{result.scale}",
            _decibels(result.raw.psnr_rgb_db),
            round(result.raw.psnr_y_db, 2),
            round(result.raw.ssim_y, 4),
            _decibels(result.dequantized.psnr_rgb_db),
            round(result.dequantized.psnr_y_db, 2),
        ]
        for result in results
    ]
    columns = (
        "file",
        "dataset",
        "images",
        "scale",
        "PSNR RGB dB",
        "PSNR Y dB",
        "SSIM Y",
        "dequantized RGB dB",
        "dequantized Y dB",
    )
    print_table("Quality", columns, rows)


def _decibels(value: float) -> float | str:
    # Files of luma have no RGB.
    return "-" if math.isnan(value) else round(value, 2)


def scatter_lines(results: Sequence[Latency]) -> list[str]:
    """A warning for each result whose runs differ so much that their median says little."""
    names = short_names(result.model for result in results)
    return [
        f"warning: {names[result.model]}, {result.delegate}, {result.threads} thread(s): the 95th "
        f"percentile is {result.summary.p95_ms / result.summary.p5_ms:.1f} times the 5th; too "
        "noisy to tell"
        for result in results
        if result.summary.p5_ms > 0 and result.summary.p95_ms > WIDE * result.summary.p5_ms
    ]


def protocol_lines(machine: Machine, runtime: str) -> list[str]:
    """What must stand below every table of timings."""
    versions = ", ".join(f"{name} {value}" for name, value in machine.versions.items() if value)
    lines = [f"{machine.cpu}, {machine.cores} core(s), {machine.system}; ran on {runtime}"]
    lines.append(f"Python {machine.python}, {versions}")
    return lines + ([f"warning: {machine.warning}"] if machine.warning else [])
