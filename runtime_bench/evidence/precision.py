"""What precision buys and costs: one network as int8, int16x8, mixed and float32 files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from export.running.plan import Plan
from runtime_bench.evidence.studies import study
from runtime_bench.measuring.latency import Latency, measure_latency
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
    Threads,
)
from runtime_bench.measuring.quality import Dataset, find_datasets
from runtime_bench.measuring.tables import left_text, protocol_lines
from runtime_bench.measuring.usage import require_pictures
from sr_models.ground.console import print_table, say, write_json
from sr_models.ground.native_output import import_tensorflow_quietly
from sr_models.ground.options import (
    Name,
)
from sr_models.ground.sizes import Size, parse_fixed_size
from sr_models.importing.source_options import SourceOptions, takes_source
from sr_models.tflite.files import read_model

if TYPE_CHECKING:
    from export.exporting.settings import ExportSettings
    from runtime_bench.comparing.drop import Drop
    from sr_models.importing.sources import SourceNetwork


_NONE: Mapping[Path, Path] = MappingProxyType({})


@dataclass(frozen=True)
class PrecisionRow:
    """One precision of one network.

    Attributes:
        name: What it is called, e.g. `"mixed, 3 float32"`.
        layers: High-precision layers, and in what.
        drop: What it loses against the float network.
        latency: How long it takes, in rounds with the others.
    """

    name: str
    layers: dict[str, str]
    drop: Drop
    latency: Latency

    def to_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return {
            "precision": self.name,
            "layers_above_int8": self.layers,
            **self.drop.to_json(),
            "latency": self.latency.to_json(),
            "size_bytes": self.latency.size_bytes,
        }


def precision_choices(*, size: Size, method: str, most_sensitive: int) -> dict[str, ExportSettings]:
    """The settings to compare, by name."""
    from export.exporting.settings import ExportSettings

    plain = {"sizes": (size,), "method": method}
    mixed = {
        f"mixed, {most_sensitive} {kept}": ExportSettings(
            precision="mixed", most_sensitive=most_sensitive, kept_precision=kept, **plain
        )
        for kept in ("float32", "int16x8")
    }
    whole = {
        name: ExportSettings(precision=name, **plain) for name in ("int8", "int16x8", "float32")
    }
    return {
        "int8": whole["int8"],
        **mixed,
        "int16x8": whole["int16x8"],
        "float32": whole["float32"],
    }


def compare_precisions(
    network: SourceNetwork | str,
    choices: dict[str, ExportSettings],
    *,
    datasets: Sequence[Dataset],
    images: str | None = None,
    inputs: Mapping[Path, Path] = _NONE,
    calibration_inputs: str | None = None,
    threads: int = 1,
    plan: Plan | None = None,
    on_stage: Callable[[str], None] = lambda stage: None,
) -> list[PrecisionRow]:
    """Export, measure against the float network, then time all files in interleaved rounds.

    Args:
        network: An opened network, or whatever `sr_models.open_network` takes.
        choices: Settings by what to call them.
        datasets: Ground truth, for measuring only.
        images: Folder of calibration pictures; scikit-image's own by default.
        inputs: See `runtime_bench.measuring.quality.measure_file`.
        calibration_inputs: Folder of what the network is given in place of `images`.
        threads: Threads the kernels may use when they are timed.
        plan: How to time.
        on_stage: Called with what begins next.
    """
    from runtime_bench.comparing.drop import measured_exports
    from sr_models.importing.sources import open_network

    network = open_network(network)
    pictures = {"images": images, "inputs": inputs, "calibration_inputs": calibration_inputs}
    made = list(
        measured_exports(network, choices, datasets=datasets, **pictures, on_stage=on_stage)
    )
    on_stage(f"{network.label}: timing (interleaved)")
    files = [read_model(result.content, name=name) for name, (_, result) in zip(choices, made)]
    timed = measure_latency(files, plan, threads=[threads])
    return [
        PrecisionRow(name, dict(result.layers_above_int8), drop, latency)
        for name, (drop, result), latency in zip(choices, made, timed)
    ]


def precision_rows(results: Sequence[PrecisionRow]) -> tuple[list[str], list[list[str]]]:
    """Column names and cells of a table; gains in dB and costs in ms are against the first row."""
    from runtime_bench.comparing.drop import drop_text

    first = results[0]
    columns = [
        "precision",
        "drop dB, RGB / luma",
        "gain dB",
        "fidelity dB",
        "ms",
        "cost ms",
        "kB",
        "left to the CPU",
    ]
    rows = []
    for row in results:
        ms, of_first = row.latency.summary.median_ms, first.latency.summary.median_ms
        rows.append(
            [
                row.name,
                drop_text(row.drop),
                f"{first.drop.mean_db - row.drop.mean_db:+.3f}",
                f"{row.drop.fidelity_db:.2f}",
                f"{ms:.1f}",
                f"{ms - of_first:+.1f}",
                f"{row.latency.size_bytes / 1000:.1f}",
                left_text(row.latency.delegation and row.latency.delegation.left_behind) or "-",
            ]
        )
    return columns, rows


@study("precision")
@takes_source
def precision(
    name: Name,
    *,
    data: Data,
    method: Annotated[
        str | None, typer.Option(help="A recipe.", show_default="as sr-export")
    ] = None,
    most_sensitive: Annotated[
        int, typer.Option(metavar="N", help="High-precision layers of the mixed files.")
    ] = 3,
    images: Images = None,
    inputs: Inputs = None,
    calibration_inputs: CalibrationInputs = None,
    source: SourceOptions,
    size: ExportSize = "360x640",
    threads: Threads = 1,
    runs: Runs = 15,
    seconds: Seconds = 60.0,
    json: Json = None,
) -> None:
    """Show what int8, mixed, int16x8 and float32 files of a network lose, take and weigh.

    Drop is PSNR of the float network less that of the file, mean over the datasets; files are timed
    in interleaved rounds.

    [bold]Examples[/bold]

    \b
    sr-bench evidence precision xlsr_x3 --data benchmark
    sr-bench evidence precision my_network.onnx --data benchmark
    sr-bench evidence precision xlsr_x3 --data benchmark --method cfqp --most-sensitive 4 --json -
    """
    asked = parse_fixed_size(size)
    pairs = require_pictures(
        data, inputs=inputs, images=images, calibration_inputs=calibration_inputs
    )
    machine = read_machine()
    import_tensorflow_quietly()
    from export.exporting.settings import DEFAULTS
    from export.running.runtimes import find_runtime
    from representative_data.pictures import open_subject

    plan, datasets = Plan(runs=runs, seconds=seconds), find_datasets(data)
    choices = precision_choices(
        method=method or DEFAULTS.quantizing.recipe,
        most_sensitive=most_sensitive,
        size=asked,
    )
    network = open_subject(name, images=images, inputs=calibration_inputs, options=source).network
    results = compare_precisions(
        network,
        choices,
        datasets=datasets,
        images=images,
        inputs=pairs,
        calibration_inputs=calibration_inputs,
        threads=threads,
        plan=plan,
        on_stage=say,
    )
    write_json({"results": [r.to_json() for r in results], "machine": machine.to_json()}, json)
    if json != "-":
        columns, rows = precision_rows(results)
        title = f"{network.label}, {size}, {threads} thread(s): PSNR and median latency"
        print_table(title, columns, rows)
        for row in results:
            if row.name.startswith("mixed"):
                say(f"{row.name}: {', '.join(row.layers)}")
    for line in protocol_lines(machine, str(find_runtime())):
        say(line)
