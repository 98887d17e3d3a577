"""The verbs of `sr-bench` about quantizing a network: calibration, drop, precision."""

from __future__ import annotations

import math
from typing import Annotated

import typer

from runtime_bench.verbs.options import Json, Runs, Seconds
from sr_models.ground.console import GateNotMet, print_table, progress, say, write_json
from sr_models.ground.native_output import import_tensorflow_quietly


def calibration(
    name: Annotated[str, typer.Argument(help="Preset name, e.g. xlsr_x3.")],
    *,
    images: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Pictures. [default: scikit-image's pictures]"),
    ] = None,
    pictures: Annotated[int, typer.Option(help="Number of pictures.")] = 100,
    side: Annotated[int, typer.Option(help="Their height and width in input pixels.")] = 96,
    rounds: Annotated[int, typer.Option(help="Interleaved rounds.")] = 5,
    json: Json = None,
) -> None:
    """Time observing tensor ranges against the calibrators of others, on the same pictures.

    They are the TFLite converter's and, where it is installed, ai-edge-quantizer's.

    [bold]Examples[/bold]

    \b
    sr-bench calibration xlsr_x3
    sr-bench calibration xlsr_x3 --images photos --pictures 100 --json -
    """
    from runtime_bench.measuring.machine import read_machine
    from runtime_bench.pages.tables import print_calibration, protocol_lines

    machine = read_machine()
    import_tensorflow_quietly()
    from export.running.runtimes import find_runtime
    from representative_data.cfqp import build_natural_dataset
    from representative_data.pictures import bundled_pictures
    from representative_data.tiles import load_tiles
    from runtime_bench.evidence.calibration import time_observers
    from sr_models.networks.network import load_model
    from sr_models.networks.presets import get_preset

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


def drop(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Preset names.")],
    *,
    data: Annotated[
        str, typer.Option(metavar="DIR", help="Ground truth; each subfolder is a dataset.")
    ],
    methods: Annotated[
        list[str] | None, typer.Option("--method", help="A recipe; repeatable.")
    ] = None,
    images: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Calibration. [default: scikit-image's pictures]"),
    ] = None,
    max_drop_db: Annotated[
        float | None, typer.Option(help="Gate: largest mean drop, RGB and luma, in dB.")
    ] = None,
    twin: Annotated[
        bool, typer.Option("--twin", help="Gate: no worse than the clipped twin by min/max.")
    ] = False,
    json: Json = None,
) -> None:
    """Show what INT8 costs in PSNR, by network and method: RGB / luma, in dB.

    Exit status 1 where a gate is not met.

    [bold]Examples[/bold]

    \b
    sr-bench drop xlsr_x3 abpn_x3 --data benchmark
    sr-bench drop xlsr_x3 --method cfqp --method cfqp+equalize+adaround --data benchmark
    sr-bench drop xlsr_x3 --data benchmark --twin --max-drop-db 0.05 --json -
    """
    from runtime_bench.measuring.machine import read_machine

    machine = read_machine()
    import_tensorflow_quietly()
    from export.exporting.settings import DEFAULTS
    from export.running.runtimes import find_runtime
    from runtime_bench.comparing.drop import TWIN, drop_rows, drops, worse_than_twins
    from runtime_bench.measuring.quality import find_datasets
    from runtime_bench.pages.tables import protocol_lines
    from sr_models.networks.presets import get_preset

    datasets, wanted = find_datasets(data), methods or [DEFAULTS.quantizing.recipe]
    for name in names:
        get_preset(name)
    results = [
        result
        for name in names
        for result in drops(name, wanted, datasets=datasets, images=images, twin=twin, on_stage=say)
    ]
    write_json({"results": [r.to_json() for r in results], "machine": machine.to_json()}, json)
    if json != "-":
        columns, rows = drop_rows(results)
        print_table("INT8 drop in dB, RGB / luma", columns, rows)
    for line in protocol_lines(machine, str(find_runtime())):
        say(line)
    limit = math.inf if max_drop_db is None else max_drop_db
    over = [
        f"{r.network} by {r.method}"
        for r in results
        if r.method != TWIN and not max(r.mean_rgb_db, r.mean_y_db) <= limit
    ]
    if over:
        raise GateNotMet(f"gate not met: max-drop-db {limit:g}; more for {', '.join(over)}")
    if worse := worse_than_twins(results):
        raise GateNotMet(f"gate not met: twin; below their clipped twins: {', '.join(worse)}")


def precision(
    name: Annotated[str, typer.Argument(help="Preset name, e.g. xlsr_x3.")],
    *,
    data: Annotated[
        str, typer.Option(metavar="DIR", help="Ground truth; each subfolder is a dataset.")
    ],
    method: Annotated[str | None, typer.Option(help="A recipe. [default: sr-export's]")] = None,
    most_sensitive: Annotated[
        int, typer.Option(metavar="N", help="Layers that the mixed files keep above int8.")
    ] = 3,
    images: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Calibration. [default: scikit-image's pictures]"),
    ] = None,
    height: Annotated[int, typer.Option(help="Input height of the files.")] = 360,
    width: Annotated[int, typer.Option(help="Input width of the files.")] = 640,
    threads: Annotated[int, typer.Option(help="Threads the kernels may use.")] = 1,
    runs: Runs = 15,
    seconds: Seconds = 60.0,
    json: Json = None,
) -> None:
    """Show what int8, mixed, int16x8 and float32 files of a network lose, take and weigh.

    Drop is PSNR of the float network less that of the file, mean over the datasets; files are timed
    in interleaved rounds.

    [bold]Examples[/bold]

    \b
    sr-bench precision xlsr_x3 --data benchmark
    sr-bench precision xlsr_x3 --data benchmark --method cfqp --most-sensitive 4 --json -
    """
    from runtime_bench.measuring.machine import read_machine
    from sr_models.networks.presets import get_preset

    get_preset(name)
    machine = read_machine()
    import_tensorflow_quietly()
    from export.exporting.settings import DEFAULTS
    from export.running.runtimes import find_runtime
    from runtime_bench.evidence.precision import (
        compare_precisions,
        precision_choices,
        precision_rows,
    )
    from runtime_bench.measuring.latency import Plan
    from runtime_bench.measuring.quality import find_datasets
    from runtime_bench.pages.tables import protocol_lines

    plan, datasets = Plan(runs=runs, seconds=seconds), find_datasets(data)
    choices = precision_choices(
        height=height,
        width=width,
        method=method or DEFAULTS.quantizing.recipe,
        most_sensitive=most_sensitive,
    )
    results = compare_precisions(
        name, choices, datasets=datasets, images=images, threads=threads, plan=plan, on_stage=say
    )
    write_json({"results": [r.to_json() for r in results], "machine": machine.to_json()}, json)
    if json != "-":
        columns, rows = precision_rows(results)
        title = f"{name}, {height}x{width}, {threads} thread(s): PSNR and median latency"
        print_table(title, columns, rows)
        for row in results:
            if row.name.startswith("mixed"):
                say(f"{row.name}: {', '.join(row.layers)}")
    for line in protocol_lines(machine, str(find_runtime())):
        say(line)
