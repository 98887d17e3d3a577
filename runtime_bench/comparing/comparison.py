"""A candidate file against a baseline: time, pictures, output codes, size, and gates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from export.running.differences import CodeDifference
from export.running.interpreters import Runner, Tensor
from export.running.pixel_range import find_pixels
from export.running.pixels import pixels_of_codes
from export.running.plan import Plan
from export.running.statistics import Comparison, compare_samples
from runtime_bench.comparing.gates import Gates
from runtime_bench.measuring.latency import Entry, Latency, input_array, open_entries, time_entries
from runtime_bench.measuring.quality import Dataset, QualityResult, measure_file
from runtime_bench.measuring.tables import print_latency, print_quality
from sr_models.ground.console import print_table
from sr_models.ground.errors import ModelFileError
from sr_models.ground.pixel_range import PixelRange

_NONE: Mapping[Path, Path] = MappingProxyType({})


@dataclass(frozen=True)
class FileComparison:
    """The whole comparison of two files.

    Attributes:
        baseline: Latency of the baseline.
        candidate: Latency of the candidate, timed in the same rounds.
        speed: Speed-up with its interval and significance.
        difference: Output code difference.
        quality: Results on every dataset, the baseline's and the candidate's in turn.
        gates: Gate name to passed.
        reasons: What the audit has to say about gates that were not passed.
        unmet: Gate name to what was asked and what was found, of those not passed.
        samples: Number of codes compared.
    """

    baseline: Latency
    candidate: Latency
    speed: Comparison
    difference: CodeDifference
    quality: tuple[QualityResult, ...]
    gates: dict[str, bool]
    reasons: tuple[str, ...] = ()
    unmet: dict[str, str] = field(default_factory=dict)
    samples: int = 0

    @property
    def psnr_drops_db(self) -> dict[str, dict[str, float]]:
        """Dataset to baseline minus candidate, raw reading: `psnr_drop_db` and `psnr_y_drop_db`."""
        return psnr_drops(self.quality)

    def to_json(self) -> dict:
        """One flat result; `psnr_drop_db` is that of the dataset where it is largest."""
        drops = self.psnr_drops_db
        return {
            "baseline": self.baseline.to_json(),
            "candidate": self.candidate.to_json(),
            **self.speed.to_json(),
            "psnr_drop_db": largest_drop(drops, "psnr_drop_db"),
            "psnr_y_drop_db": largest_drop(drops, "psnr_y_drop_db"),
            "psnr_drops_db": drops,
            **self.difference.to_json(),
            "samples": self.samples,
            "size_ratio": self.candidate.size_bytes / self.baseline.size_bytes,
            "quality": [result.to_json() for result in self.quality],
            "gates": self.gates,
            "gate_reasons": list(self.reasons),
        }


def psnr_drops(quality: Sequence[QualityResult]) -> dict[str, dict[str, float]]:
    """Per dataset, raw PSNR of the first result less that of the second, in dB.

    `psnr_drop_db` is that of all channels: RGB, or luma where a file has nothing else.
    """
    pairs: dict[str, list[QualityResult]] = {}
    for result in quality:
        pairs.setdefault(result.dataset, []).append(result)
    return {
        name: {
            "psnr_drop_db": _drop(_whole(baseline), _whole(candidate)),
            "psnr_y_drop_db": _drop(baseline.raw.psnr_y_db, candidate.raw.psnr_y_db),
        }
        for name, (baseline, candidate) in pairs.items()
    }


def largest_drop(drops: dict[str, dict[str, float]], key: str) -> float | None:
    """The worst drop over datasets; `None` where no pictures were given."""
    return max((drop[key] for drop in drops.values()), default=None)


def code_difference(
    baseline: Runner,
    candidate: Runner,
    *,
    seed: int = 0,
    picture: np.ndarray | None = None,
    pixels: PixelRange | None = None,
) -> CodeDifference:
    """Run two files on the same input and compare their output pixels.

    Both must have one input of the same shape. Eight-bit codes are compared as pixels, so that a
    uint8 file can stand against an int8 one; float output is saturated and rounded first.

    Args:
        baseline: What is there today.
        candidate: What shall replace it.
        seed: Seed of random pixels, which find the widest difference.
        picture: uint8 (H, W, 3), resized to the input, instead of random pixels. Files that were
            calibrated with other pictures may be far apart on noise, which neither was made for.
        pixels: What black and white are for both files; found by default, for each apart.

    Raises:
        ModelFileError: Input or output shapes differ.
    """
    _require_alike(baseline, candidate)
    first, second = (
        _made(runner, find_pixels(runner.model, given=pixels).range, picture=picture, seed=seed)
        for runner in (baseline, candidate)
    )
    return CodeDifference.between([first], [second])


def _made(
    runner: Runner, pixels: PixelRange, *, picture: np.ndarray | None, seed: int
) -> np.ndarray:
    source, target = runner.inputs[0], runner.outputs[0]
    fed = input_array(source, picture=picture, seed=seed, ends=pixels.input_ends)
    found = pixels_of_codes(runner.run(fed), target, ends=pixels.output_ends)
    return np.moveaxis(found, 1, 3) if target.channels_first else found


def compare_speed(
    baseline: Entry, candidate: Entry, plan: Plan, *, on_step: Callable[..., Any] | None = None
) -> tuple[Latency, Latency, Comparison]:
    """Time two opened files in the same interleaved rounds, and judge what was found."""
    first, second = time_entries([baseline, candidate], plan, on_step=on_step)
    speed = compare_samples(first.samples_ms, second.samples_ms, seed=plan.seed)
    return first, second, speed


def compare_entries(
    baseline: Entry,
    candidate: Entry,
    plan: Plan | None = None,
    *,
    gates: Gates | None = None,
    datasets: Sequence[Dataset] = (),
    scale: int | None = None,
    picture: np.ndarray | None = None,
    audit: Callable[[bytes], Any] | None = None,
    pixels: PixelRange | None = None,
    inputs: Mapping[Path, Path] = _NONE,
    on_step: Callable[..., Any] | None = None,
) -> FileComparison:
    """Compare two opened files.

    Args:
        baseline: What is there today.
        candidate: What shall replace it.
        plan: Rounds, budget, warm-up and seed of the timing.
        gates: What the candidate must reach.
        datasets: Ground-truth pictures; none for a comparison without PSNR.
        scale: Scale factor that both files must have.
        picture: What output codes are compared on, see `code_difference`.
        audit: Content to audit, for the gates that look into the file; the export package's own
            by default.
        pixels: What black and white are for both files; found by default, for each apart.
        inputs: See `runtime_bench.measuring.quality.measure_file`.
        on_step: Called with steps done, all steps and a note.

    Raises:
        OptionError: A PSNR gate without pictures.
        ModelFileError: Files that cannot be compared.
    """
    plan, gates = plan or Plan(), gates or Gates()
    gates.require_pictures(datasets)
    _require_alike(baseline.runner, candidate.runner)
    facts: dict[str, Any] = {}
    if gates.need_audit:
        facts["audit"] = _audited(candidate.runner.model.data, audit)
    first, second, speed = compare_speed(baseline, candidate, plan, on_step=on_step)
    # After the timing, whose first inference is to be a cold one.
    difference = code_difference(
        baseline.runner, candidate.runner, seed=plan.seed, picture=picture, pixels=pixels
    )
    facts["max_code_difference"] = difference.max_abs_code_difference
    samples = int(np.prod(candidate.runner.outputs[0].shape))
    facts["partitions"] = second.delegation.partitions if second.delegation else None
    # Last, for it resizes the inputs of both.
    quality = tuple(
        measure_file(
            entry.runner, dataset, scale=scale, pixels=pixels, inputs=inputs, on_step=on_step
        )
        for dataset in datasets
        for entry in (baseline, candidate)
    )
    facts["psnr_drop_db"] = largest_drop(psnr_drops(quality), "psnr_drop_db")
    facts |= {"speedup": speed.speedup, "significant": speed.significant}
    facts |= {"verdict": speed.verdict, "baseline": first, "candidate": second, "quality": quality}
    return FileComparison(
        first,
        second,
        speed,
        difference,
        quality,
        gates.judge(facts),
        gates.reasons(facts),
        gates.unmet(facts),
        samples,
    )


def compare_files(
    baseline: str | Path,
    candidate: str | Path,
    *,
    plan: Plan | None = None,
    delegate: str = "xnnpack",
    threads: int = 1,
    height: int | None = None,
    width: int | None = None,
    **options: Any,
) -> FileComparison:
    """Open two files alike and `compare_entries`, whose options are passed on."""
    plan = plan or Plan()
    first, second = open_entries(
        [baseline, candidate],
        delegates=[delegate],
        threads=[threads],
        height=height,
        width=width,
        seed=plan.seed,
    )
    return compare_entries(first, second, plan, **options)


def _whole(result: QualityResult) -> float:
    return result.raw.psnr_y_db if result.luma else result.raw.psnr_rgb_db


def _drop(baseline: float, candidate: float) -> float:
    # Two pictures without any error are infinitely good both.
    return 0.0 if baseline == candidate else baseline - candidate


def _require_alike(baseline: Runner, candidate: Runner) -> None:
    for runner in (baseline, candidate):
        if len(runner.inputs) != 1 or len(runner.outputs) != 1:
            raise ModelFileError(
                f"expected one picture in and one out, found {len(runner.inputs)} input(s) and "
                f"{len(runner.outputs)} output(s) in {runner.model.name}; give a file of one each"
            )
    inputs = [_size(runner.inputs[0]) for runner in (baseline, candidate)]
    if inputs[0] != inputs[1]:
        raise ModelFileError(
            f"expected input {inputs[0]} as in {baseline.model.name}, found {inputs[1]} in "
            f"{candidate.model.name}; give --size"
        )
    outputs = [_size(runner.outputs[0]) for runner in (baseline, candidate)]
    if outputs[0] != outputs[1]:
        raise ModelFileError(
            f"expected output {outputs[0]} as from {baseline.model.name}, found {outputs[1]} "
            f"from {candidate.model.name}; compare files of one scale factor"
        )


def _size(tensor: Tensor) -> list[int]:
    shape = tensor.picture_shape
    return [tensor.shape[0], *shape] if shape else list(tensor.shape)


def _audited(content: bytes, audit: Callable[[bytes], Any] | None) -> Any:
    if audit is None:
        from export.inspecting.audit import audit_model as audit
    return audit(content)


def print_comparison(result: FileComparison) -> None:
    """Times, pictures, differences and gates of a comparison."""
    print_latency([result.baseline, result.candidate])
    if result.quality:
        print_quality(result.quality)
    speed, apart = result.speed, result.difference
    differing = f"{apart.differing_fraction:.2%}"
    rows = [
        ["speed-up", f"{speed.speedup:.3f} (95 %: {speed.low:.3f} to {speed.high:.3f})"],
        ["candidate is", f"{speed.verdict} (p = {speed.p_value:.3g})"],
        ["code difference", f"at most {apart.max_abs_code_difference}, {differing}"],
        ["size", f"{result.baseline.size_bytes} -> {result.candidate.size_bytes} bytes"],
    ]
    for name, drop in result.psnr_drops_db.items():
        rgb = "" if result.quality[0].luma else f"{drop['psnr_drop_db']:+.3f} dB RGB, "
        text = f"{rgb}{drop['psnr_y_drop_db']:+.3f} dB Y"
        rows.append([f"PSNR drop, {name}", text])
    rows += gate_rows(result.gates)
    print_table("Candidate against baseline", ("", "found"), rows)


def gate_rows(gates: Mapping[str, bool]) -> list[list[str]]:
    """One row per gate."""
    return [
        [f"gate {name.replace('_', '-')}", "passed" if passed else "NOT MET"]
        for name, passed in gates.items()
    ]
