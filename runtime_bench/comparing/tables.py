"""A comparison as tables on a terminal."""

from __future__ import annotations

from collections.abc import Mapping

from runtime_bench.comparing.comparison import FileComparison
from runtime_bench.measuring.tables import print_latency, print_quality
from sr_models.ground.console import print_table


def print_comparison(result: FileComparison) -> None:
    """Times, pictures, differences and gates of a comparison."""
    print_latency([result.baseline, result.candidate])
    if result.quality:
        print_quality(result.quality)
    speed, apart = result.speed, result.difference
    differing = f"{apart.differing_fraction:.2%}"
    rows = [
        ["speed-up", f"{speed.speedup:.3f} (95 %: {speed.low:.3f} to {speed.high:.3f})"],
        ["candidate is", f"{speed.verdict} (p = {speed.p_value:.3g})"],
        ["code difference", f"at most {apart.max_abs_code_difference}, {differing}"],
        ["size", f"{result.baseline.size_bytes} -> {result.candidate.size_bytes} bytes"],
    ]
    for name, drop in result.psnr_drops_db.items():
        rgb = "" if result.quality[0].luma else f"{drop['psnr_drop_db']:+.3f} dB RGB, "
        text = f"{rgb}{drop['psnr_y_drop_db']:+.3f} dB Y"
        rows.append([f"PSNR drop, {name}", text])
    rows += gate_rows(result.gates)
    print_table("Candidate against baseline", ("", "found"), rows)


def gate_rows(gates: Mapping[str, bool]) -> list[list[str]]:
    """One row per gate."""
    return [
        [f"gate {name.replace('_', '-')}", "passed" if passed else "NOT MET"]
        for name, passed in gates.items()
    ]
