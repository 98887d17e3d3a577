"""Training of one network on one machine, resumable at every checkpoint."""

from __future__ import annotations

import json
import math
import signal
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sr_models.atomic import output_error, writing_file
from sr_models.errors import OutputError, TrainingError
from sr_models.images import list_images
from sr_models.patches import Pair, PatchSampler, load_pairs, split_validation
from sr_models.presets import Preset
from sr_models.recipe import Recipe


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
        stopped_by: Name of the signal that ended the run early, or `None`.
    """

    weights: Path
    best_step: int
    validation_psnr_db: float
    steps: int
    loss: float
    seconds: float
    stopped_by: str | None

    def to_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return {**asdict(self), "weights": str(self.weights)}


class StopSignal:
    """Turns SIGINT and SIGTERM into a wish to stop after the current step."""

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


def validation_crops(pairs: list[Pair], *, scale: int, side: int = 96) -> list[tuple]:
    """The centre of each held-back picture, stacked by size: uint8 (N, h, w, 3) pairs."""
    by_size: dict[tuple, list] = {}
    for pair in pairs:
        h, w = (min(side, size) for size in pair.low.shape[:2])
        y, x = (pair.low.shape[0] - h) // 2, (pair.low.shape[1] - w) // 2
        low = pair.low[y : y + h, x : x + w]
        high = pair.high[y * scale : (y + h) * scale, x * scale : (x + w) * scale]
        by_size.setdefault((h, w), []).append((low, high))
    return [tuple(np.stack(part) for part in zip(*group)) for group in by_size.values()]


def make_optimizer(recipe: Recipe):
    """The optimizer that a recipe names."""
    import tf_keras

    from sr_models.soap import Soap

    made = {"soap": Soap, "adam": tf_keras.optimizers.Adam}[recipe.optimizer]
    return made(recipe.learning_rate)


class Trainer:
    """One run in one folder: network, optimizer, averaged weights, checkpoints.

    The folder holds `recipe.json` (what the run is), `checkpoints/` (where it stands),
    `log.jsonl` (a line for each validation) and `best.weights.h5`.
    """

    def __init__(self, preset: Preset, recipe: Recipe, *, run_dir: Path):
        import tensorflow as tf
        import tf_keras

        from sr_models.network import build_trunk
        from sr_models.tails import attach_tail

        self.preset, self.recipe, self.run_dir = preset, recipe, Path(run_dir)
        tf_keras.utils.set_random_seed(recipe.seed)
        self.trunk = build_trunk(preset, form="train")
        self.model = attach_tail(self.trunk, "none", scale=preset.scale)
        self.optimizer = make_optimizer(recipe)
        self.optimizer.build(self.model.trainable_variables)
        self.averages = [tf.Variable(v, trainable=False) for v in self.model.trainable_variables]
        self.step = tf.Variable(0, dtype=tf.int64, trainable=False)
        self.best_psnr_db = tf.Variable(-1.0, trainable=False)
        self.best_step = tf.Variable(0, dtype=tf.int64, trainable=False)
        checkpoint = tf.train.Checkpoint(
            model=self.trunk, optimizer=self.optimizer, averages=self.averages, step=self.step,
            best_psnr_db=self.best_psnr_db, best_step=self.best_step,
        )  # fmt: skip
        self.checkpoints = _checkpoint_manager(checkpoint, self.run_dir / "checkpoints")
        self._train_step = tf.function(self._one_step)

    def _one_step(self, low, high, rate):
        import tensorflow as tf

        with tf.GradientTape() as tape:
            difference = self.model(low, training=True) - high
            if self.recipe.loss == "l1":
                loss = tf.reduce_mean(tf.abs(difference))
            else:
                epsilon = self.recipe.charbonnier_epsilon
                loss = tf.reduce_mean(tf.sqrt(tf.square(difference) + epsilon**2))
        variables = self.model.trainable_variables
        self.optimizer.learning_rate.assign(rate)
        self.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))
        # Averages start as the weights themselves: a short decay early, the full one later.
        count = tf.cast(self.step, tf.float32)
        decay = tf.minimum(self.recipe.ema_decay, (1.0 + count) / (10.0 + count))
        for average, variable in zip(self.averages, variables):
            average.assign(decay * average + (1.0 - decay) * variable)
        self.step.assign_add(1)
        return loss

    def resume(self) -> int:
        """Go back to the newest checkpoint, if there is one; the step to go on from.

        Raises:
            TrainingError: The folder holds another run, or the checkpoint is damaged.
        """
        import tensorflow as tf

        newest = self._newest_checkpoint()
        recorded = self.run_dir / "recipe.json"
        wanted = {"preset": self.preset.name, **_without_length(self.recipe)}
        if newest is None:
            with writing_file(recorded) as path:
                path.write_text(json.dumps(wanted, indent=2) + "\n")
            return 0
        found = _recorded_recipe(recorded)
        differing = sorted(key for key in wanted if found.get(key) != wanted[key])
        if differing:
            raise TrainingError(
                f"expected the recipe that {self.run_dir} was begun with, found another "
                f"{', '.join(differing)}; give the same options or another --run-dir"
            )
        try:
            self.checkpoints.checkpoint.restore(str(newest)).assert_consumed()
        except (
            AssertionError, LookupError, RuntimeError, ValueError, tf.errors.OpError,
        ) as error:  # fmt: skip
            # AssertionError: variables are missing. ValueError: of another shape. The others are
            # what TensorFlow's reader makes of broken, short and absent files.
            reason = (str(error).strip() or type(error).__name__).splitlines()[0][:120]
            # Else it goes on to list every variable not restored, when the process ends.
            tf.get_logger().setLevel("ERROR")
            raise TrainingError(
                f"expected a whole checkpoint, found a damaged one: {newest} ({reason}); "
                f"delete {newest}.* to go on from the one before"
            ) from error
        return int(self.step.numpy())

    def _newest_checkpoint(self) -> Path | None:
        # The folder is asked and not TensorFlow's own list of it, which may name deleted files
        # and, where it is damaged itself, would let a run begin anew without a word. The index
        # is the last file of a checkpoint to be written.
        steps = [
            int(path.stem.removeprefix("ckpt-"))
            for path in (self.run_dir / "checkpoints").glob("ckpt-*.index")
            if path.stem.removeprefix("ckpt-").isdigit()
        ]
        return self.run_dir / "checkpoints" / f"ckpt-{max(steps)}" if steps else None

    def _save_checkpoint(self, step: int) -> None:
        import tensorflow as tf

        try:
            self.checkpoints.save(checkpoint_number=step)
        except (OSError, tf.errors.OpError) as error:
            reason = str(error).split("; ")[-1].splitlines()[0][:120].lower()
            raise OutputError(
                f"expected to write a checkpoint to {self.run_dir}, found: {reason}; the one "
                "before is kept: make room and run the same command again to go on"
            ) from error

    def _averaged_trunk(self):
        """The deployed form with the averaged weights."""
        from sr_models.network import convert_form

        current = [v.numpy() for v in self.model.trainable_variables]
        for variable, average in zip(self.model.trainable_variables, self.averages):
            variable.assign(average)
        try:
            return convert_form(self.trunk, self.preset, form="deploy")
        finally:
            for variable, value in zip(self.model.trainable_variables, current):
                variable.assign(value)

    def validate(self, crops: list[tuple]) -> float:
        """PSNR (RGB, pooled over all crops) of the averaged weights; keeps the best on disk."""
        import tensorflow as tf

        from sr_models.network import save_trunk
        from sr_models.tails import attach_tail

        trunk = self._averaged_trunk()
        model = attach_tail(trunk, "none", scale=self.preset.scale)
        squares, count = 0.0, 0
        for low, high in crops:
            result = model(low.astype(np.float32) / 255.0, training=False)
            pixels = tf.round(tf.clip_by_value(result, 0.0, 1.0) * 255.0).numpy()
            squares += float(np.square(pixels - high.astype(np.float32), dtype=np.float64).sum())
            count += high.size
        psnr_db = 10.0 * math.log10(255.0**2 * count / max(squares, 1e-9))
        if psnr_db > float(self.best_psnr_db.numpy()):
            save_trunk(trunk, self.best_weights)
            self.best_psnr_db.assign(psnr_db)
            self.best_step.assign(self.step)
        return psnr_db

    @property
    def best_weights(self) -> Path:
        """Where the best weights so far stand."""
        return self.run_dir / "best.weights.h5"

    def batches(self, sampler: PatchSampler, first: int):
        """A `tf.data` pipeline of the batches from step `first` on, prepared ahead of use."""
        import tensorflow as tf

        recipe, s = self.recipe, self.preset.scale
        low_shape = (recipe.batch_size, recipe.patch_size, recipe.patch_size, 3)
        high_shape = (recipe.batch_size, recipe.patch_size * s, recipe.patch_size * s, 3)

        def draw(step):
            low, high = tf.numpy_function(sampler.batch, [step], (tf.float32, tf.float32))
            return tf.ensure_shape(low, low_shape), tf.ensure_shape(high, high_shape)

        return tf.data.Dataset.range(first, recipe.steps).map(draw).prefetch(8)

    def _log(self, entry: dict[str, Any]) -> None:
        path = self.run_dir / "log.jsonl"
        try:
            with path.open("a") as log:
                log.write(json.dumps(entry) + "\n")
        except OSError as error:
            raise output_error(path, error) from error

    def _logged_loss(self) -> float:
        # From the log, since a run that was complete already does no step of its own.
        try:
            lines = (self.run_dir / "log.jsonl").read_text().splitlines()
            return float(json.loads(lines[-1])["loss"])
        except (OSError, ValueError, LookupError, TypeError):
            return math.nan

    def _not_finite(self, what: str, value: float, step: int) -> TrainingError:
        return TrainingError(
            f"expected a finite {what}, found {value} at step {step}; the last good checkpoint and "
            f"best weights in {self.run_dir} are kept: train with a smaller --learning-rate in "
            "another --run-dir"
        )

    def run(
        self,
        sampler: PatchSampler,
        crops: list[tuple],
        *,
        on_step: Callable[[int, float], None],
        on_validation: Callable[[int, float], None],
    ) -> TrainingResult:
        """Train to the end of the recipe, or until a signal asks to stop."""
        recipe, started, losses = self.recipe, time.monotonic(), []
        first = int(self.step.numpy())
        with StopSignal() as stop:
            for step, (low, high) in enumerate(self.batches(sampler, first), start=first):
                rate = np.float32(recipe.learning_rate_at(step))
                losses.append(float(self._train_step(low, high, rate)))
                if not math.isfinite(losses[-1]):
                    raise self._not_finite("loss", losses[-1], step)
                on_step(step + 1, losses[-1])
                last = step + 1 == recipe.steps
                if (step + 1) % recipe.validation_interval == 0 or last or stop.name:
                    psnr_db = self.validate(crops)
                    if not math.isfinite(psnr_db):
                        # The last update broke the weights; a checkpoint of them is no use.
                        raise self._not_finite("validation PSNR", psnr_db, step)
                    self._save_checkpoint(step + 1)
                    recent = float(np.mean(losses[-recipe.validation_interval :]))
                    self._log(
                        {"step": step + 1, "loss": recent, "validation_psnr_db": psnr_db,
                         "learning_rate": float(rate), "seconds": time.monotonic() - started}
                    )  # fmt: skip
                    on_validation(step + 1, psnr_db)
                if stop.name:
                    break
        return TrainingResult(
            weights=self.best_weights,
            best_step=int(self.best_step.numpy()),
            validation_psnr_db=float(self.best_psnr_db.numpy()),
            steps=int(self.step.numpy()),
            loss=self._logged_loss(),
            seconds=time.monotonic() - started,
            stopped_by=stop.name,
        )


def _checkpoint_manager(checkpoint, folder: Path):
    import tensorflow as tf

    try:
        return tf.train.CheckpointManager(checkpoint, str(folder), max_to_keep=2)
    except ValueError:
        # Its list of checkpoints is damaged, which costs nothing: the folder itself is asked.
        (folder / "checkpoint").unlink()
        return tf.train.CheckpointManager(checkpoint, str(folder), max_to_keep=2)


def _without_length(recipe: Recipe) -> dict[str, Any]:
    """The recipe as data, less the number of steps, which may be changed while a run lasts."""
    return json.loads(json.dumps({k: v for k, v in asdict(recipe).items() if k != "steps"}))


def _recorded_recipe(path: Path) -> dict[str, Any]:
    try:
        recipe = json.loads(path.read_text())
        if not isinstance(recipe, dict):
            raise ValueError("no JSON object")
    except (OSError, ValueError) as error:
        raise TrainingError(
            f"expected the recipe of the run beside its checkpoints, found {path} missing or "
            "damaged; take another --run-dir"
        ) from error
    return recipe


def train(
    preset: Preset,
    recipe: Recipe,
    *,
    data: str | Path,
    run_dir: str | Path,
    on_picture: Callable[[int, int], None] = lambda done, total: None,
    on_data: Callable[[list[Pair], list[Pair]], None] = lambda training, held: None,
    on_step: Callable[[int, float], None] = lambda step, loss: None,
    on_validation: Callable[[int, float], None] = lambda step, psnr_db: None,
) -> TrainingResult:
    """Train a preset's network, or go on with the run that `run_dir` holds.

    Args:
        preset: Which network.
        recipe: How; a resumed run must have the same one, save for the number of steps.
        data: Folder of ground-truth pictures. Some are held back for validation.
        run_dir: Folder of the run, made if missing.
        on_picture: Called while pictures are loaded, with the number done and the total.
        on_data: Called once before the first step with the pictures trained on and held back.
        on_step: Called after each step with the number of steps done and the loss.
        on_validation: Called after each validation with the step and the PSNR in dB.

    Returns:
        The best weights by validation and what led there.

    Raises:
        PictureError: The data folder is unusable.
        TrainingError: The loss is not finite, or the run folder holds another run.
        OutputError: The run folder cannot be written to, or the disk is full.
    """
    list_images(data)  # A wrong folder is said before a run folder is made.
    run_dir = Path(run_dir)
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(run_dir, error) from error
    trainer = Trainer(preset, recipe, run_dir=run_dir)
    trainer.resume()
    pairs = load_pairs(
        data, scale=preset.scale, patch_size=recipe.patch_size, on_picture=on_picture
    )
    training, held = split_validation(pairs, count=recipe.validation_pictures, seed=recipe.seed)
    sampler = PatchSampler(
        training, scale=preset.scale, batch_size=recipe.batch_size, patch_size=recipe.patch_size,
        intensities=recipe.intensities, candidates=recipe.candidates, seed=recipe.seed,
    )  # fmt: skip
    on_data(training, held)
    crops = validation_crops(held or training[:1], scale=preset.scale)
    return trainer.run(sampler, crops, on_step=on_step, on_validation=on_validation)
