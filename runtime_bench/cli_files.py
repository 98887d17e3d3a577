"""The verbs of `sr-bench` that measure `.tflite` files: latency, quality and compare."""

from __future__ import annotations

from typing import Annotated

import typer

from runtime_bench.options import (
    Cpus,
    Delegate,
    Delegates,
    Files,
    FullDelegation,
    Height,
    Json,
    Runs,
    Scale,
    Seconds,
    Seed,
    ThreadCounts,
    Threads,
    Warmup,
    White,
    Width,
)
from sr_models.command import GateNotMet, progress, say, write_json


def latency(
    files: Files, *, delegate: Delegates = ["xnnpack"], threads: ThreadCounts = [1],  # noqa: B006
    runs: Runs = 50, seconds: Seconds = 60.0, warmup: Warmup = 3, seed: Seed = 0,
    height: Height = None, width: Width = None,
    picture: Annotated[
        str | None, typer.Option(help="Feed this picture, resized, instead of random pixels.")
    ] = None,
    cpus: Cpus = "", require_full_delegation: FullDelegation = False,
    memory: Annotated[
        bool, typer.Option("--memory", help="Peak memory too, each in a process of its own.")
    ] = False,
    json: Json = None,
) -> None:  # fmt: skip
    """Time files in interleaved rounds, over every delegate and number of threads.

    [bold]Examples[/bold]

    \b
    sr-bench latency model.tflite
    sr-bench latency clipped.tflite clip_free.tflite --threads 1 --threads 2
    sr-bench latency model.tflite --delegate xnnpack --delegate builtin --json latency.json
    sr-bench latency model.tflite --delegate external:libdelegate.so,key=value --cpus 3
    sr-bench latency model.tflite --require-full-delegation --memory
    """
    from dataclasses import replace

    from runtime_bench.cores import bound_to
    from runtime_bench.latency import Plan, measure_latency, protocol
    from runtime_bench.machine import read_machine
    from runtime_bench.memory import measure_peak_mb
    from runtime_bench.tables import print_latency, protocol_lines
    from sr_models.images import load_image

    plan = Plan(runs=runs, seconds=seconds, warmup=warmup, seed=seed)
    machine = read_machine()
    fed = None if picture is None else load_image(picture)
    with bound_to(cpus), progress("timing", unit="rounds") as update:
        results = measure_latency(
            files, plan, delegates=delegate, threads=threads, height=height, width=width,
            picture=fed, on_step=update,
        )  # fmt: skip
    if memory:
        entries = [(file, name, count) for file in files for name in dict.fromkeys(delegate)
                   for count in dict.fromkeys(threads)]  # fmt: skip
        results = [
            replace(result, peak_memory_mb=measure_peak_mb(
                file, delegate=name, threads=count, height=height, width=width))
            for result, (file, name, count) in zip(results, entries)
        ]  # fmt: skip
    write_json(
        {"results": [result.to_json() for result in results], "machine": machine.to_json(),
         "protocol": {**protocol(plan, picture=picture), "cpus": cpus or None}}, json,
    )  # fmt: skip
    if json != "-":
        print_latency(results)
    for line in protocol_lines(machine, results[0].runtime):
        say(line)
    left = [result for result in results if not result.whole]
    if require_full_delegation and left:
        found = ", ".join(f"{result.model} with {result.delegate}" for result in left)
        raise GateNotMet(f"gate not met: require-full-delegation ({found})")


def quality(
    files: Files, *,
    data: Annotated[
        str,
        typer.Option(metavar="DIR", help="Ground-truth pictures; each subfolder is a dataset."),
    ],
    scale: Scale = None, delegate: Delegate = "xnnpack", threads: Threads = 1,
    white: White = None, json: Json = None,
) -> None:  # fmt: skip
    """PSNR and SSIM of files on ground-truth pictures, codes read raw and dequantized.

    [bold]Examples[/bold]

    \b
    sr-bench quality model.tflite --data benchmark/Set5
    sr-bench quality clipped.tflite clip_free.tflite --data benchmark --scale 3
    sr-bench quality model.tflite --data benchmark --json quality.json
    """
    from export.running.interpreters import open_model
    from runtime_bench.quality import find_datasets, measure_file, protocol, scale_of
    from runtime_bench.tables import print_quality

    datasets = find_datasets(data)
    runners = [open_model(file, delegate=delegate, threads=threads) for file in files]
    for runner in runners:
        scale_of(runner, scale)
    with progress("upscaling", unit="pictures") as update:
        results = [
            measure_file(runner, dataset, white=white, on_step=update)
            for runner in runners
            for dataset in datasets
        ]
    write_json(
        {"results": [result.to_json() for result in results],
         "per_image": [row for result in results for row in result.per_image()]}, json,
    )  # fmt: skip
    if json != "-":
        print_quality(results)
    for factor in sorted({result.scale for result in results}):
        say(protocol(factor))


