"""The clipped baseline against the clip-free file: one table over many presets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from export.running.plan import Plan
from export.running.statistics import Comparison
from export.running.targets import HERE, find_target, this_machine
from runtime_bench.comparing.comparison import FileComparison, compare_files
from runtime_bench.evidence.kernels import peak_products_per_ns
from runtime_bench.evidence.studies import study
from runtime_bench.evidence.twin_files import SIDE, Twins, export_twins, shipped_presets
from runtime_bench.measuring.latency import Latency, latency_protocol
from runtime_bench.measuring.machine import read_machine
from runtime_bench.measuring.options import (
    ExportSize,
    Json,
    Markdown,
    MaybeData,
    Runs,
    Seconds,
    ThreadCounts,
    Warmup,
    sides,
)
from runtime_bench.measuring.quality import Dataset, find_datasets
from runtime_bench.measuring.tables import protocol_lines
from sr_models.ground.console import print_table, progress, say, write_json
from sr_models.ground.files import require_writable, writing_file
from sr_models.ground.native_output import import_tensorflow_quietly
from sr_models.ground.options import PackedFor
from sr_models.ground.sizes import Size

_UNKNOWN = "?"


@dataclass(frozen=True)
class TwinRow:
    """One preset.

    Attributes:
        preset: Its name.
        by_threads: Number of threads -> the clip-free file against its clipped baseline. Pictures
            are compared with the first number only.
        products: Multiply-adds of the clipped baseline at the size that was timed. The clip-free
            file may compute more: zeros that fill kernels are no work that anybody asked for.
        peak_per_ns: Multiply-adds a nanosecond that one thread reaches at best; `None` where it was
            not measured.
    """

    preset: str
    by_threads: Mapping[int, FileComparison]
    products: int = 0
    peak_per_ns: float | None = None

    @property
    def first(self) -> FileComparison:
        """The comparison with the first number of threads."""
        return next(iter(self.by_threads.values()))

    @property
    def peak_share(self) -> float | None:
        """Share of the int8 peak that the clip-free file makes use of on one thread."""
        found = self.by_threads.get(1)
        if found is None or self.peak_per_ns is None:
            return None
        return self.products / (found.candidate.summary.median_ms * 1e6 * self.peak_per_ns)

    def to_json(self) -> dict[str, Any]:
        """The comparisons in full, by number of threads."""
        return {
            "preset": self.preset,
            "products": self.products,
            "peak_share": self.peak_share,
            "comparisons": [
                {"threads": threads, **found.to_json()}
                for threads, found in self.by_threads.items()
            ],
        }


def compare_twins(
    twins: Iterable[Twins],
    *,
    threads: Sequence[int],
    height: int,
    width: int,
    plan: Plan | None = None,
    datasets: Sequence[Dataset] = (),
    peak_per_ns: float | None = None,
    on_network: Callable[[int, str], Any] = lambda done, name: None,
) -> list[TwinRow]:
    """Compare every pair as `sr-bench compare` does, at one size, with each number of threads.

    Args:
        twins: The pairs.
        threads: Numbers of threads.
        height: Input height in pixels.
        width: Input width in pixels.
        plan: How each comparison is timed.
        datasets: Ground truth, for PSNR.
        peak_per_ns: See `TwinRow`.
        on_network: Called before each with the number done and its name.
    """
    rows = []
    for done, pair in enumerate(twins):
        on_network(done, pair.preset.name)
        found: dict[int, FileComparison] = {}
        for count in dict.fromkeys(threads):
            found[count] = compare_files(
                pair.clipped,
                pair.clip_free,
                plan=plan,
                threads=count,
                height=height,
                width=width,
                datasets=() if found else datasets,
            )
        products = products_of(pair.clipped.read_bytes(), height=height, width=width)
        rows.append(TwinRow(pair.preset.name, found, products, peak_per_ns))
    return rows


def products_of(content: bytes, *, height: int, width: int) -> int:
    """Multiply-adds of a fully convolutional file, with pictures of another size than its own."""
    from export.inspecting.work import work_of
    from sr_models.tflite.flatbuffer import read_graph

    graph = read_graph(content)
    _, own_height, own_width, _ = graph.tensors[graph.inputs[0]].shape
    useful = work_of(graph, find_target(HERE)).useful
    return round(useful * (height * width) / (own_height * own_width))


def twin_cells(rows: Sequence[TwinRow]) -> tuple[list[str], list[list[str]]]:
    """Column names and cells: times, speed-up, share of the peak, where it ran, PSNR."""
    threads = list(rows[0].by_threads)
    datasets = list(rows[0].first.psnr_drops_db)
    columns = ["network"]
    for count in threads:
        unit = f"{count} thread" if count == 1 else f"{count} threads"
        columns += [f"{unit}: clipped, ms", "clip-free, ms", "speed-up"]
    with_peak = rows[0].peak_share is not None
    columns += ["share of int8 peak"] if with_peak else []
    columns += ["partitions", "left to the CPU, clipped", "clip-free"]
    columns += [f"PSNR on {name}, dB" for name in datasets]
    return columns, [
        [
            row.preset,
            *(cell for count in threads for cell in _times(row.by_threads[count])),
            *([f"{row.peak_share:.2f}"] if with_peak else []),
            *_places(row.first.baseline, row.first.candidate),
            *(_psnr(row.first, name) for name in datasets),
        ]
        for row in rows
    ]


def twin_page(rows: Sequence[TwinRow], *, notes: Sequence[str]) -> str:
    """The table in Markdown, and a paragraph of notes below it."""
    columns, cells = twin_cells(rows)
    rule = ["---", *["---:"] * (len(columns) - 1)]
    named = [[f"`{line[0]}`", *line[1:]] for line in cells]
    table = "".join(f"| {' | '.join(line)} |\n" for line in (columns, rule, *named))
    return f"{table}\n{' '.join(f'{note}.' for note in notes)}\n"


def summary_of(rows: Sequence[TwinRow]) -> list[str]:
    """For each number of threads, how often the clip-free file is faster, and by how much."""
    said = []
    for count in rows[0].by_threads:
        speeds = [row.by_threads[count].speed for row in rows]
        faster = sum(speed.verdict == "faster" for speed in speeds)
        slower = sum(speed.verdict == "slower" for speed in speeds)
        low, high = min(s.speedup for s in speeds), max(s.speedup for s in speeds)
        said.append(
            f"threads {count}: clip-free is faster in {faster} of {len(speeds)} networks, slower "
            f"in {slower}; speed-ups {low:.2f} to {high:.2f}"
        )
    return said


def _times(found: FileComparison) -> list[str]:
    clipped, clip_free = (
        f"{latency.summary.median_ms:.1f}" for latency in (found.baseline, found.candidate)
    )
    return [clipped, clip_free, _speed(found.speed)]


def _speed(speed: Comparison) -> str:
    shown = "" if speed.significant else ", no difference shown"
    return f"{speed.speedup:.2f} [{speed.low:.2f}, {speed.high:.2f}]{shown}"


def _places(clipped: Latency, clip_free: Latency) -> list[str]:
    places = [latency.delegation for latency in (clipped, clip_free)]
    if None in places:
        return [_UNKNOWN] * 3
    partitions = [str(place.partitions) for place in places]
    text = partitions[0] if partitions[0] == partitions[1] else " → ".join(partitions)
    return [text, *(str(len(place.left_behind)) for place in places)]


def _psnr(found: FileComparison, dataset: str) -> str:
    clipped, clip_free = (
        result.raw.psnr_rgb_db for result in found.quality if result.dataset == dataset
    )
    return f"{clipped:.2f} → {clip_free:.2f}"


@study("twins")
def twins(
    patterns: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PATTERN]...",
            help="Presets by name or pattern.",
            show_default="all with weights",
        ),
    ] = None,
    *,
    out: Annotated[
        str, typer.Option(metavar="DIR", help="Where files are kept; made once, then only timed.")
    ],
    threads: ThreadCounts = [1, 2],  # noqa: B006
    size: ExportSize = "180x320",
    method: Annotated[
        str | None, typer.Option(help="Recipe of the clip-free files.", show_default="as sr-export")
    ] = None,
    packed_for: PackedFor = HERE,
    io: Annotated[str, typer.Option(help="Codes of the clip-free files: uint8 or int8.")] = "uint8",
    data: MaybeData = None,
    runs: Runs = 25,
    seconds: Seconds = 60.0,
    warmup: Warmup = 2,
    only_export: Annotated[
        bool, typer.Option("--only-export", help="Make the files and time nothing.")
    ] = False,
    markdown: Markdown = None,
    json: Json = None,
) -> None:
    """Clipped baselines against clip-free files, over every preset that has weights.

    [bold]Examples[/bold]

    \b
    sr-bench evidence twins --out twins --markdown twins.md --json twins.json
    sr-bench evidence twins 'xlsr*' --out twins --size 360x640 --threads 1
    sr-bench evidence twins --out twins --only-export
    """
    from export.exporting.settings import ExportSettings

    chosen = sides(size)
    plan = Plan(runs=runs, seconds=seconds, warmup=warmup)
    settings = ExportSettings(
        sizes=(Size(SIDE, SIDE),), io=io, method=method, packed_for=this_machine(packed_for)
    )
    presets = shipped_presets(patterns or [])
    datasets = find_datasets(data) if data is not None else []
    if markdown is not None:
        require_writable(markdown)
    import_tensorflow_quietly()
    pairs = [export_twins(preset, Path(out), settings, on_stage=say) for preset in presets]
    if only_export:
        return
    machine = read_machine()
    peak = peak_products_per_ns(plan) if 1 in threads else None
    with progress("comparing", unit="networks") as update:
        rows = compare_twins(
            pairs,
            threads=threads,
            plan=plan,
            datasets=datasets,
            peak_per_ns=peak,
            on_network=lambda done, name: update(done, len(pairs), name),
            **chosen,
        )
    write_json(
        {
            "results": [row.to_json() for row in rows],
            **chosen,
            "method": settings.quantizing.recipe,
            "packed_for": settings.quantizing.packed_for,
            "io": io,
            "peak_per_ns": peak,
            "machine": machine.to_json(),
            "protocol": latency_protocol(plan),
        },
        json,
    )
    if json != "-":
        print_table(f"Clipped baseline and clip-free at {size}", *twin_cells(rows))
    notes = [*protocol_lines(machine, rows[0].first.baseline.runtime), *summary_of(rows)]
    for line in notes:
        say(line)
    if markdown is not None:
        intro = (
            f"Input {size}, clipped files of uint8 and clip-free ones of {io} codes, packed for "
            f"{settings.quantizing.packed_for}, by {settings.quantizing.recipe}, median of at most "
            f"{runs} interleaved rounds"
        )
        with writing_file(markdown) as path:
            path.write_text(twin_page(rows, notes=[intro, *notes]))
