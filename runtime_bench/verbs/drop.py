"""The verb of `sr-bench` that shows the INT8 drop."""

from __future__ import annotations

import math
from typing import Annotated

import typer

from runtime_bench.measuring.options import CalibrationInputs, Data, Images, Inputs, Json
from sr_models.ground.console import GateNotMet, print_table, say, write_json
from sr_models.ground.native_output import import_tensorflow_quietly
from sr_models.importing.source_options import SourceOptions, takes_source


@takes_source
def drop(
    names: Annotated[
        list[str], typer.Argument(metavar="NAME|FILE...", help="Networks, as sr-export takes them.")
    ],
    *,
    data: Data,
    methods: Annotated[
        list[str] | None,
        typer.Option("--method", help="A recipe; repeatable.", show_default="as sr-export"),
    ] = None,
    images: Images = None,
    source: SourceOptions,
    inputs: Inputs = None,
    calibration_inputs: CalibrationInputs = None,
    max_drop_db: Annotated[
        float | None, typer.Option(help="Gate: largest mean drop, RGB and luma, in dB.")
    ] = None,
    twin: Annotated[
        bool, typer.Option("--twin", help="Gate: no worse than the clipped baseline by min/max.")
    ] = False,
    json: Json = None,
) -> None:
    """Show the INT8 drop by network and method: RGB / luma, in dB.

    Exit status 1 where a gate is not met.

    [bold]Examples[/bold]

    \b
    sr-bench drop xlsr_x3 abpn_x3 --data benchmark
    sr-bench drop xlsr_x3 --method cfqp --method cfqp+equalize+adaround --data benchmark
    sr-bench drop my_network.onnx --data benchmark --twin --max-drop-db 0.05 --json -
    """
    from export.quantizing.recipe import AUTO, require_recipe
    from runtime_bench.measuring.machine import read_machine
    from runtime_bench.measuring.usage import require_pictures

    for method in methods or ():
        if method != AUTO:
            require_recipe(method)
    pairs = require_pictures(
        data, inputs=inputs, images=images, calibration_inputs=calibration_inputs
    )
    machine = read_machine()
    import_tensorflow_quietly()
    from export.exporting.settings import DEFAULTS
    from export.running.runtimes import find_runtime
    from representative_data.pictures import open_subject
    from runtime_bench.comparing.drop import TWIN, drop_rows, drops, worse_than_twins
    from runtime_bench.measuring.quality import find_datasets
    from runtime_bench.measuring.tables import protocol_lines

    wanted = methods or [DEFAULTS.quantizing.recipe]
    calibrating = {"images": images, "calibration_inputs": calibration_inputs}
    given = {"datasets": find_datasets(data), "inputs": pairs, **calibrating}
    results = []
    for name in names:
        network = open_subject(
            name, images=images, inputs=calibration_inputs, options=source
        ).network
        results += drops(network, wanted, **given, twin=twin, on_stage=say)
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
        if r.method != TWIN and not r.worst_db <= limit
    ]
    if over:
        raise GateNotMet(f"gate not met: max-drop-db {limit:g}; more for {', '.join(over)}")
    if worse := worse_than_twins(results):
        raise GateNotMet(f"gate not met: twin; below their clipped baselines: {', '.join(worse)}")
