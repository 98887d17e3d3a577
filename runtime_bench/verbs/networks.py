"""The verbs of `sr-bench` that are given networks: forms, models, training."""

from __future__ import annotations

from typing import Annotated

import typer

from runtime_bench.verbs.options import Json, Runs, Seconds, ThreadCounts
from sr_models.ground.console import GateNotMet, progress, say, write_json
from sr_models.ground.errors import OptionError
from sr_models.ground.files import require_writable, writing_file
from sr_models.ground.native_output import import_tensorflow_quietly


def forms(
    name: Annotated[str, typer.Argument(help="Preset name, e.g. xlsr_x3.")],
    *,
    threads: ThreadCounts = [1],  # noqa: B006
    height: Annotated[int, typer.Option(help="Input height of the files.")] = 360,
    width: Annotated[int, typer.Option(help="Input width of the files.")] = 640,
    runs: Runs = 25,
    seconds: Seconds = 60.0,
    json: Json = None,
) -> None:
    """Time a network's training form against its deployed form, both as int8 files.

    [bold]Examples[/bold]

    \b
    sr-bench forms xlsr_x3 --threads 1 --threads 2
    """
    import tempfile
    from pathlib import Path

    from sr_models.networks.presets import get_preset

    preset = get_preset(name)
    from runtime_bench.measuring.machine import read_machine

    machine = read_machine()
    import_tensorflow_quietly()
    from runtime_bench.evidence.forms import forms_json, time_forms, write_forms
    from runtime_bench.measuring.latency import Plan
    from runtime_bench.pages.tables import print_forms, protocol_lines

    plan = Plan(runs=runs, seconds=seconds)
    with tempfile.TemporaryDirectory() as folder:
        say("converting both forms")
        files = write_forms(preset, Path(folder), height=height, width=width)
        say("timing (interleaved)")
        timings = {count: time_forms(files, threads=count, plan=plan) for count in threads}
    write_json({"results": forms_json(timings), "machine": machine.to_json()}, json)
    if json != "-":
        print_forms(timings)
    runtime = next(iter(timings.values()))[0]["deploy"].runtime
    for line in protocol_lines(machine, runtime):
        say(line)


def training(
    patterns: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PATTERN]...",
            help="Names of presets, or shell patterns. [default: one "
            "network of each family, at x3 where there is one, without the large ones]",
        ),
    ] = None,
    *,
    data: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Training pictures. [default: scikit-image's]"),
    ] = None,
    steps: Annotated[int, typer.Option(help="Steps that count, at most.")] = 50,
    warmup: Annotated[int, typer.Option(help="Steps before them.")] = 10,
    seconds: Annotated[float, typer.Option(help="Time budget of the steps of a network.")] = 30.0,
    max_waiting: Annotated[
        float | None, typer.Option(help="Gate: largest share of the time waiting for data, 0..1.")
    ] = None,
    json: Json = None,
) -> None:
    """Time the training of networks by their recipes, and the share spent waiting for data.

    Exit status 1 where a gate is not met.

    [bold]Examples[/bold]

    \b
    sr-bench training
    sr-bench training 'xlsr*' abpn_x3 --data pictures --max-waiting 0.05
    sr-bench training xlsr_x3 --steps 200 --seconds 60 --json -
    """
    from runtime_bench.measuring.machine import read_machine

    machine = read_machine()
    import_tensorflow_quietly()
    import tensorflow as tf

    from runtime_bench.evidence.training import Pace, select_presets, time_presets
    from runtime_bench.pages.tables import print_training, protocol_lines

    presets = select_presets(patterns or [])
    pace = Pace(warmup=warmup, steps=steps, seconds=seconds)
    with progress("training", unit="networks") as update:
        results = time_presets(presets, data=data, pace=pace, on_network=update)
    devices = [device.name for device in tf.config.list_logical_devices()]
    write_json(
        {
            "results": [result.to_json() for result in results],
            "devices": devices,
            "machine": machine.to_json(),
        },
        json,
    )
    if json != "-":
        print_training(results)
    for line in protocol_lines(machine, f"TensorFlow {tf.__version__}, {', '.join(devices)}"):
        say(line)
    limit = 1.0 if max_waiting is None else max_waiting
    late = [result.preset for result in results if result.waiting_fraction > limit]
    if late:
        raise GateNotMet(f"gate not met: max-waiting {limit:g}; {', '.join(late)} waited longer")


def models(
    *,
    out: Annotated[str, typer.Option(metavar="PAGE.md", help="The page.")],
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; status 1 where it is out of date.")
    ] = False,
    keep_measured: Annotated[
        bool, typer.Option("--keep-measured", help="Export nothing; keep what was measured.")
    ] = False,
    largest_parameters: Annotated[
        int | None, typer.Option(help="Measure no network of more parameters than this.")
    ] = None,
    json: Json = None,
) -> None:
    """Write a page of all networks: cost, quality, and where their int8 files run.

    [bold]Examples[/bold]

    \b
    sr-bench models --out docs/models.md
    sr-bench models --out docs/models.md --keep-measured
    sr-bench models --out docs/models.md --check
    """
    from pathlib import Path

    from runtime_bench.evidence import models as model_table

    networks = model_table.network_facts()
    if check:
        write_json({"networks": networks}, json)
        if difference := model_table.outdated(out, networks):
            raise GateNotMet(f"out of date: {difference}; renew the page with --keep-measured")
        say(f"{out} is up to date")
        return
    require_writable(out)
    found: dict = {}
    # A page that is there is read in any case: nothing else is ever replaced.
    kept = model_table.read_page(out)[1] if keep_measured or Path(out).exists() else ""
    if not keep_measured:
        found, runtime = _placements(largest_parameters)
        kept = model_table.measured_part(found, runtime=runtime)
    elif missing := model_table.not_measured(kept, networks):
        raise OptionError(
            f"expected {out} to have a measurement of {', '.join(missing)}, found none; "
            "leave out --keep-measured"
        )
    with writing_file(out) as page:
        page.write_text(f"{model_table.facts_part(networks)}\n{kept}")
    placements = [placement.to_json() for placement in found.values() if placement]
    write_json({"networks": networks, "placements": placements}, json)
    say(f"wrote {out}")


def _placements(largest_parameters: int | None) -> tuple[dict, str]:
    """Where the int8 file of each network runs, and the interpreter that was asked."""
    import_tensorflow_quietly()
    from export.running.runtimes import find_runtime
    from runtime_bench.evidence.models import measure_placement
    from sr_models.networks.presets import PRESETS, list_presets

    names, found = list_presets(), {}
    with progress("exporting", unit="networks") as update:
        for done, name in enumerate(names):
            update(done, len(names), name)
            preset = PRESETS[name]
            small = largest_parameters is None or preset.parameters <= largest_parameters
            found[name] = measure_placement(preset) if small else None
    return found, str(find_runtime())
