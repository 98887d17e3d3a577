"""The clipped twin against the clip-free file: one table over many presets."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from export.exporting.settings import ExportSettings
from runtime_bench.comparing.comparison import FileComparison, compare_files
from runtime_bench.measuring.latency import Latency, Plan
from runtime_bench.measuring.quality import Dataset
from runtime_bench.measuring.statistics import Comparison
from sr_models.ground.console import json_text
from sr_models.ground.errors import ConversionError, UnknownModelError
from sr_models.ground.files import file_sha256, output_error, writing_file
from sr_models.networks.card import find_card
from sr_models.networks.presets import PRESETS, Preset, get_preset, list_presets

SIDE = 96
"""Height and width in pixels that files are made for."""


@dataclass(frozen=True)
class Twins:
    """Two files of one preset.

    Attributes:
        preset: The preset.
        clipped: Path of the file with a clip.
        clip_free: Path of the file without.
    """

    preset: Preset
    clipped: Path
    clip_free: Path


def shipped_presets(patterns: Sequence[str] = ()) -> list[Preset]:
    """Presets with shipped weights by name or shell pattern; all of them without any.

    Raises:
        UnknownModelError: A pattern matches none.
    """
    names: dict[str, None] = {}
    for pattern in patterns or ["*"]:
        found = list_presets(pattern) or [get_preset(pattern).name]
        shipped = [name for name in found if find_card(PRESETS[name]) is not None]
        if not shipped:
            raise UnknownModelError(
                f"expected presets with weights, found none for {pattern}; see sr-models list"
            )
        names.update(dict.fromkeys(shipped))
    return [PRESETS[name] for name in names]


def twin_settings(settings: ExportSettings | None = None) -> dict[str, ExportSettings]:
    """Settings of both files, `clipped` and `clip_free`, from those of the clip-free one."""
    settings = settings or ExportSettings(height=SIDE, width=SIDE)
    return {
        "clipped": replace(settings, method="natural", tail="clip"),
        "clip_free": replace(settings, tail="relu"),
    }


def export_twins(
    preset: Preset,
    folder: Path,
    settings: ExportSettings | None = None,
    *,
    on_stage: Callable[[str], None] = lambda stage: None,
) -> Twins:
    """The twins of a preset in a folder; exported where they are not there yet.

    A file is taken as it is where a note beside it names the same settings, weights and content.
    What it was made by is not known to the note: remove the folder after changes to the exporter.

    Args:
        preset: One with weights.
        folder: Where files are kept; made where it is missing.
        settings: Every choice of the clip-free file; the default recipe otherwise.
        on_stage: Called with what begins next.

    Raises:
        ConversionError: The clip-free file would not be handed over.
        SrError: See `run_export`.
    """
    paths = {}
    for kind, chosen in twin_settings(settings).items():
        paths[kind] = path = Path(folder, f"{preset.name}_{kind}.tflite")
        made_by = {"settings": chosen.to_json(), "weights": file_sha256(preset.weights_path)}
        if not _is_kept(path, made_by):
            on_stage(f"{preset.name}: exporting {path.name}")
            _write(path, _exported(preset, chosen), made_by)
    return Twins(preset, **paths)


def _exported(preset: Preset, settings: ExportSettings) -> bytes:
    from export.exporting.job import run_export

    result = run_export(preset.name, settings)
    # A clipped twin may be as bad as it is.
    if result.failures and settings.quantizing.tail != "clip":
        raise ConversionError(
            f"expected a clip-free file of {preset.name} that can be handed over, found: "
            f"{'; '.join(result.failures)}; take another method"
        )
    return result.content


def _note(path: Path) -> Path:
    return path.with_suffix(".json")


def _is_kept(path: Path, made_by: dict[str, Any]) -> bool:
    try:
        kept = json.loads(_note(path).read_text())
        return kept == json.loads(json_text({**made_by, "sha256": file_sha256(path)}))
    except (OSError, ValueError):
        return False


def _write(path: Path, content: bytes, made_by: dict[str, Any]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(path.parent, error) from error
    # The note last: a file without one is made anew.
    with writing_file(path) as beside:
        beside.write_bytes(content)
    with writing_file(_note(path)) as beside:
        beside.write_text(json_text({**made_by, "sha256": file_sha256(path)}))


_UNKNOWN = "?"


@dataclass(frozen=True)
class TwinRow:
    """One preset.

    Attributes:
        preset: Its name.
        by_threads: Number of threads -> the clip-free file against its clipped twin. Pictures are
            compared with the first number only.
    """

    preset: str
    by_threads: Mapping[int, FileComparison]

    @property
    def first(self) -> FileComparison:
        """The comparison with the first number of threads."""
        return next(iter(self.by_threads.values()))

    def to_json(self) -> dict[str, Any]:
        """The comparisons in full, by number of threads."""
        return {
            "preset": self.preset,
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
        rows.append(TwinRow(pair.preset.name, found))
    return rows


def twin_cells(rows: Sequence[TwinRow]) -> tuple[list[str], list[list[str]]]:
    """Column names and cells: milliseconds, speed-up, where the work ran, PSNR where measured."""
    threads = list(rows[0].by_threads)
    datasets = list(rows[0].first.psnr_drops_db)
    columns = ["network"]
    for count in threads:
        unit = f"{count} thread" if count == 1 else f"{count} threads"
        columns += [f"{unit}: clipped, ms", "clip-free, ms", "speed-up"]
    columns += ["partitions", "left to the CPU, clipped", "clip-free"]
    columns += [f"PSNR on {name}, dB" for name in datasets]
    return columns, [
        [
            row.preset,
            *(cell for count in threads for cell in _times(row.by_threads[count])),
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
