"""The command `sr-bench`: latency, quality, comparison and reports of `.tflite` files."""

from __future__ import annotations

from typing import Annotated

import typer

from sr_models.command import (
    GateNotMet,
    json_text,
    new_app,
    print_table,
    progress,
    require_json_target,
    run,
    say,
    write_json,
)
from sr_models.native_output import import_tensorflow_quietly

app = new_app("Measure .tflite files: how long they take, and how good their pictures are.")

Files = Annotated[list[str], typer.Argument(metavar="FILE", help="Files to measure.")]
Delegate = Annotated[str, typer.Option(help="xnnpack, builtin or reference.")]
Delegates = Annotated[
    list[str], typer.Option("--delegate", help="xnnpack, builtin or reference; repeatable.")
]
Threads = Annotated[int, typer.Option(help="Threads the kernels may use.")]
ThreadCounts = Annotated[
    list[int], typer.Option("--threads", help="Threads the kernels may use; repeatable.")
]
Json = Annotated[
    str | None,
    typer.Option(
        "--json",
        metavar="PATH",
        callback=require_json_target,
        help="Write the result as JSON; - for stdout.",
    ),
]
Scale = Annotated[int | None, typer.Option(help="Scale factor; read from the file by default.")]
White = Annotated[
    float | None, typer.Option(help="Value of white in float files: 1 (default) or 255.")
]
Runs = Annotated[int, typer.Option(help="Timed rounds at most.")]
Seconds = Annotated[float, typer.Option(help="Time budget of all rounds; at least 5 are done.")]
Warmup = Annotated[int, typer.Option(help="Untimed rounds after the cold first inference.")]
Seed = Annotated[int, typer.Option(help="Seed of the input and of the order in each round.")]
Height = Annotated[int | None, typer.Option(help="Input height; the file's own by default.")]
Width = Annotated[int | None, typer.Option(help="Input width; the file's own by default.")]


@app.command()
def latency(
    files: Files, *, delegate: Delegates = ["xnnpack"], threads: ThreadCounts = [1],  # noqa: B006
    runs: Runs = 50, seconds: Seconds = 60.0, warmup: Warmup = 3, seed: Seed = 0,
    height: Height = None, width: Width = None,
    picture: Annotated[
        str | None, typer.Option(help="Feed this picture, resized, instead of random pixels.")
    ] = None,
    json: Json = None,
) -> None:  # fmt: skip
    """Time files in interleaved rounds, over every delegate and number of threads.

    [bold]Examples[/bold]

    \b
    sr-bench latency model.tflite
    sr-bench latency clipped.tflite clip_free.tflite --threads 1 --threads 2
    sr-bench latency model.tflite --delegate xnnpack --delegate builtin --json latency.json
    """
    from runtime_bench.latency import Plan, measure_latency, protocol
    from runtime_bench.machine import read_machine
    from runtime_bench.tables import print_latency, protocol_lines
    from sr_models.images import load_image

    plan = Plan(runs=runs, seconds=seconds, warmup=warmup, seed=seed)
    machine = read_machine()
    fed = None if picture is None else load_image(picture)
    with progress("timing", unit="rounds") as update:
        results = measure_latency(
            files, plan, delegates=delegate, threads=threads, height=height, width=width,
            picture=fed, on_step=update,
        )  # fmt: skip
    write_json(
        {"results": [result.to_json() for result in results], "machine": machine.to_json(),
         "protocol": protocol(plan, picture=picture)}, json,
    )  # fmt: skip
    if json != "-":
        print_latency(results)
    for line in protocol_lines(machine, results[0].runtime):
        say(line)


@app.command()
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
    from export.interpreters import open_model
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


@app.command()
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
        pixel_contract=pixel_contract,
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


@app.command()
def report(
    results: Annotated[
        list[str], typer.Argument(metavar="RESULTS.json", help="What the others wrote.")
    ], *,
    out: Annotated[str, typer.Option(metavar="PAGE.html", help="The page to write.")],
    title: Annotated[str, typer.Option(help="Headline of the page.")] = "Measured files",
) -> None:  # fmt: skip
    """Draw one self-contained HTML page from the JSON of latency, quality and compare.

    [bold]Examples[/bold]

    \b
    sr-bench report latency.json quality.json --out report.html
    sr-bench report compare.json --out report.html --title "Clip-free against clipped"
    """
    from runtime_bench.results import page_of_results, read_results

    page_of_results([read_results(path) for path in results], title=title).save(out)
    say(f"wrote {out}")


@app.command()
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


@app.command()
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


@app.command()
def demo(
    name: Annotated[str, typer.Argument(help="Preset name.")] = "xlsr_x3", *,
    out: Annotated[str, typer.Option(metavar="DIR", help="Folder to write.")] = "demo",
    images: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Calibration pictures. [default: scikit-image's]"),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Ground truth for PSNR. [default: scikit-image's]"),
    ] = None,
    height: Annotated[int, typer.Option(help="Input height of the files.")] = 360,
    width: Annotated[int, typer.Option(help="Input width of the files.")] = 640,
    runs: Runs = 25, seconds: Seconds = 60.0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the folder.")] = False,
    json: Json = None,
) -> None:  # fmt: skip
    """Export one network as people do today and clip-free, and show the difference.

    Writes every file with its manifest, results.json and report.html.

    [bold]Examples[/bold]

    \b
    sr-bench demo
    sr-bench demo xlsr_x3 --out demo --data benchmark --overwrite
    """
    from sr_models.atomic import refuse_existing, writing_folder
    from sr_models.presets import get_preset

    preset = get_preset(name)
    ours = ("*.tflite", "*.json", "report.html")
    refuse_existing(out, overwrite=overwrite, replaces=ours)
    from runtime_bench.machine import read_machine

    machine = read_machine()
    import_tensorflow_quietly()
    from runtime_bench.demo import run_demo
    from runtime_bench.demo_page import build_page, table
    from runtime_bench.latency import Plan
    from runtime_bench.tables import protocol_lines

    plan = Plan(runs=runs, seconds=seconds)
    with writing_folder(out, overwrite=overwrite, replaces=ours) as folder:
        found = run_demo(
            name, out=folder, images=images, data=data, height=height, width=width, plan=plan,
            on_stage=say,
        )  # fmt: skip
        result = {**found.to_json(), "machine": machine.to_json()}
        (folder / "results.json").write_text(json_text(result))
        page = build_page(found, machine=machine.to_json(), scale=preset.scale)
        page.save(folder / "report.html")
    write_json(result, json)
    if json != "-":
        print_table(f"{name} at {height}x{width}", *table(found))
    for line in protocol_lines(machine, found.rows[0].latency[1].runtime):
        say(line)
    say(f"open {out}/report.html")


def main() -> None:
    """Entry point of `sr-bench`."""
    run(app)


if __name__ == "__main__":
    main()
