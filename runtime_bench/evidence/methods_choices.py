"""What a table of methods is made with: pictures of calibration, and training."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sr_models.published.tuning import TuningSettings


@dataclass(frozen=True)
class Calibration:
    """What methods without training are given.

    Attributes:
        images: Folder of full-resolution pictures; scikit-image's own by default.
        patches: How many low-resolution patches.
        side: Their height and width in pixels.
        seed: Seed of their places, and of whatever a method draws.
        epochs: Passes over them by a method that fine-tunes; 0 for none.
        inputs: Folder of what networks are given in place of the pictures, by their names.
    """

    images: str | Path | None = None
    patches: int = 32
    side: int = 48
    seed: int = 0
    epochs: int = TuningSettings.epochs
    inputs: str | Path | None = None


@dataclass(frozen=True)
class Training:
    """How PAMS is trained for the table.

    Attributes:
        data: Folder of ground truth.
        changes: What differs from the published recipe, as keywords of `Recipe`.
    """

    data: str | Path
    changes: dict[str, Any] = field(default_factory=dict)
