"""One training run: its steps and validations, from its first or last checkpoint to its end."""

from __future__ import annotations

import json
import math
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from sr_models.ground.errors import TrainingError
from sr_models.ground.files import writing_file
from sr_models.networks.presets import Preset
from sr_models.training.distribution import Distribution
from sr_models.training.finetuning import Start
from sr_models.training.log import PATIENCE, TrainingLog, TrainingResult
from sr_models.training.patches import PatchSampler, distributed_batches, validation_psnr_db
from sr_models.training.pupil import FloatPupil, Pupil
from sr_models.training.recipe import TrainingRecipe, read_record, record_of
from sr_models.training.state import CheckpointFolder, WeightAverages, decay_at


class StopSignal:
    """While entered, notes the first SIGINT or SIGTERM in `name` instead of acting on it."""

    def __init__(self):
        self.name: str | None = None

    def __enter__(self):
        self._former = {
            number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)
        }
        return self

    def _note(self, number, _frame):
        self.name = signal.Signals(number).name

    def __exit__(self, *_):
        for number, handler in self._former.items():
            signal.signal(number, handler)


def make_optimizer(recipe: TrainingRecipe):
    """The optimizer that a recipe names."""
    import tf_keras

    from sr_models.training.soap import Soap

    made = {"soap": Soap, "adam": tf_keras.optimizers.Adam}[recipe.optimizer]
    return made(recipe.learning_rate)


