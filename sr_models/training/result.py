"""What a training run yields."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

PATIENCE = "patience"
"""What `TrainingResult.stopped_by` says of a run that gained nothing any more."""


@dataclass(frozen=True)
class TrainingResult:
    """What a training run yielded.

    Attributes:
        weights: The best weights by validation, deployed form.
        best_step: The step they were taken at.
        validation_psnr_db: Their PSNR (RGB, all held-back crops pooled) in dB.
        steps: Steps done.
        loss: Mean training loss over the last validation interval.
        seconds: Time of this process's part of the run.
        stopped_by: Why the run ended before its last step: the name of a signal, `"patience"`,
            or `None`.
    """

    weights: Path
    best_step: int
    validation_psnr_db: float
    steps: int
    loss: float
    seconds: float
    stopped_by: str | None

    @property
    def was_interrupted(self) -> bool:
        """Whether the run shall go on another time."""
        return self.stopped_by not in (None, PATIENCE)

    def to_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return {**asdict(self), "weights": str(self.weights)}
