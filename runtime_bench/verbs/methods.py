"""The verbs of `sr-bench` about published quantizers: methods and layers."""

from __future__ import annotations

from typing import Annotated

import typer

from runtime_bench.verbs.options import Json, Runs, Seconds
from sr_models.ground.console import print_table, progress, say, write_json
from sr_models.ground.errors import OptionError
from sr_models.ground.files import require_writable
from sr_models.ground.native_output import import_tensorflow_quietly
from sr_models.published.settings import require_bits


def parse_bits(text: str) -> list[int]:
    """Widths from text such as `4,6,8`, rising and each once.

    Raises:
        OptionError: Other text, or a width outside of 2..16.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise OptionError(f"expected widths such as 4,6,8, found {text!r}; change --bits")
    return sorted({require_bits(int(part)) for part in parts})


def methods(
    name: Annotated[str, typer.Argument(help="Preset name, e.g. xlsr_x3.")],
    *,
    data: Annotated[
        str, typer.Option(metavar="DIR", help="Ground truth; each subfolder is a dataset.")
    ],
    bits: Annotated[str, typer.Option(help="Widths of the body.")] = "4,6,8",
    only: Annotated[
        list[str] | None, typer.Option("--method", help="A method; repeatable. [default: all]")
    ] = None,
    images: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Calibration. [default: scikit-image's pictures]"),
    ] = None,
    patches: Annotated[int, typer.Option(help="Number of calibration patches.")] = 32,
    side: Annotated[int, typer.Option(help="Their height and width in input pixels.")] = 48,
    epochs: Annotated[
        int, typer.Option(help="Passes over them by methods that fine-tune; 0 for none.")
    ] = 10,
    train: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Train PAMS too, on this ground truth. [default: no]"),
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Steps of that training.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Its patches per step.")] = None,
    patch_size: Annotated[int | None, typer.Option(help="Their side in input pixels.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Its rate.")] = None,
    validation_interval: Annotated[
        int | None, typer.Option(help="Its steps between validations.")
    ] = None,
    learned: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE", help="Weights of earlier training with --quantize; repeatable."
        ),
    ] = None,
    run_dir: Annotated[
        str | None,
        typer.Option(
            metavar="DIR",
            help="Keep states of tuning and training, and go on with those that a run left there.",
        ),
    ] = None,
    height: Annotated[int, typer.Option(help="Input height of the files.")] = 180,
    width: Annotated[int, typer.Option(help="Input width of the files.")] = 320,
    runs: Runs = 25,
    seconds: Seconds = 60.0,
    seed: Annotated[int, typer.Option(help="Seed of patches and methods.")] = 0,
    out: Annotated[
        str | None, typer.Option(metavar="PAGE.html", help="Write a page with plots too.")
    ] = None,
    json: Json = None,
) -> None:
    """Hold all quantization methods against each other on one network: PSNR, time, size.

    Simulated and exported results stand in columns of their own.

    [bold]Examples[/bold]

    \b
    sr-bench methods edsr_f32b5_x4 --data benchmark --bits 4,6,8
    sr-bench methods xlsr_x3 --data benchmark --train pictures --steps 2000 --out methods.html
    sr-bench methods xlsr_x3 --data benchmark --learned runs/xlsr_x3_pams8/xlsr_x3.weights.h5
    """
    widths = parse_bits(bits)
    if out is not None:
        require_writable(out)
    from runtime_bench.measuring.machine import read_machine

    machine = read_machine()
    import_tensorflow_quietly()
    from export.exporting.settings import ExportSettings
    from export.running.runtimes import find_runtime
    from runtime_bench.evidence.methods import Calibration, Training, measure_methods
    from runtime_bench.evidence.methods_report import methods_json, methods_page, text_rows
    from runtime_bench.measuring.latency import Plan
    from runtime_bench.measuring.quality import find_datasets
    from runtime_bench.pages.tables import protocol_lines
    from sr_models.networks.presets import get_preset

    scale = get_preset(name).scale
    given = {
        "steps": steps,
        "batch_size": batch_size,
        "patch_size": patch_size,
        "learning_rate": learning_rate,
        "validation_interval": validation_interval,
    }
    changes = {key: value for key, value in given.items() if value is not None}
    if train is None and changes:
        raise OptionError(
            f"expected --train DIR with {', '.join('--' + k.replace('_', '-') for k in changes)}, "
            "found none; give pictures to train on"
        )
    with progress("methods", unit="steps") as update:
        rows = measure_methods(
            name,
            bits=widths,
            datasets=find_datasets(data),
            methods=only or (),
            calibration=Calibration(images, patches, side, seed, epochs),
            training=Training(train, changes) if train else None,
            learned=learned or (),
            settings=ExportSettings(height=height, width=width, seed=seed),
            plan=Plan(runs=runs, seconds=seconds),
            run_dir=run_dir,
            on_stage=say,
            on_progress=update,
        )
    data_of_table = methods_json(name, rows, scale=scale)
    write_json({**data_of_table, "machine": machine.to_json()}, json)
    if json != "-":
        columns, cells = text_rows(rows)
        print_table(f"Quantization methods on {name}, luma", columns, cells)
    if out is not None:
        methods_page(name, rows, scale=scale, machine=machine.to_json()).save(out)
        say(f"wrote {out}")
    for line in protocol_lines(machine, str(find_runtime())):
        say(line)


def layers(
    *,
    channels: Annotated[int, typer.Option(help="Of input and output.")] = 32,
    height: Annotated[int, typer.Option(help="Input height in pixels.")] = 180,
    width: Annotated[int, typer.Option(help="Input width in pixels.")] = 320,
    runs: Runs = 25,
    seconds: Seconds = 60.0,
    seed: Annotated[int, typer.Option(help="Seed of kernel and input.")] = 0,
    json: Json = None,
) -> None:
    """Time one layer with two branches and one with a codebook against plain int8 and int16x8.

    [bold]Examples[/bold]

    \b
    sr-bench layers
    sr-bench layers --channels 64 --height 90 --width 160 --json -
    """
    from runtime_bench.measuring.machine import read_machine

    machine = read_machine()
    import_tensorflow_quietly()
    from export.running.runtimes import find_runtime
    from runtime_bench.evidence.layers import measure_layers
    from runtime_bench.measuring.latency import Plan
    from runtime_bench.pages.tables import protocol_lines

    costs = measure_layers(
        channels=channels,
        height=height,
        width=width,
        seed=seed,
        plan=Plan(runs=runs, seconds=seconds),
        on_stage=say,
    )
    write_json({"results": [c.to_json() for c in costs], "machine": machine.to_json()}, json)
    if json != "-":
        rows = [
            [
                c.layer,
                f"{c.median_ms:.2f}",
                f"{c.size_bytes / 1000:.1f}",
                f"{100.0 * c.relative_error:.3f}",
                "?" if c.delegated is None else f"{100.0 * c.delegated:.0f}",
            ]
            for c in costs
        ]
        columns = ["layer", "median ms", "size kB", "relative error, %", "in the delegate, %"]
        print_table(f"One layer of 3x3, {channels} channels, {height}x{width}", columns, rows)
    for line in protocol_lines(machine, str(find_runtime())):
        say(line)
