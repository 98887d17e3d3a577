"""The recipe of a training run: everything that decides its outcome, besides data and network."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sr_models.ground.errors import OptionError, TrainingError, require_known
from sr_models.networks.presets import Preset

OPTIMIZERS = ("soap", "adam")
LOSSES = ("charbonnier", "l1")
SCHEDULES = ("stable", "cosine", "step", "thirds")


@dataclass(frozen=True)
class TrainingRecipe:
    """How a network is trained.

    Attributes:
        steps: Number of optimizer steps.
        batch_size: Patches per step, over all workers and devices together.
        patch_size: Side of a low-resolution patch in pixels.
        optimizer: `"soap"` (`sr_models.training.soap`) or `"adam"`.
        learning_rate: The optimizer's rate after warm-up and before the decay.
        warmup_steps: Steps of linear increase from zero.
        schedule: How the rate falls. `"stable"`: constant, then to zero along a half cosine over
            the last `decay_fraction` of the steps, so that a run can be shortened or prolonged
            while it lasts. `"cosine"`: a half cosine over all steps. `"step"`: halved after every
            fifth of the steps, as ABPN was trained. `"thirds"`: halved after every third of them,
            as PAMS was.
        decay_fraction: See `schedule`; in 0..1.
        loss: `"charbonnier"`, `mean(sqrt(d^2 + e^2))`, or `"l1"`, `mean(|d|)`.
        charbonnier_epsilon: e of that loss; XLSR takes 0.1.
        ema_decay: Decay per step of the averaged weights that are validated and shipped.
        intensities: Factors of the intensity augmentation, drawn uniformly.
        candidates: Places looked at for each patch, of which the most varied is taken.
        validation_pictures: Pictures of the data folder held back to choose the best weights.
        validation_interval: Steps between validations, and between checkpoints.
        patience: Validations without a better PSNR after which the run ends early; 0 for never.
        initial_weights: What the weights were before the first step: a preset's name, the SHA-256
            of a file, or `""` for the family's own initialization.
        seed: Seed of initial weights, split, patches and order.
    """

    steps: int = 100_000
    batch_size: int = 16
    patch_size: int = 32
    optimizer: str = "soap"
    learning_rate: float = 3e-3
    warmup_steps: int = 200
    schedule: str = "stable"
    decay_fraction: float = 0.4
    loss: str = "charbonnier"
    charbonnier_epsilon: float = 0.1
    ema_decay: float = 0.999
    intensities: tuple[float, ...] = (1.0, 1.0, 0.7, 0.5)
    candidates: int = 2
    validation_pictures: int = 24
    validation_interval: int = 1000
    patience: int = 0
    initial_weights: str = ""
    seed: int = 0

    def __post_init__(self):
        for name in ("steps", "batch_size", "patch_size", "candidates", "validation_interval"):
            if getattr(self, name) < 1:
                raise OptionError(f"expected {name} of at least 1, found {getattr(self, name)}")
        for name in ("warmup_steps", "validation_pictures", "patience", "seed"):
            if getattr(self, name) < 0:
                raise OptionError(f"expected {name} of at least 0, found {getattr(self, name)}")
        for name in ("learning_rate", "charbonnier_epsilon", "ema_decay"):
            if not 0.0 < getattr(self, name) < 1.0:
                raise OptionError(f"expected {name} in 0..1, found {getattr(self, name)}")
        if not 0.0 <= self.decay_fraction <= 1.0:
            raise OptionError(f"expected decay_fraction in 0..1, found {self.decay_fraction}")
        if not self.intensities or min(self.intensities) <= 0.0 or max(self.intensities) > 1.0:
            raise OptionError(f"expected intensities in 0..1, found {self.intensities}")
        for name, known in (
            ("optimizer", OPTIMIZERS),
            ("loss", LOSSES),
            ("schedule", SCHEDULES),
        ):
            require_known(name, getattr(self, name), known)

    def learning_rate_at(self, step: int) -> float:
        """The rate of step `step` (from 0)."""
        warm = min(1.0, (step + 1) / max(1, self.warmup_steps))
        if self.schedule == "step":
            return self.learning_rate * warm * 0.5 ** min(4, step * 5 // self.steps)
        if self.schedule == "thirds":
            return self.learning_rate * warm * 0.5 ** min(2, step * 3 // self.steps)
        fraction = 1.0 if self.schedule == "cosine" else self.decay_fraction
        decay_steps = max(1, round(self.steps * fraction))
        into_decay = max(0.0, (step - (self.steps - decay_steps)) / decay_steps)
        return self.learning_rate * warm * 0.5 * (1.0 + math.cos(math.pi * min(1.0, into_decay)))


def recipe_for(preset: Preset, **changes) -> TrainingRecipe:
    """A preset's own recipe with some values changed; `None` leaves a value as it is."""
    recipe = TrainingRecipe(**preset.recipe)
    return replace(recipe, **{name: value for name, value in changes.items() if value is not None})


def record_of(recipe: TrainingRecipe, preset: Preset) -> dict[str, Any]:
    """What a run folder records of its recipe: all but the steps, which may change meanwhile."""
    values = json.loads(json.dumps(asdict(recipe)))
    del values["steps"]
    return {"preset": preset.name, **values}


def read_record(path: Path) -> dict[str, Any]:
    """The record of a run; raises `TrainingError` where it is missing or damaged."""
    try:
        record = json.loads(path.read_text())
        if not isinstance(record, dict):
            raise ValueError("no JSON object")
    except (OSError, ValueError) as error:
        raise TrainingError(
            f"expected the recipe of the run beside its checkpoints, found {path} missing or "
            "damaged; take another --run-dir"
        ) from error
    return record
