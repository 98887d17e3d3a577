"""What stripping saves other people's files: each as it was, against what is left of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from export.running.plan import Plan
from export.running.runtimes import find_runtime
from export.running.statistics import Comparison
from export.running.targets import EVERY, packing_targets
from runtime_bench.evidence.studies import study
from runtime_bench.measuring.machine import read_machine
from runtime_bench.measuring.options import Json, Markdown, Runs, Seconds, ThreadCounts
from sr_models.ground.console import GateNotMet, print_table, progress, say, write_json
from sr_models.ground.errors import ModelFileError
from sr_models.ground.files import require_writable, writing_file

MOST_MEDIAN, MOST_RATIO = 0.80, 1.02
"""Of the old file's time: what the median of all files shall take, and the slowest of them."""


@dataclass(frozen=True)
class StrippedRow:
    """One file.

    Attributes:
        file: Its name.
        done: What was done, in words; why nothing was, where `speed` is empty.
        bound: Codes that an output can differ by.
        speed: Number of threads -> the stripped file against the file as it was.
    """

    file: str
    done: str
    bound: int
    speed: Mapping[int, Comparison]

    def ratio(self, threads: int) -> float:
        """The new file's time by the old one's."""
        return 1.0 / self.speed[threads].speedup

    def to_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return {
            "file": self.file,
            "what": self.done,
            "bound": self.bound,
            "comparisons": [
                {"threads": count, "ratio": self.ratio(count), **found.to_json()}
                for count, found in self.speed.items()
            ],
        }


@dataclass(frozen=True)
class StrippedFiles:
    """All files.

    Attributes:
        rows: One for each.
    """

    rows: tuple[StrippedRow, ...]

    def to_json(self) -> dict[str, Any]:
        """Rows, and for each number of threads the median of their ratios."""
        return {
            "results": [row.to_json() for row in self.rows],
            "medians": [{"threads": n, "ratio": value} for n, value in medians(self.rows).items()],
        }


def medians(rows: Sequence[StrippedRow]) -> dict[int, float]:
    """Number of threads -> median of the ratios of all files that were timed."""
    counts = dict.fromkeys(count for row in rows for count in row.speed)
    return {
        count: float(np.median([row.ratio(count) for row in rows if count in row.speed]))
        for count in counts
    }


def failures(rows: Sequence[StrippedRow]) -> list[str]:
    """What is not as it should be."""
    failed = [
        f"a median of {median:.2f} at {count} thread(s)"
        for count, median in medians(rows).items()
        if median > MOST_MEDIAN
    ]
    return failed + [
        f"{row.file} takes {row.ratio(count):.2f} of its time"
        for row in rows
        for count in row.speed
        if row.ratio(count) > MOST_RATIO
    ]


def measure_stripped(
    path: Path, *, sandbox, signed: bool, packed_for: str, threads: Sequence[int], plan: Plan
) -> StrippedRow:
    """Strip a file and time both; a file that cannot be stripped is not timed."""
    from export.stripping.whole import strip_whole
    from runtime_bench.comparing.comparison import compare_speed
    from runtime_bench.measuring.latency import open_entries
    from sr_models.tflite.files import read_model

    file = read_model(path)
    options = {"sandbox": sandbox, "targets": packing_targets(packed_for)}
    try:
        try:
            made = strip_whole(file, signed=signed, **options)
        except ModelFileError:
            if not signed:
                raise
            made = strip_whole(file, **options)
    except ModelFileError as error:
        return StrippedRow(path.name, str(error), 0, {})
    new = read_model(made.content, name=f"{path.name}, stripped")
    speed = {}
    for count in dict.fromkeys(threads):
        entries = open_entries([file, new], threads=[count], seed=plan.seed)
        speed[count] = compare_speed(*entries, plan)[2]
    removed = ", ".join(op["op"] for op in made.clip.removed_ops) if made.clip else ""
    done = [f"{removed} went"] if removed else []
    done += [
        " ".join([", ".join(change.operators), change.what]).strip()
        for change in made.further.changes
    ]
    return StrippedRow(path.name, "; ".join(done), made.clip.bound if made.clip else 0, speed)


def stripped_cells(rows: Sequence[StrippedRow]) -> tuple[list[str], list[list[str]]]:
    """Column names and cells, one line for each file and one for the medians."""
    found = medians(rows)
    columns = ["file", *(f"{n} thread{'s' if n > 1 else ''}" for n in found), "what was done"]
    cells = [
        [
            row.file,
            *(_cell(row, count) for count in found),
            row.done,
        ]
        for row in rows
    ]
    return columns, [*cells, ["median", *(f"{value:.2f}" for value in found.values()), ""]]


def _cell(row: StrippedRow, threads: int) -> str:
    if threads not in row.speed:
        return "not timed"
    found = row.speed[threads]
    return f"{row.ratio(threads):.2f} [{1.0 / found.high:.2f}, {1.0 / found.low:.2f}]"


@study("stripping")
def stripping(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Integer files.")],
    *,
    signed: Annotated[
        bool, typer.Option("--int8/--as-is", help="Make codes at the ends int8 where possible.")
    ] = True,
    packed_for: Annotated[
        str, typer.Option(metavar="TARGET", help="Whose kernels convolutions are packed for.")
    ] = EVERY,
    threads: ThreadCounts = [1, 2],  # noqa: B006
    runs: Runs = 25,
    seconds: Seconds = 20.0,
    require: Annotated[
        bool,
        typer.Option(
            "--require",
            help=f"Gate: a median of {MOST_MEDIAN} of the time, no file above {MOST_RATIO}.",
        ),
    ] = False,
    markdown: Markdown = None,
    json: Json = None,
) -> None:
    """Integer files as they are against the same files stripped, interleaved: shares of the time.

    [bold]Examples[/bold]

    \b
    sr-bench evidence stripping downloads/*.tflite --threads 2 --markdown stripped.md
    sr-bench evidence stripping model.tflite --as-is --packed-for arm64-dotprod
    """
    from sr_models.ground.child import WHOLE_SIZE_MB, Sandbox

    packing_targets(packed_for)
    if markdown is not None:
        require_writable(markdown)
    plan, machine, rows = Plan(runs=runs, seconds=seconds, warmup=2), read_machine(), []
    sandbox = Sandbox("export.stripping.proof", memory_mb=WHOLE_SIZE_MB)
    with progress("measuring", unit="files") as update, sandbox as box:
        for path in files:
            update(len(rows), len(files), path.name)
            rows.append(
                measure_stripped(
                    path,
                    sandbox=box,
                    signed=signed,
                    packed_for=packed_for,
                    threads=threads,
                    plan=plan,
                )
            )
    write_json({**StrippedFiles(tuple(rows)).to_json(), "machine": machine.to_json()}, json)
    columns, cells = stripped_cells(rows)
    if json != "-":
        print_table("Stripped, as a share of the old file's time", columns, cells)
    from runtime_bench.measuring.tables import protocol_lines

    for line in protocol_lines(machine, str(find_runtime())):
        say(line)
    if markdown is not None:
        lines = [columns, ["---", *["---:"] * (len(columns) - 2), "---"], *cells]
        with writing_file(markdown) as path:
            path.write_text("".join(f"| {' | '.join(line)} |\n" for line in lines))
    if require and (failed := failures(rows)):
        raise GateNotMet(f"not met: {'; '.join(failed)}")
