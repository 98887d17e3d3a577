"""What people would ship, to hold a file against: the clipped baseline, and where operators run.

The baseline is the same network with a clip, converted by the plain path. Only how it runs counts
here, so that one picture calibrates it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np

from export.exporting.conversion import convert_clipped, convert_with_ranges
from export.exporting.settings import ExportSettings
from export.quantizing.quantized_network import Evidence, QuantizedNetwork
from export.quantizing.recipe import AUTO, Recipe, parse_recipe
from export.running.interpreters import open_model
from export.running.pixels import codes_of_pixels
from export.running.plan import Plan
from export.running.runtimes import Delegation
from export.running.statistics import Comparison, compare_samples
from export.running.timing import time_interleaved
from sr_models.ground.sizes import Size


@dataclass(frozen=True)
class ClippedBaseline:
    """The network with a clip, and how its plain file is made.

    Attributes:
        model: Float network with the tail `"clip"`.
        picture: uint8 (h, w, C), which calibrates it; files that are only counted have its size.
        io: `"uint8"`, `"int8"` or `"float32"` input and output.
    """

    model: Any
    picture: np.ndarray
    io: str

    def file(self, size: Size) -> bytes:
        """The `.tflite` file for an input size."""
        return convert_clipped(
            self.model, self.picture, height=size.height, width=size.width, io=self.io
        )

    @cached_property
    def delegation(self) -> Delegation | None:
        """Where its operators run with XNNPACK; `None` where this interpreter does not tell.

        Which operators are taken does not depend on the size, so it is asked at a small one.
        """
        height, width = self.picture.shape[:2]
        return open_model(self.file(Size(height, width))).delegation


def baseline_of(
    with_tail: Callable[[str], Any], picture: np.ndarray, settings: ExportSettings
) -> ClippedBaseline | None:
    """What to hold the files of an export against.

    Args:
        with_tail: Makes the float network with a tail, by the tail's name.
        picture: uint8 (h, w, C), which calibrates the baseline.
        settings: Every choice of the export.

    Returns:
        The baseline; `None` for a float file, and for one that has a clip itself.
    """
    if settings.quantizing.precision == "float32" or settings.quantizing.tail == "clip":
        return None
    return ClippedBaseline(with_tail("clip"), picture, settings.files.io)


@dataclass(frozen=True)
class BaselineCounts:
    """Where the operators of a file run with XNNPACK, beside those of its clipped baseline.

    Attributes:
        baseline: The baseline's; `None` where this interpreter does not tell.
        file: The file's.
        blamed: Methods of the recipe without which nothing would be worse.
        left_out: Methods that were left out for that.
    """

    baseline: Delegation | None
    file: Delegation | None
    blamed: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def worse(self) -> tuple[str, ...]:
        """What is worse than in the baseline, in words; empty where nothing is."""
        if self.baseline is None or self.file is None:
            return ()
        return self.file.worse_than(self.baseline)

    def of(self, content: bytes) -> BaselineCounts:
        """The same with the counts of another file."""
        return replace(self, file=open_model(content).delegation)

    def to_json(self) -> dict[str, Any]:
        """The same as plain data; the file's own counts stand with the file."""
        return {
            "delegation": self.baseline.to_json() if self.baseline else None,
            "worse": list(self.worse),
            "blamed": list(self.blamed),
            "left_out": list(self.left_out),
        }

    def __str__(self) -> str:
        if self.baseline is None or self.file is None:
            return "not counted"
        counts = [
            f"{found.partitions} {'partition' if found.partitions == 1 else 'partitions'}, "
            f"{len(found.left_behind)} of {found.total_nodes} operators left to the CPU"
            for found in (self.file, self.baseline)
        ]
        left_out = f"; {', '.join(self.left_out)} left out" if self.left_out else ""
        return f"{counts[0]}; clipped baseline: {counts[1]}{left_out}"


def count_operators(content: bytes, baseline: ClippedBaseline) -> BaselineCounts:
    """Where the operators of a file and of its baseline run."""
    return BaselineCounts(baseline.delegation, open_model(content).delegation)


