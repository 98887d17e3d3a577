"""Ten architectures of other people, fitted for a minute, exported as their users would do it."""

from __future__ import annotations

import json as json_module
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from export.running.plan import Plan
from export.running.runtimes import find_runtime
from export.running.statistics import Comparison
from export.running.targets import HERE
from runtime_bench.evidence.studies import study
from runtime_bench.measuring.machine import read_machine
from runtime_bench.measuring.options import (
    ExportSize,
    Json,
    Markdown,
    Runs,
    Seconds,
    ThreadCounts,
    sides,
)
from sr_models.ground.console import GateNotMet, print_table, progress, say, write_json
from sr_models.ground.errors import ConversionError, OptionError
from sr_models.ground.files import require_writable, writing_file
from sr_models.ground.native_output import import_tensorflow_quietly
from sr_models.ground.registry import unknown_name_message

if TYPE_CHECKING:
    from runtime_bench.evidence.architectures import Architecture

MOST_DROP_DB = 0.05
_UNLIMITED_DB = 99.0
"""A limit that is none: the drop is only measured where one is given."""
_KIB_PER_MIB = 1024.0


@dataclass(frozen=True)
class Exported:
    """What an export of a Keras file took and made.

    Attributes:
        folder: The folder it wrote.
        seconds: Wall clock, TensorFlow's import included.
        peak_memory_mb: Largest resident memory of its process, MiB.
    """

    folder: Path
    seconds: float
    peak_memory_mb: float

    @cached_property
    def manifest(self) -> Mapping[str, Any]:
        """Its manifest."""
        return json_module.loads((self.folder / "manifest.json").read_text())

    @property
    def content(self) -> bytes:
        """Its file."""
        return (self.folder / self.manifest["model"]["file"]).read_bytes()


@dataclass(frozen=True)
class ThirdPartyRow:
    """One architecture.

    Attributes:
        name: Its name.
        ops: Operators of the file: name -> count.
        baseline_ops: Those of the clipped baseline that the plain converter makes of the source.
        partitions: XNNPACK's partitions in the file and in the baseline.
        left: Operators left to the CPU in the file and in the baseline.
        drop_db: PSNR of the float network less that of the file, the greater of RGB and luma.
        fidelity_db: PSNR against the source on pictures that span the whole code range.
        seconds: What the export took.
        peak_memory_mb: Its largest memory, MiB.
        speed: Number of threads -> the file against the baseline.
    """

    name: str
    ops: Mapping[str, int]
    baseline_ops: Mapping[str, int]
    partitions: tuple[int, int]
    left: tuple[int, int]
    drop_db: float
    fidelity_db: float
    seconds: float
    peak_memory_mb: float
    speed: Mapping[int, Comparison]

    def failures(self) -> list[str]:
        """What is not as it should be: the drop, or a file that is slower on one thread."""
        failed = []
        if not self.drop_db <= MOST_DROP_DB:
            failed.append(f"{self.name} loses {self.drop_db:.3f} dB")
        if 1 in self.speed and self.speed[1].verdict == "slower":
            failed.append(f"{self.name} is {self.speed[1].speedup:.2f} times as fast")
        return failed

    def to_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return {
            "name": self.name,
            "ops": dict(self.ops),
            "baseline_ops": dict(self.baseline_ops),
            "partitions": self.partitions[0],
            "baseline_partitions": self.partitions[1],
            "left_to_cpu": self.left[0],
            "baseline_left_to_cpu": self.left[1],
            "drop_db": self.drop_db,
            "fidelity_db": self.fidelity_db,
            "seconds": self.seconds,
            "peak_memory_mb": self.peak_memory_mb,
            "comparisons": [{"threads": n, **found.to_json()} for n, found in self.speed.items()],
        }


