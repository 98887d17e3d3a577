"""What phones measured, as tables on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from runtime_bench.android.measurement import PhoneLatency
from runtime_bench.android.quality import PhoneQuality
from runtime_bench.measuring.tables import short_names
from sr_models.ground.console import print_table

SCHEDULING = (
    "programs started over adb are scheduled in another way than an app: compare rows with rows"
)


def print_phones(results: Sequence[PhoneLatency], rated: Sequence[PhoneQuality] = ()) -> None:
    """One row per phone, file and number of threads; profiles and pictures below."""
    names = short_names([found.model.name for found in results])
    rows = []
    for found in results:
        row = found.to_json()
        times = (row[key] for key in ("median_ms", "mean_ms", "p5_ms", "p95_ms", "first_ms"))
        rows.append(
            [
                row["phone"],
                names[found.model.name],
                row["delegate"],
                row["threads"],
                _shown(row["runs"]),
                *map(_shown, times),
                _shown(row["init_ms"]),
                _placement(row),
                row["thermal_after"]["state"] or "?",
            ]
        )
    if rows:
        columns = (
            "phone",
            "file",
            "delegate",
            "threads",
            "runs",
            "median ms",
            "mean",
            "p5",
            "p95",
            "first",
            "init",
            "where",
            "throttling",
        )
        print_table("Latency on phones", columns, rows)
    for found in results:
        if found.profile:
            _print_profile(found, names[found.model.name])
    if rated:
        _print_quality(rated)


def phone_protocol_lines(results: Sequence[PhoneLatency]) -> list[str]:
    """What must stand below the table: phones, programs, notices."""
    lines = list(
        dict.fromkeys(
            f"{found.phone.name} ({found.phone.serial}), {found.phone.soc or 'unknown SoC'}, "
            f"API {found.phone.sdk}, {'/'.join(found.phone.abis) or '?'}; ran on {found.runtime}"
            for found in results
        )
    )
    notices = [notice for found in results for notice in found.notices]
    if results:
        lines.append(SCHEDULING)
    return lines + [f"warning: {notice}" for notice in dict.fromkeys(notices)]


def _placement(row: dict[str, Any]) -> str:
    nodes = (row["delegated_nodes"], row["total_nodes"])
    text = row["placement"]
    if None not in nodes:
        text += f", {nodes[0]}/{nodes[1]} nodes"
    if row["partitions"]:
        text += f" in {row['partitions']}"
    if row["left_behind"]:
        text += f"; on the CPU: {', '.join(dict.fromkeys(row['left_behind']))}"
    return text


def _print_profile(found: PhoneLatency, name: str) -> None:
    rows = [
        [
            operator.op,
            "delegate" if operator.inside else "graph",
            round(operator.mean_ms, 3),
            _shown(operator.percent),
            operator.name,
        ]
        for operator in found.profile
    ]
    title = f"{name} on {found.phone.name}, {found.delegate}, {found.run.threads} thread(s)"
    print_table(title, ("operator", "inside of", "mean ms", "%", "name"), rows)


def _print_quality(rated: Sequence[PhoneQuality]) -> None:
    names = short_names([row.model for row in rated])
    rows = [
        [
            row.serial,
            names[row.model],
            row.dataset,
            row.images,
            f"x{row.scale}",
            round(row.phone.psnr_rgb_db, 3),
            round(row.desktop.psnr_rgb_db, 3),
            row.largest,
            f"{row.differing_fraction:.2%}",
        ]
        for row in rated
    ]
    columns = (
        "phone",
        "file",
        "dataset",
        "images",
        "scale",
        "PSNR RGB dB",
        "on this machine",
        "largest code difference",
        "codes that differ",
    )
    print_table("Pictures made on phones", columns, rows)


def _shown(value: float | None) -> Any:
    if value is None:
        return "?"
    return round(value, 2) if isinstance(value, float) else value
