"""The verbs of `sr-bench` that measure networks by name: calibration and forms."""

from __future__ import annotations

from typing import Annotated

import typer

from runtime_bench.options import Json, Runs, Seconds, ThreadCounts
from sr_models.command import progress, say, write_json
from sr_models.native_output import import_tensorflow_quietly


def calibration(
    name: Annotated[str, typer.Argument(help="Preset name, e.g. xlsr_x3.")], *,
    images: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Pictures. [default: scikit-image's pictures]"),
    ] = None,
    pictures: Annotated[int, typer.Option(help="Number of pictures.")] = 100,
    side: Annotated[int, typer.Option(help="Their height and width in input pixels.")] = 96,
    rounds: Annotated[int, typer.Option(help="Interleaved rounds.")] = 5,
    json: Json = None,
) -> None:  # fmt: skip
    """Time observing tensor ranges against the TFLite converter's own calibrator.

    [bold]Examples[/bold]

    \b
    sr-bench calibration xlsr_x3
    sr-bench calibration xlsr_x3 --images photos --pictures 100 --json -
    """
    from runtime_bench.machine import read_machine
    from runtime_bench.tables import print_calibration, protocol_lines

    machine = read_machine()
    import_tensorflow_quietly()
    from export.runtimes import find_runtime
    from representative_data.cfqp import build_natural_dataset
    from representative_data.sources import bundled_pictures
    from representative_data.tiles import load_tiles
    from runtime_bench.calibration import time_observers
    from sr_models.network import load_model
    from sr_models.presets import get_preset

    scale = get_preset(name).scale
    model = load_model(name)
    source = bundled_pictures() if images is None else images
    tiles = load_tiles(source, scale=scale, count=pictures, side=side)
    dataset = build_natural_dataset(model, tiles, network=name, scale=scale)
    with progress("observing", unit="rounds") as update:
        timing = time_observers(model, dataset, rounds=rounds, on_round=update)
    write_json({**timing.to_json(), "model": name, "machine": machine.to_json()}, json)
    if json != "-":
        print_calibration(timing)
    for line in protocol_lines(machine, str(find_runtime())):
        say(line)


def forms(
    name: Annotated[str, typer.Argument(help="Preset name, e.g. xlsr_x3.")], *,
    threads: ThreadCounts = [1],  # noqa: B006
    height: Annotated[int, typer.Option(help="Input height of the files.")] = 360,
    width: Annotated[int, typer.Option(help="Input width of the files.")] = 640,
    runs: Runs = 25, seconds: Seconds = 60.0, json: Json = None,
) -> None:  # fmt: skip
    """Time a network's training form against its deployed form, both as int8 files.

    [bold]Examples[/bold]

    \b
    sr-bench forms xlsr_x3 --threads 1 --threads 2
    """
    import tempfile
    from pathlib import Path

    from sr_models.presets import get_preset

    preset = get_preset(name)
    from runtime_bench.machine import read_machine

    machine = read_machine()
    import_tensorflow_quietly()
    from runtime_bench.forms import forms_json, time_forms, write_forms
    from runtime_bench.latency import Plan
    from runtime_bench.tables import print_forms, protocol_lines

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