def export_file(source: Path, out: Path, *, size: str) -> Exported:
    """Export a Keras file by the default recipe, in a process of its own, packed for this machine.

    Raises:
        ConversionError: The export refused it; its last line says why.
    """
    command = [sys.executable, "-c", "from export.cli import main; main()", "model", str(source)]
    command += ["--out", str(out), "--size", size, "--packed-for", HERE, "--overwrite"]
    command += ["--max-drop-db", f"{_UNLIMITED_DB:g}", "--pixels", "0..1"]
    start = time.perf_counter()
    with (out.parent / f"{out.name}.log").open("w+") as log:
        child = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - start
        if child.returncode:
            log.seek(0)
            lines = log.read().strip().splitlines() or ["no answer"]
            raise ConversionError(f"expected an export of {source.name}, found: {lines[-1]}")
    return Exported(out, seconds, used.ru_maxrss / _KIB_PER_MIB)


def measure_architecture(
    architecture: Architecture,
    folder: Path,
    *,
    size: str,
    threads: Sequence[int],
    plan: Plan,
    fit_seconds: float,
    width: int | None = None,
    on_stage: Callable[[str], None] = lambda stage: None,
) -> ThirdPartyRow:
    """Fit an architecture, export it, and hold the file against what people would ship of it.

    Args:
        architecture: What to build.
        folder: Where its files are kept.
        size: Input size of the files, as `180x320`.
        threads: Numbers of threads to time with.
        plan: How each comparison is timed.
        fit_seconds: How long it is fitted.
        width: Channels, where they shall be fewer.
        on_stage: Called with what begins next.

    Raises:
        SrError: The export refuses the network.
    """
    from export.exporting.conversion import convert_with_calibrator
    from export.exporting.judging import measure_fidelity
    from export.inspecting.audit import audit_model
    from export.running.interpreters import open_model
    from runtime_bench.comparing.comparison import compare_speed
    from runtime_bench.evidence.fitting import fit, full_range_pictures, natural_samples
    from runtime_bench.measuring.latency import open_entries

    name, sizes = architecture.name, sides(size)
    folder.mkdir(parents=True, exist_ok=True)
    on_stage(f"fitting {name}")
    model = architecture.model(width=width)
    fit(model, scale=architecture.scale, channels=architecture.channels, seconds=fit_seconds)
    source = folder / f"{name}.keras"
    model.save(source)
    on_stage(f"converting the clipped {name}")
    samples = natural_samples(scale=architecture.scale, channels=architecture.channels, **sizes)
    baseline = convert_with_calibrator(architecture.clipped(model), lambda: iter(samples), **sizes)
    plain = folder / f"{name}_clipped.tflite"
    plain.write_bytes(baseline)
    on_stage(f"exporting {name}")
    made = export_file(source, folder / name, size=size)
    on_stage(f"measuring {name}")
    pictures = full_range_pictures(scale=architecture.scale, channels=architecture.channels)
    fidelity = measure_fidelity(open_model(made.content), model, pictures)
    delegations = [open_model(content).delegation for content in (made.content, baseline)]
    speed = {}
    for count in dict.fromkeys(threads):
        file = made.folder / made.manifest["model"]["file"]
        entries = open_entries([plain, file], threads=[count], seed=plan.seed)
        speed[count] = compare_speed(*entries, plan)[2]
    drop = made.manifest["drop"]
    return ThirdPartyRow(
        name=name,
        ops=made.manifest["audit"]["ops"],
        baseline_ops=audit_model(baseline).ops,
        partitions=tuple(found.partitions for found in delegations),
        left=tuple(len(found.left_behind) for found in delegations),
        drop_db=max(drop[key] for key in drop if key.endswith("_db") and drop[key] is not None),
        fidelity_db=fidelity.psnr_db,
        seconds=made.seconds,
        peak_memory_mb=made.peak_memory_mb,
        speed=speed,
    )


