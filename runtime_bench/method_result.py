"""Rows of the table of quantization methods, and what their times say of each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from runtime_bench.quality import protocol
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
        "protocol": protocol(scale),
        "results": [row.to_json() for row in rows],
        "training_over_calibration": calibration_speedups(rows),
        "training_over_calibration_at_equal_quality": speedups_at_equal_quality(rows),
    }
