"""What phones measured, as tables on a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from runtime_bench.android.measurement import PhoneLatency
from runtime_bench.android.placement import TEXT
from runtime_bench.android.quality import PhoneQuality
from runtime_bench.measuring.tables import short_names
from sr_models.ground.console import print_table

SCHEDULING = (
    "programs started over adb are scheduled in another way than an app: compare rows with rows"
)


def print_phones(results: Sequence[PhoneLatency], rated: Sequence[PhoneQuality] = ()) -> None:
    """Times of each phone, file and number of threads, and where they ran; pictures below.

    Two tables, and the only phone in their title, so that they fit on a narrow terminal.
    """
    names = short_names([found.model.name for found in results])
    rows = [found.to_json() for found in results]
    phones = phone_labels(rows)
    several = len(phones) > 1
    title = "Latency on phones, ms" + ("" if several else f": {next(iter(phones.values()), '')}")

    def head(row: Mapping[str, Any]) -> list:
        return [*([phones[row["serial"]]] if several else []), names[row["model"]]]

    times = ("runs", "median_ms", "mean_ms", "p5_ms", "p95_ms", "first_ms", "init_ms")
    if rows:
        columns = ["phone", "file"] if several else ["file"]
        cells = [
            [
                *(*head(row), row["delegate"], row["threads"]),
                *(_shown(row[key]) for key in times),
                row["thermal_after"]["state"] or "?",
            ]
            for row in rows
        ]
        figures = ["runs", "median", "mean", "p5", "p95", "first", "init", "heat"]
        print_table(title, [*columns, "delegate", "threads", *figures], cells)
        places = [(*head(row), delegate_text(row), _placement(row)) for row in rows]
        columns += ["delegate", "where the nodes ran"]
        print_table("Delegates", columns, list(dict.fromkeys(places)))
    for found in results:
        if found.profile:
            _print_profile(found, names[found.model.name])
    if rated:
        _print_quality(rated)


def phone_labels(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Serial to name of each phone, with the serial behind it where two have one name."""
    names = {row["serial"]: row["phone"] for row in rows}
    shared = [name for name in names.values() if list(names.values()).count(name) > 1]
    return {
        serial: f"{name} ({serial})" if name in shared else name for serial, name in names.items()
    }


def phone_protocol_lines(results: Sequence[PhoneLatency]) -> list[str]:
    """What must stand below the table: phones, programs, notices."""
    lines = list(
        dict.fromkeys(
            f"{found.phone.name} ({found.phone.serial}), {found.phone.soc or 'unknown SoC'}, "
            f"API {found.phone.sdk}, {'/'.join(found.phone.abis) or '?'}; ran on {found.runtime}; "
            f"times read from {_told(found.source)}, nodes from {_told(found.placement.source)}"
            for found in results
        )
    )
    notices = [notice for found in results for notice in found.notices]
    if results:
        lines.append(SCHEDULING)
    return lines + [f"warning: {notice}" for notice in dict.fromkeys(notices)]


def delegate_text(row: Mapping[str, Any]) -> str:
    """The delegate of a row, and what is to be said of one that is no longer developed."""
    return f"{row['delegate']}: {row['legacy']}" if row.get("legacy") else row["delegate"]


def _told(source: str) -> str:
    return "the program's text" if source == TEXT else source


def _placement(row: dict[str, Any]) -> str:
    nodes = (row["delegated_nodes"], row["total_nodes"])
    text = row["placement"]
    if None not in nodes:
        text += f", {nodes[0]}/{nodes[1]} nodes"
    if row["partitions"]:
        text += f" in {row['partitions']}"
    if row["left_behind"] and not row["fell_back"]:
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
