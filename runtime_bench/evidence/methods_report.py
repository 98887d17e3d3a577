"""The table of quantization methods as text and as a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from runtime_bench.measuring.quality import quality_protocol
from runtime_bench.pages.report import Page
from sr_models.training.course import PAMS

FLOAT = "float"
TRAINED = f"{PAMS}, trained"

Scores = dict[str, float]


@dataclass(frozen=True)
class MethodResult:
    """One row of the table.

    Attributes:
        method: Its name; `"float"` for the network itself.
        bits: Width asked for; `None` for the float network.
        levels: How many values an activation of the body can take; `None` where not counted.
        ground_truth: Whether ground truth was needed.
        simulated_db: Luma PSNR of the simulation by dataset, in dB.
        seconds: Time of calibration or training; `None` where it was done before.
        exported_as: Recipe of the file; `None` where the result is a simulation only.
        exported_db: Luma PSNR of the file by dataset, in dB.
        size_bytes: Size of the file.
        median_ms: Time of one inference of the file.
        curve: For training: seconds, step and validation PSNR (RGB) of each validation.
        validation_db: PSNR (RGB) of the simulation on the crops of that validation.
        details: What the method chose and came to, as plain data.
        recipe_name: Whose settings the method had, `"default"` or `"published"`; `None` for the
            float network and for what was trained.
    """

    method: str
    bits: int | None
    levels: int | None
    ground_truth: bool
    simulated_db: Scores
    seconds: float | None = None
    exported_as: str | None = None
    exported_db: Scores | None = None
    size_bytes: int | None = None
    median_ms: float | None = None
    curve: tuple[tuple[float, int, float], ...] = ()
    validation_db: float | None = None
    details: dict[str, Any] = field(default_factory=dict)
    recipe_name: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return asdict(self)


def _trained(rows: Sequence[MethodResult]) -> dict[int | None, MethodResult]:
    return {row.bits: row for row in rows if row.method == TRAINED and row.seconds}


def calibration_speedups(rows: Sequence[MethodResult]) -> dict[str, float]:
    """How many times faster a calibration was than PAMS's training, `method@bits` -> factor.

    Both took place in one run. Compared is a whole training; nothing is said of how good it is.
    """
    trained = _trained(rows)
    return {
        f"{row.method}@{row.bits}": trained[row.bits].seconds / row.seconds
        for row in rows
        if row.bits in trained and row.seconds and row.method != TRAINED
    }


def speedups_at_equal_quality(rows: Sequence[MethodResult]) -> dict[str, float | None]:
    """How many times faster a calibration was than training to the PSNR it came to.

    Both PSNRs are those of the crops that training holds back, so the answer is as fine as its
    validations are frequent.

    Returns:
        `method@bits` -> factor, `None` where training did not come as far.
    """
    trained, found = _trained(rows), {}
    for row in rows:
        if row.bits not in trained or not row.seconds or row.validation_db is None:
            continue
        curve = trained[row.bits].curve
        times = [seconds for seconds, _, psnr_db in curve if psnr_db >= row.validation_db]
        found[f"{row.method}@{row.bits}"] = times[0] / row.seconds if times else None
    return found


def methods_json(network: str, rows: Sequence[MethodResult], *, scale: int) -> dict[str, Any]:
    """The table as plain data."""
    return {
        "model": network,
        "scale": scale,
        "protocol": quality_protocol(scale),
        "results": [row.to_json() for row in rows],
        "training_over_calibration": calibration_speedups(rows),
        "training_over_calibration_at_equal_quality": speedups_at_equal_quality(rows),
    }


_INTRODUCTION = """\
Each method quantizes the same convolutions of one network: those of the body at the width given,
head and tail at 8 bits or, in DFSQ, not at all. A recipe is "default", with what we found better,
or "published", with the settings of paper or released code. The simulated PSNR is that of the
method in float. The exported one is that of a plain int8 file which holds as much of the method as
such a file can; "exported as" names its recipe. Without a file a method is simulated only.

Levels say how many values an activation of the body can take, which bits promise and not every
method keeps. Seconds are those of calibration or training on the machine below."""


def method_rows(rows: Sequence[MethodResult]) -> tuple[list[str], list[list[Any]]]:
    """Column names and cells; `None` where there is nothing to say."""
    datasets = list(rows[0].simulated_db)
    columns = [
        "method",
        "recipe",
        "bits",
        "levels",
        *(f"simulated {name} dB" for name in datasets),
        "exported as",
        *(f"INT8 {name} dB" for name in datasets),
        "seconds",
        "ground truth",
        "size kB",
        "ms",
    ]
    cells = [
        [
            row.method,
            row.recipe_name,
            row.bits,
            row.levels,
            *(_rounded(row.simulated_db[name], 2) for name in datasets),
            row.exported_as,
            *(_rounded((row.exported_db or {}).get(name), 2) for name in datasets),
            _rounded(row.seconds, 1),
            "yes" if row.ground_truth else "no",
            _rounded(row.size_bytes and row.size_bytes / 1000, 1),
            _rounded(row.median_ms, 2),
        ]
        for row in rows
    ]
    return columns, cells


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def text_rows(rows: Sequence[MethodResult]) -> tuple[list[str], list[list[str]]]:
    """`method_rows` for a terminal."""
    columns, cells = method_rows(rows)
    return columns, [["-" if cell is None else str(cell) for cell in row] for row in cells]


def quality_lines(rows: Sequence[MethodResult], dataset: str) -> dict[str, list[tuple]]:
    """For each method its (bits, simulated PSNR) by rising bits; the float network is left out."""
    lines: dict[str, list[tuple]] = {}
    for row in rows:
        if row.bits is not None:
            lines.setdefault(row.method, []).append((row.bits, row.simulated_db[dataset]))
    return {method: sorted(points) for method, points in lines.items()}


def methods_page(
    network: str, rows: Sequence[MethodResult], *, scale: int, machine: Mapping[str, Any]
) -> Page:
    """The page: table, a plot for each dataset, ratios, machine."""
    page = Page(f"Quantization methods: {network}")
    page.add_text(_INTRODUCTION)
    columns, cells = method_rows(rows)
    page.add_table(columns, cells, caption=f"luma; {quality_protocol(scale)}")
    for dataset in rows[0].simulated_db:
        page.add_heading(f"Simulated, {dataset}")
        whole = next(row.simulated_db[dataset] for row in rows if row.method == FLOAT)
        page.add_quality_by_bits(
            quality_lines(rows, dataset), float_db=whole, caption="luma PSNR; dashed: float"
        )
    if found := calibration_speedups(rows):
        page.add_heading("Training against calibration")
        equal = speedups_at_equal_quality(rows)
        ratios = [[name, ratio, equal.get(name)] for name, ratio in found.items()]
        page.add_table(
            ["method and bits", "times faster than training PAMS", "than training it as far"],
            ratios,
            caption="both timed in this run; as far: to the PSNR of the calibrated network on the "
            "pictures that training holds back",
        )
    page.add_heading("Machine")
    page.add_machine(machine)
    return page