def compare(
    baseline: Annotated[str, typer.Argument(help="The file that is there today.")],
    candidate: Annotated[str, typer.Argument(help="The file that shall replace it.")], *,
    data: Annotated[
        str | None, typer.Option(metavar="DIR", help="Ground-truth pictures, for PSNR.")
    ] = None,
    scale: Scale = None, delegate: Delegate = "xnnpack", threads: Threads = 1,
    runs: Runs = 50, seconds: Seconds = 60.0, warmup: Warmup = 3, seed: Seed = 0,
    height: Height = None, width: Width = None,
    max_psnr_drop_db: Annotated[
        float | None, typer.Option(help="Gate: most that raw RGB PSNR may fall on any dataset.")
    ] = None,
    min_speedup: Annotated[
        float | None, typer.Option(help="Gate: least speed-up; above 1 it must be significant.")
    ] = None,
    max_code_difference: Annotated[
        int | None, typer.Option(help="Gate: most that any output code may differ.")
    ] = None,
    no_clip_ops: Annotated[
        bool, typer.Option("--no-clip-ops", help="Gate: no clip operator in the candidate.")
    ] = False,
    pixel_contract: Annotated[
        bool, typer.Option("--pixel-contract", help="Gate: the candidate's codes are pixels.")
    ] = False,
    max_partitions: Annotated[
        int | None, typer.Option(help="Gate: most partitions that run in the delegate, at least 1.")
    ] = None,
    json: Json = None,
) -> None:  # fmt: skip
    """Is the candidate better? Interleaved timing, PSNR, output difference, and gates.

    Exit status 1 where a gate is not met.

    [bold]Examples[/bold]

    \b
    sr-bench compare clipped.tflite clip_free.tflite
    sr-bench compare clipped.tflite clip_free.tflite --threads 2 --min-speedup 1.3
    sr-bench compare old.tflite new.tflite --data benchmark --max-psnr-drop-db 0.02
    sr-bench compare old.tflite new.tflite --no-clip-ops --pixel-contract --json compare.json
    """
    from runtime_bench.comparison import compare_files
    from runtime_bench.gates import Gates
    from runtime_bench.latency import Plan, protocol
    from runtime_bench.machine import read_machine
    from runtime_bench.quality import find_datasets
    from runtime_bench.tables import print_comparison, protocol_lines

    plan = Plan(runs=runs, seconds=seconds, warmup=warmup, seed=seed)
    gates = Gates(
        max_psnr_drop_db=max_psnr_drop_db, min_speedup=min_speedup,
        max_code_difference=max_code_difference, no_clip_ops=no_clip_ops,
        pixel_contract=pixel_contract, max_partitions=max_partitions,
    )  # fmt: skip
    datasets = find_datasets(data) if data is not None else []
    machine = read_machine()
    with progress("comparing") as update:
        result = compare_files(
            baseline, candidate, plan=plan, delegate=delegate, threads=threads, height=height,
            width=width, gates=gates, datasets=datasets, scale=scale, on_step=update,
        )  # fmt: skip
    write_json(
        {**result.to_json(), "gates_asked": gates.to_json(), "machine": machine.to_json(),
         "protocol": protocol(plan)}, json,
    )  # fmt: skip
    if json != "-":
        print_comparison(result)
    for line in protocol_lines(machine, result.baseline.runtime):
        say(line)
    failed = [name.replace("_", "-") for name, passed in result.gates.items() if not passed]
    if failed:
        raise GateNotMet("; ".join([f"gate not met: {', '.join(failed)}", *result.reasons]))