def stages_to_blame(
    model, recipe: Recipe, evidence: Evidence, baseline: Delegation, *, io: str
) -> tuple[str, ...]:
    """The fewest methods without which a file runs in no more pieces than the baseline.

    Args:
        model: Float network with its output tail.
        recipe: What was found to be worse.
        evidence: What methods may look at.
        baseline: How the clipped baseline runs.
        io: `"uint8"`, `"int8"` or `"float32"` input and output.

    Returns:
        Names of methods; none where the recipe is not to blame.
    """
    suspects = recipe.changes_layers
    others = {method.name for method in recipe.methods} - set(suspects)
    for count in range(1, len(suspects) + 1):
        for left_out in combinations(suspects, count):
            # Methods that leave layers as they are change nothing about where these run.
            network = recipe.without({*others, *left_out}).apply(model, evidence)
            picture = evidence.dataset.pictures[0]
            height, width = picture.shape[:2]
            content = convert_with_ranges(
                network.model, network.ranges, sample=picture, height=height, width=width, io=io
            )
            found = open_model(content).delegation
            if found is not None and not found.worse_than(baseline):
                return left_out
    return ()


def answer_what_is_worse(
    counts: BaselineCounts,
    model,
    quantized: QuantizedNetwork | None,
    evidence: Evidence,
    settings: ExportSettings,
) -> tuple[BaselineCounts, str, Recipe | None]:
    """Why a file runs in more pieces than its baseline, and what to do about it.

    Args:
        counts: Of the file and the baseline; something is worse.
        model: Float network with its output tail.
        quantized: What the file was made from; `None` where the converter found its ranges.
        evidence: What it was made with.
        settings: Every choice of the export.

    Returns:
        The counts with the methods that are to blame; the same in words; and the recipe to follow
        instead, or `None` where the file stays as it is: nothing helps, or the user has named the
        recipe.
    """
    said = f"worse than the clipped baseline: {'; '.join(counts.worse)}"
    if settings.quantizing.precision != "int8" or quantized is None:
        return counts, f"{said}; --precision or --calibrator asks for it", None
    followed = parse_recipe(quantized.ranges.method)
    io = settings.files.io
    blamed = stages_to_blame(model, followed, evidence, counts.baseline, io=io)
    counts, names = replace(counts, blamed=blamed), ", ".join(blamed)
    if not blamed:
        return counts, f"{said}; no part of the recipe is to blame", None
    if settings.quantizing.method not in (None, AUTO):
        return counts, f"{said}; to blame is {names} of --method", None
    return (
        replace(counts, left_out=blamed),
        f"{said}; to blame is {names}, which is left out",
        followed.without(blamed),
    )


@dataclass(frozen=True)
class BaselineSpeed:
    """A file against its clipped baseline, timed in the same rounds on one thread.

    Attributes:
        size: Input size of both.
        baseline_ms: Median of the baseline, milliseconds.
        file_ms: Median of the file, milliseconds.
        comparison: Speed-up with its interval and what it shows.
        runs: Number of rounds.
    """

    size: Size
    baseline_ms: float
    file_ms: float
    comparison: Comparison
    runs: int

    @property
    def slower(self) -> bool:
        """Whether the file is shown to be slower; no difference shown is none."""
        return self.comparison.verdict == "slower"

    def to_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return {
            "height": self.size.height,
            "width": self.size.width,
            "threads": 1,
            "runs": self.runs,
            "baseline_ms": self.baseline_ms,
            "file_ms": self.file_ms,
            **self.comparison.to_json(),
        }

    def __str__(self) -> str:
        found = self.comparison
        return (
            f"{self.file_ms:.1f} ms, clipped baseline {self.baseline_ms:.1f} ms at {self.size}: "
            f"{found.speedup:.2f} times as fast [{found.low:.2f}, {found.high:.2f}], "
            f"{found.verdict}"
        )


def measure_speed(
    content: bytes, baseline: ClippedBaseline, size: Size, *, plan: Plan | None = None
) -> BaselineSpeed:
    """Time a file against its clipped baseline, both with XNNPACK on one thread.

    Args:
        content: The `.tflite` file.
        baseline: What to hold it against.
        size: Its input size; a file for any size is timed at that of the baseline's picture.
        plan: How to time.
    """
    plan = plan or Plan(runs=25, warmup=2)
    if size.is_dynamic:
        size = Size(*baseline.picture.shape[:2])
    rng = np.random.default_rng(plan.seed)
    shape = (1, size.height, size.width, baseline.picture.shape[2])
    pixels = rng.integers(0, 256, shape, dtype=np.uint8)
    runners = []
    for data in (baseline.file(size), content):
        runner = open_model(data, height=size.height, width=size.width)
        runner.set_inputs(codes_of_pixels(pixels, runner.inputs[0]))
        runners.append(runner)
    first, second = time_interleaved(runners, plan)
    return BaselineSpeed(
        size,
        float(np.median(first.samples_ms)),
        float(np.median(second.samples_ms)),
        compare_samples(first.samples_ms, second.samples_ms, seed=plan.seed),
        len(second.samples_ms),
    )