def third_party_cells(rows: Sequence[ThirdPartyRow]) -> tuple[list[str], list[list[str]]]:
    """Column names and cells, one line for each architecture."""
    columns = ["network", "partitions", "left to the CPU", "INT8 drop, dB"]
    columns += ["full-range fidelity, dB", "export, s", "memory, MiB"]
    columns += [f"speed-up, {n} thread{'s' if n > 1 else ''}" for n in rows[0].speed]
    return columns, [
        [
            row.name,
            _both(*row.partitions),
            _both(*row.left),
            f"{row.drop_db:.3f}",
            f"{row.fidelity_db:.1f}",
            f"{row.seconds:.0f}",
            f"{row.peak_memory_mb:.0f}",
            *(f"{s.speedup:.2f} [{s.low:.2f}, {s.high:.2f}]" for s in row.speed.values()),
        ]
        for row in rows
    ]


def _both(file: int, baseline: int) -> str:
    """`8 → 1` from the baseline to the file, and one number where they are equal."""
    return str(file) if file == baseline else f"{baseline} → {file}"


@study("third-party")
def third_party(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]...", help="Architectures.", show_default="all ten"),
    ] = None,
    *,
    out: Annotated[str, typer.Option(metavar="DIR", help="Where files are kept.")],
    size: ExportSize = "180x320",
    threads: ThreadCounts = [1, 2],  # noqa: B006
    fit_seconds: Annotated[float, typer.Option(help="How long each is fitted.")] = 60.0,
    width: Annotated[int | None, typer.Option(help="Channels, where they shall be fewer.")] = None,
    runs: Runs = 25,
    seconds: Seconds = 60.0,
    require: Annotated[
        bool,
        typer.Option(
            "--require", help=f"Gate: none slower on one thread, at most {MOST_DROP_DB} dB."
        ),
    ] = False,
    markdown: Markdown = None,
    json: Json = None,
) -> None:
    """Ten architectures of other people by the default recipe, beside what they ship.

    Files are packed for this machine's kernels, since they are timed here.

    [bold]Examples[/bold]

    \b
    sr-bench evidence third-party --out third --markdown third.md --json third.json
    sr-bench evidence third-party rfdn imdn --out third --threads 1 --require
    """
    sides(size)
    plan = Plan(runs=runs, seconds=seconds, warmup=2)
    if not fit_seconds > 0:
        raise OptionError(f"expected more than 0 seconds to fit, found {fit_seconds:g}")
    if markdown is not None:
        require_writable(markdown)
    import_tensorflow_quietly()
    from runtime_bench.evidence.architectures import ARCHITECTURES

    for name in names or []:
        if name not in ARCHITECTURES:
            raise OptionError(unknown_name_message("architecture", name, ARCHITECTURES))
    chosen = [ARCHITECTURES[name] for name in names or ARCHITECTURES]
    machine, rows = read_machine(), []
    with progress("measuring", unit="networks") as update:
        for architecture in chosen:
            update(len(rows), len(chosen), architecture.name)
            rows.append(
                measure_architecture(
                    architecture,
                    Path(out),
                    size=size,
                    threads=threads,
                    plan=plan,
                    fit_seconds=fit_seconds,
                    width=width,
                    on_stage=say,
                )
            )
    write_json({"results": [row.to_json() for row in rows], "machine": machine.to_json()}, json)
    columns, cells = third_party_cells(rows)
    if json != "-":
        print_table(f"Clipped baseline and clip-free at {size}", columns, cells)
    from runtime_bench.measuring.tables import protocol_lines

    for line in protocol_lines(machine, str(find_runtime())):
        say(line)
    if markdown is not None:
        lines = [columns, ["---", *["---:"] * (len(columns) - 1)], *cells]
        with writing_file(markdown) as path:
            path.write_text("".join(f"| {' | '.join(line)} |\n" for line in lines))
    if require and (failed := [text for row in rows for text in row.failures()]):
        raise GateNotMet(f"not met: {'; '.join(failed)}")
