"""How fast networks train here, and how much of that time is spent waiting for data."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from representative_data.pictures import bundled_pictures
from sr_models.ground.errors import OptionError
from sr_models.ground.pictures import Pair
from sr_models.networks.presets import Preset
from sr_models.training.distribution import Distribution
from sr_models.training.patches import (
    PatchSampler,
    load_training_pair,
    load_training_pairs,
    validation_crops,
)
from sr_models.training.recipe import TrainingRecipe, recipe_for
from sr_models.training.trainer import Trainer

Clock = Callable[[], float]

# Less would not hold one update of SOAP's eigenbases, which comes every tenth step.
LEAST_STEPS = 10


@dataclass(frozen=True)
class Pace:
    """How long to watch.

    Attributes:
        warmup: Steps before the first that counts; the first of all traces and compiles.
        steps: Steps that count, at most.
        seconds: Time budget of these; at least `LEAST_STEPS` are done.
    """

    warmup: int = 10
    steps: int = 50
    seconds: float = 30.0

    def __post_init__(self):
        if self.warmup < 1:
            raise OptionError(f"expected at least 1 warm-up step, found {self.warmup}")
        if self.steps < LEAST_STEPS:
            raise OptionError(f"expected at least {LEAST_STEPS} steps, found {self.steps}")
        if not self.seconds > 0:
            raise OptionError(f"expected more than 0 seconds, found {self.seconds:g}")


@dataclass(frozen=True)
class TrainingSpeed:
    """How fast one network trains.

    Attributes:
        preset: Name of the preset.
        family: Its family.
        optimizer: The optimizer of its recipe.
        batch_size: Patches per step.
        patch_size: Their low-resolution side in pixels.
        steps: Steps that count.
        steps_per_second: Those steps over the time from the end of warm-up to the last of them.
        step_ms: Median time of a step, waiting included, milliseconds.
        waiting_fraction: Share of that time in which the next batch was not there yet.
    """

    preset: str
    family: str
    optimizer: str
    batch_size: int
    patch_size: int
    steps: int
    steps_per_second: float
    step_ms: float
    waiting_fraction: float

    def to_json(self) -> dict[str, Any]:
        """The attributes by name."""
        return asdict(self)


class _Enough(Exception):
    """Ends a run that was watched for long enough."""


class WatchedTrainer(Trainer):
    """A trainer that notes how long it waits for each batch."""

    def __init__(self, *arguments, clock: Clock = time.perf_counter, **keywords):
        super().__init__(*arguments, **keywords)
        self.clock = clock
        self.waits: list[float] = []

    def batches(self, sampler: PatchSampler, first: int):
        """The same batches; `waits` gets the seconds until each was there."""
        source = iter(super().batches(sampler, first))
        while True:
            start = self.clock()
            batch = next(source, None)
            if batch is None:
                return
            self.waits.append(self.clock() - start)
            yield batch


def time_presets(
    presets: Sequence[Preset],
    *,
    data: str | Path | None = None,
    pace: Pace | None = None,
    on_network: Callable[[int, int, str], None] = lambda done, total, name: None,
) -> list[TrainingSpeed]:
    """`time_training` for one network after another, by their own recipes.

    Args:
        presets: Which networks.
        data: Folder of training pictures; those that scikit-image brings by default.
        pace: How long to watch each.
        on_network: Called before each with the number done, the total and its name.
    """
    results = []
    loaded: dict[tuple[int, int], list[Pair]] = {}
    for done, preset in enumerate(presets):
        on_network(done, len(presets), preset.name)
        cut = {"scale": preset.scale, "patch_size": recipe_for(preset).patch_size}
        key = tuple(cut.values())
        if key not in loaded:
            loaded[key] = (
                load_training_pairs(data, **cut) if data is not None else _bundled_pairs(**cut)
            )
        with tempfile.TemporaryDirectory() as folder:
            timed = time_training(preset, loaded[key], run_dir=Path(folder), pace=pace)
        results.append(timed)
    return results


def _bundled_pairs(*, scale: int, patch_size: int) -> list[Pair]:
    pairs = [
        load_training_pair(path, scale=scale, patch_size=patch_size) for path in bundled_pictures()
    ]
    return [pair for pair in pairs if pair is not None]


def time_training(
    preset: Preset,
    pairs: Sequence[Pair],
    *,
    run_dir: Path,
    pace: Pace | None = None,
    recipe: TrainingRecipe | None = None,
    clock: Clock = time.perf_counter,
) -> TrainingSpeed:
    """Train a network by its recipe for some steps, and keep nothing but the time.

    What is timed is `Trainer.run` itself, from step to step, without validation and checkpoints.

    Args:
        preset: Which network.
        pairs: Training pictures for its scale factor and patch size.
        run_dir: An empty folder; nothing of use is left there.
        pace: How long to watch.
        recipe: How it is trained; the preset's own by default.
        clock: Seconds, monotonic.

    Raises:
        OptionError: The recipe is shorter than the pace.
        KeyboardInterrupt: A signal ended the run.
    """
    pace, recipe = pace or Pace(), recipe or recipe_for(preset)
    if recipe.steps < pace.warmup + LEAST_STEPS:
        raise OptionError(
            f"expected a recipe of at least {pace.warmup + LEAST_STEPS} steps, found "
            f"{recipe.steps}; take less warm-up"
        )
    recipe = replace(recipe, validation_interval=recipe.steps, patience=0)
    trainer = WatchedTrainer(
        preset, recipe, run_dir=run_dir, distribution=Distribution("auto"), clock=clock
    )
    sampler = PatchSampler.of_recipe(pairs, recipe, scale=preset.scale)
    ends: list[float] = []

    def on_step(done: int, loss: float) -> None:
        ends.append(clock())
        counted = done - pace.warmup
        spent = ends[-1] - ends[pace.warmup - 1] if counted > 0 else 0.0
        if counted >= pace.steps or (counted >= LEAST_STEPS and spent >= pace.seconds):
            raise _Enough

    crops = validation_crops(pairs[:1], scale=preset.scale, side=8)
    with suppress(_Enough):
        result = trainer.run(
            sampler, crops, on_step=on_step, on_validation=lambda step, psnr_db: None
        )
        if result.stopped_by:  # The run took the signal for itself.
            raise KeyboardInterrupt
    return speed_of(preset, recipe, ends=ends, waits=trainer.waits, warmup=pace.warmup)


def speed_of(
    preset: Preset,
    recipe: TrainingRecipe,
    *,
    ends: Sequence[float],
    waits: Sequence[float],
    warmup: int,
) -> TrainingSpeed:
    """The figures behind a run.

    Args:
        preset: Which network.
        recipe: How it was trained.
        ends: When each step ended, seconds.
        waits: How long each step waited for its batch, seconds.
        warmup: Number of steps that do not count.
    """
    durations = np.diff(ends)[warmup - 1 :]
    total = float(durations.sum())
    return TrainingSpeed(
        preset=preset.name,
        family=preset.family,
        optimizer=recipe.optimizer,
        batch_size=recipe.batch_size,
        patch_size=recipe.patch_size,
        steps=len(durations),
        steps_per_second=len(durations) / total,
        step_ms=float(np.median(durations)) * 1e3,
        waiting_fraction=float(np.sum(waits[warmup : len(ends)])) / total,
    )
