"""The two forms of a network, training and deployed, timed as files against each other."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from export.running.plan import Plan
from export.running.statistics import Comparison, compare_samples
from runtime_bench.evidence.studies import study
from runtime_bench.measuring.latency import Latency, open_entries, time_entries
from runtime_bench.measuring.machine import read_machine
from runtime_bench.measuring.options import (
    ExportSize,
    Json,
    Name,
    Runs,
    Seconds,
    ThreadCounts,
    sides,
)
from runtime_bench.measuring.tables import protocol_lines
from sr_models.ground.console import print_table, say, write_json
from sr_models.ground.errors import OptionError
from sr_models.ground.native_output import import_tensorflow_quietly
from sr_models.networks.presets import Preset, get_preset
from sr_models.networks.registry import get_family


def write_forms(
    preset: Preset, folder: Path, *, height: int, width: int, weights: str | Path | None = None
) -> dict[str, Path]:
    """Write both forms of a network as int8 files with the same weights: form name -> file.

    Raises:
        OptionError: The family has one form only, or no way back to its training form.
    """
    if get_family(preset.family).to_training_form in (None, dict):
        raise OptionError(
            f"expected a network with two forms, found {preset.name}, whose family "
            f"{preset.family} has one; choose another network"
        )
    from export.exporting.conversion import convert_with_calibrator
    from representative_data.cfqp import build_natural_dataset
    from representative_data.pictures import bundled_pictures
    from representative_data.tiles import load_tiles
    from sr_models.networks.network import convert_form, load_trunk
    from sr_models.networks.tails import attach_tail

    deployed = load_trunk(preset, weights=weights)
    trunks = {"train": convert_form(deployed, preset, form="train"), "deploy": deployed}
    tiles = load_tiles(bundled_pictures(), scale=preset.scale, count=12)
    files = {}
    for form, trunk in trunks.items():
        model = attach_tail(trunk, "relu", scale=preset.scale)
        dataset = build_natural_dataset(model, tiles, network=preset.name, scale=preset.scale)
        content = convert_with_calibrator(model, dataset, height=height, width=width, io="int8")
        files[form] = folder / f"{preset.name}_{form}.tflite"
        files[form].write_bytes(content)
    return files


def time_forms(
    files: dict[str, Path], *, threads: int, plan: Plan | None = None
) -> tuple[dict[str, Latency], Comparison]:
    """Time both files in interleaved rounds; the comparison's baseline is the training form."""
    results = time_entries(open_entries(list(files.values()), threads=[threads]), plan)
    named = dict(zip(files, results))
    return named, compare_samples(named["train"].samples_ms, named["deploy"].samples_ms)


def forms_json(
    timings: dict[int, tuple[dict[str, Latency], Comparison]],
) -> list[dict[str, Any]]:
    """One row for each form and number of threads, with the deployed form's speed-up."""
    return [
        {"form": form, "threads": threads, **latency.to_json(), **comparison.to_json()}
        for threads, (named, comparison) in timings.items()
        for form, latency in named.items()
    ]


def print_forms(timings: Mapping[int, tuple[Mapping[str, Latency], Comparison]]) -> None:
    """One row for each number of threads: both forms, and the deployed form's speed-up."""
    rows = [
        [
            threads,
            round(named["train"].summary.median_ms, 1),
            round(named["deploy"].summary.median_ms, 1),
            round(found.speedup, 3),
            f"{found.low:.3f} to {found.high:.3f}",
            found.verdict,
        ]
        for threads, (named, found) in timings.items()
    ]
    columns = ["threads", "training form ms", "deployed form ms", "speed-up", "95 %", "deployed is"]
    print_table("Two forms of one network", columns, rows)


@study("forms")
def forms(
    name: Name,
    *,
    threads: ThreadCounts = [1],  # noqa: B006
    size: ExportSize = "360x640",
    runs: Runs = 25,
    seconds: Seconds = 60.0,
    json: Json = None,
) -> None:
    """Time a network's training form against its deployed form, both as int8 files.

    [bold]Examples[/bold]

    \b
    sr-bench evidence forms xlsr_x3 --threads 1 --threads 2
    """
    preset, chosen = get_preset(name), sides(size)
    machine = read_machine()
    import_tensorflow_quietly()
    plan = Plan(runs=runs, seconds=seconds)
    with tempfile.TemporaryDirectory() as folder:
        say("converting both forms")
        files = write_forms(preset, Path(folder), **chosen)
        say("timing (interleaved)")
        timings = {count: time_forms(files, threads=count, plan=plan) for count in threads}
    write_json({"results": forms_json(timings), "machine": machine.to_json()}, json)
    if json != "-":
        print_forms(timings)
    runtime = next(iter(timings.values()))[0]["deploy"].runtime
    for line in protocol_lines(machine, runtime):
        say(line)
