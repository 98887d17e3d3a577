"""The study of all quantization methods on one network: its options and its output."""

from __future__ import annotations

from typing import Annotated

import typer

from export.running.plan import Plan
from runtime_bench.evidence.studies import study
from runtime_bench.measuring.machine import read_machine
from runtime_bench.measuring.options import (
    CalibrationInputs,
    Data,
    ExportSize,
    Images,
    Inputs,
    Json,
    Runs,
    Seconds,
)
from runtime_bench.measuring.usage import require_pictures
from sr_models.ground.console import print_table, progress, say, write_json
from sr_models.ground.errors import OptionError
from sr_models.ground.files import require_writable
from sr_models.ground.native_output import import_tensorflow_quietly
from sr_models.ground.options import (
    Name,
)
from sr_models.ground.sizes import parse_fixed_size
from sr_models.importing.source_kinds import kind_of
from sr_models.importing.source_options import SourceOptions, takes_source
from sr_models.published.settings import require_bits, require_recipe


def parse_bits(text: str) -> list[int]:
    """Widths from text such as `4,6,8`, rising and each once.

    Raises:
        OptionError: Other text, or a width outside of 2..16.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise OptionError(f"expected widths such as 4,6,8, found {text!r}; change --bits")
    return sorted({require_bits(int(part)) for part in parts})


def _published(help: str):
    return typer.Option(help=help, show_default="as published")


@study("methods")
@takes_source
def methods(
    name: Name,
    *,
    data: Data,
    bits: Annotated[str, typer.Option(help="Widths of the body.")] = "4,6,8",
    only: Annotated[
        list[str] | None, typer.Option("--method", help="A method; repeatable.", show_default="all")
    ] = None,
    images: Images = None,
    inputs: Inputs = None,
    calibration_inputs: CalibrationInputs = None,
    source: SourceOptions,
    recipe: Annotated[
        str,
        typer.Option(help="Their settings: ours, or with published those of papers and code."),
    ] = "default",
    patches: Annotated[
        int | None,
        typer.Option(
            help="Number of calibration patches.",
            show_default="32, or as published",
        ),
    ] = None,
    side: Annotated[
        int | None,
        typer.Option(
            help="Their height and width in input pixels.",
            show_default="48, or as published",
        ),
    ] = None,
    epochs: Annotated[
        int, typer.Option(help="Passes over them by methods that fine-tune; 0 for none.")
    ] = 10,
    train: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Train PAMS too, on this ground truth."),
    ] = None,
    steps: Annotated[int | None, _published("Steps of that training.")] = None,
    batch_size: Annotated[int | None, _published("Its patches per step.")] = None,
    patch_size: Annotated[int | None, _published("Their side in input pixels.")] = None,
    learning_rate: Annotated[float | None, _published("Its rate.")] = None,
    validation_interval: Annotated[
        int | None, typer.Option(help="Its steps between validations.", show_default="1000")
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
            help="Keep rows, and states of tuning and training, and resume what a run left there.",
        ),
    ] = None,
    size: ExportSize = "180x320",
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
    sr-bench methods edsr_baseline_x4 --weights mine.weights.h5 --data benchmark --recipe published
    sr-bench methods my_network.onnx --data benchmark --bits 8 --run-dir rows
    sr-bench methods xlsr_x3 --data benchmark --train photos --steps 2000 --out page.html
    sr-bench methods xlsr_x3 --data benchmark --learned runs/pams8/xlsr_x3.weights.h5
    """
    widths, chosen = parse_bits(bits), parse_fixed_size(size)
    require_recipe(recipe)
    if out is not None:
        require_writable(out)
    if kind_of(name) != "preset" and (train or learned):
        raise OptionError(
            f"expected a preset with {'--train' if train else '--learned'}, found {name}; leave it "
            "out, PAMS is shown as it starts"
        )
    pairs = require_pictures(
        data, inputs=inputs, images=images, calibration_inputs=calibration_inputs
    )
    machine = read_machine()
    import_tensorflow_quietly()
    from export.exporting.settings import ExportSettings
    from export.running.runtimes import find_runtime
    from representative_data.pictures import open_subject
    from runtime_bench.evidence.methods_calibration import Calibration, Training
    from runtime_bench.evidence.methods_report import methods_json, methods_page, text_rows
    from runtime_bench.evidence.methods_table import measure_methods
    from runtime_bench.measuring.quality import find_datasets
    from runtime_bench.measuring.tables import protocol_lines
    from sr_models.published.registry import get_quantizer

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
    datasets = find_datasets(data)
    for method in only or ():
        get_quantizer(method)
    network = open_subject(name, images=images, inputs=calibration_inputs, options=source).network
    scale, label = network.scale, network.label
    with progress("methods", unit="steps") as update:
        rows = measure_methods(
            network,
            bits=widths,
            datasets=datasets,
            methods=only or (),
            inputs=pairs,
            calibration=Calibration(
                images, patches, side, seed, epochs, calibration_inputs, recipe
            ),
            training=Training(train, changes) if train else None,
            learned=learned or (),
            settings=ExportSettings(sizes=(chosen,), seed=seed),
            plan=Plan(runs=runs, seconds=seconds),
            run_dir=run_dir,
            on_stage=say,
            on_progress=update,
        )
    data_of_table = methods_json(label, rows, scale=scale)
    write_json({**data_of_table, "machine": machine.to_json()}, json)
    if json != "-":
        columns, cells = text_rows(rows)
        print_table(f"Quantization methods on {label}, luma", columns, cells)
    if out is not None:
        methods_page(label, rows, scale=scale, machine=machine.to_json()).save(out)
        say(f"wrote {out}")
    for line in protocol_lines(machine, str(find_runtime())):
        say(line)
