"""The verbs of `sr-bench` that say how good `.tflite` files are: quality and compare."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from runtime_bench.comparing.gates import GATES, Gates
from runtime_bench.measuring.options import (
    Against,
    Crops,
    Delegate,
    FilePixels,
    Files,
    FileSize,
    Inputs,
    Json,
    MaybeData,
    Runs,
    Save,
    Scale,
    Seconds,
    Seed,
    Threads,
    Warmup,
    sides,
)
from sr_models.ground.console import GateNotMet, progress, say, write_json
from sr_models.ground.errors import OptionError
from sr_models.ground.pixel_range import parse_pixels


def with_gates(verb: Callable[..., None]) -> Callable[..., None]:
    """A verb whose keywords beyond its own are the gates, each with its option."""
    signature = inspect.signature(verb, eval_str=True)
    *own, _ = signature.parameters.values()
    options = [
        inspect.Parameter(
            gate.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=False if gate.kind is bool else None,
            annotation=Annotated[
                gate.kind if gate.kind is bool else gate.kind | None,
                typer.Option(gate.option, help=gate.help),
            ],
        )
        for gate in GATES
    ]
    verb.__signature__ = signature.replace(parameters=[*own, *options])
    return verb


def quality(
    files: Files,
    *,
    data: Annotated[
        str,
        typer.Option(metavar="DIR", help="Ground-truth pictures; each subfolder is a dataset."),
    ],
    inputs: Inputs = None,
    scale: Scale = None,
    delegate: Delegate = "xnnpack",
    threads: Threads = 1,
    pixels: FilePixels = None,
    crops: Crops = 0,
    save: Save = None,
    against: Against = None,
    json: Json = None,
) -> None:
    """PSNR and SSIM of files on ground-truth pictures, codes read raw and dequantized.

    [bold]Examples[/bold]

    \b
    sr-bench quality model.tflite --data benchmark/Set5
    sr-bench quality clipped.tflite clip_free.tflite --data benchmark --scale 3
    sr-bench quality denoiser.tflite --data clean --inputs noisy
    sr-bench quality model.tflite --data benchmark --json quality.json
    sr-bench quality model.tflite --data benchmark --against psnr.jsonl --save psnr.jsonl
    """
    from runtime_bench.measuring.usage import (
        require_crops,
        require_data,
        require_files,
        require_inputs,
        require_scale,
    )

    given = parse_pixels(pixels) if pixels else None
    require_crops(crops)
    if scale is not None:
        require_scale(scale)
    require_data(data)
    pairs = require_inputs(data, inputs)
    require_files(files, delegates=[delegate], threads=[threads])
    from export.running.interpreters import open_model
    from export.running.pixel_range import find_pixels
    from runtime_bench.comparing.crops import take_crops
    from runtime_bench.history.bookkeeping import Bookkeeping
    from runtime_bench.measuring.machine import read_machine
    from runtime_bench.measuring.quality import (
        find_datasets,
        measure_file,
        quality_protocol,
        scale_of,
    )
    from runtime_bench.measuring.tables import print_quality

    book = Bookkeeping("quality", save=save, against=against)
    datasets = find_datasets(data)
    runners = [open_model(file, delegate=delegate, threads=threads) for file in files]
    for runner in runners:
        scale_of(runner, scale, luma=not crops)
        say(f"{runner.model.name}: {find_pixels(runner.model, given=given)}")
    with progress("upscaling", unit="pictures") as update:
        results = [
            measure_file(runner, dataset, pixels=given, inputs=pairs, on_step=update)
            for runner in runners
            for dataset in datasets
        ]
    cut = take_crops(runners, datasets, count=crops, scale=scale, pixels=given, inputs=pairs)
    rows = [result.to_json() for result in results]
    trend = book.take(rows, machine=read_machine().to_json(), protocol={})
    write_json(
        {
            "results": rows,
            "per_image": [row for result in results for row in result.per_image()],
            "crops": [crop.to_json() for crop in cut],
            **trend,
        },
        json,
    )
    if json != "-":
        print_quality(results)
        book.print()
    for factor, luma in sorted({(result.scale, result.luma) for result in results}):
        say(quality_protocol(factor, luma=luma, given=bool(pairs)))
    book.close()


@with_gates
def compare(
    baseline: Annotated[str, typer.Argument(help="The file that is there today.")],
    candidate: Annotated[str, typer.Argument(help="The file that shall replace it.")],
    *,
    data: MaybeData = None,
    inputs: Inputs = None,
    scale: Scale = None,
    delegate: Delegate = "xnnpack",
    threads: Threads = 1,
    runs: Runs = 50,
    seconds: Seconds = 60.0,
    warmup: Warmup = 3,
    seed: Seed = 0,
    size: FileSize = None,
    crops: Crops = 0,
    pixels: FilePixels = None,
    save: Save = None,
    against: Against = None,
    json: Json = None,
    **limits: Any,
) -> None:
    """Is the candidate better? Interleaved timing, PSNR, output difference, and gates.

    Exit status 1 where a gate is not met.

    [bold]Examples[/bold]

    \b
    sr-bench compare clipped.tflite clip_free.tflite
    sr-bench compare clipped.tflite clip_free.tflite --threads 2 --min-speedup 1.3
    sr-bench compare old.tflite new.tflite --data benchmark --max-psnr-drop-db 0.02
    sr-bench compare old.tflite new.tflite --no-clip-ops --pixel-contract --json compare.json
    sr-bench compare old.tflite new.tflite --against history.jsonl --save history.jsonl
    """
    from export.running.plan import Plan
    from runtime_bench.measuring.usage import (
        require_crops,
        require_data,
        require_files,
        require_inputs,
        require_scale,
    )

    plan = Plan(runs=runs, seconds=seconds, warmup=warmup, seed=seed)
    gates, chosen = Gates(**limits), sides(size)
    given = parse_pixels(pixels) if pixels else None
    require_data(data)
    pairs = require_inputs(data, inputs)
    gates.require_pictures(data)
    if scale is not None:
        require_scale(scale)
    if require_crops(crops) and data is None:
        raise OptionError("expected pictures for --crops, found none; give --data")
    require_files([baseline, candidate], delegates=[delegate], threads=[threads])
    from export.running.pixel_range import find_pixels
    from runtime_bench.comparing.comparison import compare_entries, print_comparison
    from runtime_bench.comparing.crops import take_crops
    from runtime_bench.history.bookkeeping import Bookkeeping
    from runtime_bench.measuring.latency import latency_protocol, open_entries
    from runtime_bench.measuring.machine import read_machine
    from runtime_bench.measuring.quality import find_datasets
    from runtime_bench.measuring.tables import protocol_lines, scatter_lines

    datasets = find_datasets(data) if data is not None else []
    book = Bookkeeping("compare", save=save, against=against)
    machine = read_machine()
    opened = open_entries(
        [baseline, candidate],
        delegates=[delegate],
        threads=[threads],
        **chosen,
        seed=plan.seed,
    )
    for entry in opened:
        say(f"{entry.runner.model.name}: {find_pixels(entry.runner.model, given=given)}")
    with progress("comparing") as update:
        result = compare_entries(
            *opened,
            plan,
            gates=gates,
            datasets=datasets,
            scale=scale,
            pixels=given,
            inputs=pairs,
            on_step=update,
        )
    runners = [entry.runner for entry in opened]
    cut = take_crops(runners, datasets, count=crops, scale=scale, pixels=given, inputs=pairs)
    row, told = result.to_json(), {"machine": machine.to_json(), "protocol": latency_protocol(plan)}
    trend = book.take([row], **told)
    write_json(
        {
            **row,
            "gates_asked": gates.to_json(),
            **told,
            "crops": [crop.to_json() for crop in cut],
            **trend,
        },
        json,
    )
    if json != "-":
        print_comparison(result)
        book.print()
    scatter = scatter_lines([result.baseline, result.candidate])
    for line in (*protocol_lines(machine, result.baseline.runtime), *scatter):
        say(line)
    failed = [name.replace("_", "-") for name, passed in result.gates.items() if not passed]
    book.close(gates_met=not failed)
    if failed:
        raise GateNotMet("; ".join([f"gate not met: {', '.join(failed)}", *result.reasons]))