class Trainer:
    """One run in one folder: pupil, optimizers, averaged weights, checkpoints.

    The folder holds `recipe.json` (what the run is), `checkpoints/` (where it stands),
    `log.jsonl` and `tensorboard/` (a line for each validation) and `best.weights.h5`.

    Args:
        preset: Which network.
        recipe: How it is trained.
        run_dir: The folder; where several machines work, all of them must see the same one.
        distribution: Where it runs; by default on one device.
        start: Trained weights to begin with, for a folder without a checkpoint.
        make_pupil: Makes what is trained; the float network by default.
    """

    def __init__(
        self,
        preset: Preset,
        recipe: TrainingRecipe,
        *,
        run_dir: Path,
        distribution: Distribution | None = None,
        start: Start | None = None,
        make_pupil: Callable[[], Pupil] | None = None,
    ):
        import tensorflow as tf
        import tf_keras

        self.preset, self.recipe, self.run_dir = preset, recipe, Path(run_dir)
        self.distribution = distribution or Distribution("none")
        self.distribution.local_batch_size(recipe.batch_size)
        self._start, self._log = start, TrainingLog(self.run_dir)
        tf_keras.utils.set_random_seed(recipe.seed)
        with self.distribution.strategy.scope():
            self.pupil = make_pupil() if make_pupil else FloatPupil(preset)
            self.optimizers = [make_optimizer(recipe) for _ in self.pupil.groups]
            for optimizer, group in zip(self.optimizers, self.pupil.groups):
                optimizer.build(group.variables)
            self.averages = WeightAverages(self.pupil.variables)
            self.best_psnr_db = tf.Variable(-1.0, trainable=False)
            self.best_step = tf.Variable(0, dtype=tf.int64, trainable=False)
        self.checkpoints = CheckpointFolder(
            self.run_dir / "checkpoints",
            optimizer=self.optimizers[0],
            averages=self.averages.values,
            best_psnr_db=self.best_psnr_db,
            best_step=self.best_step,
            **{f"optimizer_{i}": other for i, other in enumerate(self.optimizers[1:], start=1)},
            **self.pupil.checkpointed,
        )
        self._train_step = tf.function(self._one_step)

    @property
    def step(self) -> int:
        """Optimizer steps done."""
        return int(self.optimizers[0].iterations.numpy())

    @property
    def best_weights(self) -> Path:
        """Where the best weights so far stand."""
        return self.run_dir / "best.weights.h5"

    @property
    def _recorded(self) -> Path:
        return self.run_dir / "recipe.json"

    @property
    def _record(self) -> dict[str, Any]:
        return {**record_of(self.recipe, self.preset), **self.pupil.record}

    def _loss(self, difference):
        import tensorflow as tf

        if self.recipe.loss == "l1":
            return tf.reduce_mean(tf.abs(difference))
        epsilon = self.recipe.charbonnier_epsilon
        return tf.reduce_mean(tf.sqrt(tf.square(difference) + epsilon**2))

    def _one_step(self, low, high, rate, wish):
        """One step of all replicas: the mean loss, and the sum of all wishes to stop."""
        import tensorflow as tf

        groups, strategy = self.pupil.groups, self.distribution.strategy
        decay = decay_at(self.optimizers[0].iterations, limit=self.recipe.ema_decay)

        def of_replica(low, high, wish):
            with tf.GradientTape() as tape:
                # Gradients are added up over the replicas, whose losses are means.
                loss = self.pupil.loss(low, high, picture_loss=self._loss)
                loss = loss / self.distribution.replicas
            gradients = tape.gradient(loss, [list(group.variables) for group in groups])
            for optimizer, group, found in zip(self.optimizers, groups, gradients):
                optimizer.apply_gradients(zip(found, group.variables))
            return tf.stack([loss, wish])

        for optimizer, group in zip(self.optimizers, groups):
            optimizer.learning_rate.assign(rate * group.factor)
        outcome = strategy.run(of_replica, (low, high, wish))
        self.averages.follow(strategy, decay=decay)
        return strategy.reduce("SUM", outcome, axis=None)

    def resume(self) -> int:
        """Go back to the newest checkpoint, if there is one; the step to resume from.

        Nothing is written yet, since the run may still be refused.

        Raises:
            TrainingError: The folder holds another run, or the checkpoint is damaged.
            WeightsError: The weights to start from do not fit.
        """
        newest = self.checkpoints.newest()
        mean = self.distribution.mean(_step_of(newest))
        if mean != _step_of(newest):
            raise TrainingError(
                f"expected every worker to see the same checkpoints in {self.run_dir}, found step "
                f"{_step_of(newest):.0f} here and {mean:g} on average; give all workers one "
                "shared --run-dir"
            )
        if newest is None:
            if self._start is not None:
                self.pupil.take_over(self._start)
                self.averages.start()
            return 0
        found, wanted = read_record(self._recorded), self._record
        differing = sorted(key for key in wanted if found.get(key) != wanted[key])
        if differing:
            raise TrainingError(
                f"expected the recipe that {self.run_dir} was begun with, found another "
                f"{', '.join(differing)}; give the same options or another --run-dir"
            )
        self.checkpoints.restore(newest)
        return self.step

    def record_recipe(self) -> None:
        """Say in the folder which run it holds; raises `OutputError`."""
        if self.distribution.is_chief:
            with writing_file(self._recorded) as path:
                path.write_text(json.dumps(self._record, indent=2) + "\n")

    def validate(self, crops: list[tuple]) -> float:
        """PSNR (RGB, pooled over all crops) of the averaged weights; keeps the best on disk."""
        with self.averages.in_place():
            deployed, psnr_db = self.pupil.deployed(), -1.0
            if self.distribution.is_chief:
                psnr_db = validation_psnr_db(deployed.model, crops)
            psnr_db = self.distribution.agreed(psnr_db)
            if psnr_db > float(self.best_psnr_db.numpy()):
                if self.distribution.is_chief:
                    deployed.save(self.best_weights)
                self.best_psnr_db.assign(psnr_db)
                self.best_step.assign(self.step)
        return psnr_db

    def batches(self, sampler: PatchSampler, first: int):
        """The batches from step `first` on, see `distributed_batches`."""
        return distributed_batches(
            sampler, self.distribution, first=first, recipe=self.recipe, scale=self.preset.scale
        )

    def _require_finite(self, what: str, value: float, step: int) -> None:
        if not math.isfinite(value):
            raise TrainingError(
                f"expected a finite {what}, found {value} at step {step}; the last good checkpoint "
                f"and best weights in {self.run_dir} are kept: train with a smaller "
                "--learning-rate in another --run-dir"
            )

    def _out_of_patience(self) -> bool:
        waited = self.step - int(self.best_step.numpy())
        return 0 < self.recipe.patience * self.recipe.validation_interval <= waited

    def run(
        self,
        sampler: PatchSampler,
        crops: list[tuple],
        *,
        on_step: Callable[[int, float], None],
        on_validation: Callable[[int, float], None],
    ) -> TrainingResult:
        """Train to the end of the recipe, or until a signal or the lack of progress ends it.

        Raises:
            TrainingError: The loss is not finite, or another worker is gone.
            OutputError: The run folder cannot be written to.
        """
        recipe, started, losses = self.recipe, time.monotonic(), []
        first, stopped_by = self.step, None
        if first == 0:
            self.record_recipe()
            self.pupil.begin(lambda step: sampler.batch(step)[0])
            self.averages.start()
        if self._out_of_patience():
            first, stopped_by = recipe.steps, PATIENCE
        with StopSignal() as stop, self.distribution.lost_workers_said(self.run_dir):
            for step, (low, high) in enumerate(self.batches(sampler, first), start=first):
                rate = np.float32(recipe.learning_rate_at(step))
                self.pupil.step_begins(step)
                wish = np.float32(stop.name is not None)
                loss, wishes = self._train_step(low, high, rate, wish).numpy().tolist()
                self._require_finite("loss", loss, step)
                losses.append(loss)
                on_step(step + 1, loss)
                # Workers must end at one step, so a signal counts once all have heard of it.
                wished = wishes > 0.0 or (self.distribution.workers == 1 and stop.name)
                last = step + 1 == recipe.steps
                if (step + 1) % recipe.validation_interval == 0 or last or wished:
                    psnr_db = self.validate(crops)
                    # The last update may have broken the weights: no checkpoint of those.
                    self._require_finite("validation PSNR", psnr_db, step)
                    if self.distribution.is_chief:
                        self.checkpoints.save(step + 1)
                        self._log.write(
                            step + 1,
                            loss=float(np.mean(losses[-recipe.validation_interval :])),
                            validation_psnr_db=psnr_db,
                            learning_rate=float(rate),
                            seconds=time.monotonic() - started,
                        )
                    on_validation(step + 1, psnr_db)
                    if wished and not last:
                        stopped_by = stop.name or "another worker's signal"
                    elif self._out_of_patience() and not last:
                        stopped_by = PATIENCE
                if stopped_by:
                    break
        return TrainingResult(
            weights=self.best_weights,
            best_step=int(self.best_step.numpy()),
            validation_psnr_db=float(self.best_psnr_db.numpy()),
            steps=self.step,
            loss=self._log.last_loss(),
            seconds=time.monotonic() - started,
            stopped_by=stopped_by,
        )


def _step_of(checkpoint: Path | None) -> float:
    return float(checkpoint.name.removeprefix("ckpt-")) if checkpoint else 0.0
