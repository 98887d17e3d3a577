"""Sensitivity-aware fine-tuning: weight bounds, activation bounds and break points in turn.

arXiv 2511.00682; schedule as in github:haiiling/OAQ-SR (src/trainer.py): each epoch trains one
group of variables with an Adam of its own, whose rate falls by a tenth after each of its epochs.
No ground truth is used: the float network is the teacher. Kernels and biases stay as they are.

Different here: the released code keeps the weights of the best PSNR on Set5, a test set; we hold
back some of the calibration pictures and keep the state of the least loss on those, the calibrated
one included. And a rate of 1e-3 is in units of 0..255 for activations and of the weights' own for
bounds of weights there; by default (`TuningSettings.relative`) it is a share of each variable's
starting magnitude, a hundredth, which is ours.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from sr_models.ground.errors import CalibrationError, TrainingError
from sr_models.networks.graph import output_name, watcher
from sr_models.networks.network import weights_sha256
from sr_models.published.outlier_student import GROUPS, OutlierStudent
from sr_models.published.sensitivity import (
    FEATURE_WEIGHT,
    PICTURE_WEIGHT,
    PIXEL_RANGE,
    feature_loss,
    picture_loss,
)
from sr_models.published.sites import body_sites
from sr_models.published.tuning import (
    TuningResult,
    TuningSettings,
    TuningState,
    load_state,
    save_state,
)

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8


class AlternatingTuner:
    """Fine-tunes the quantizers of one student.

    Args:
        student: Calibrated.
        teacher: The float network it was made of.
        pictures: float32 (N, h, w, 3) in 0..1, at least two.
        settings: How long and how fast.
        state_path: An `.npz` file that the state is kept in after each epoch and when stopped; one
            that exists is resumed.

    Raises:
        CalibrationError: Too few pictures, or the student is not calibrated.
        TrainingError: The state is damaged or of another run.
    """

    def __init__(
        self,
        student: OutlierStudent,
        teacher,
        *,
        pictures: np.ndarray,
        settings: TuningSettings,
        state_path: str | Path | None = None,
    ):
        if len(pictures) < 2:
            raise CalibrationError(
                f"expected at least 2 pictures, one of them to be held back, found {len(pictures)}"
            )
        if student.sensitivities is None:
            raise CalibrationError(
                "expected a calibrated student, found one without sensitivities; calibrate it first"
            )
        self.student, self.settings, self._path = student, settings, state_path
        names = list(student.sensitivities.features)
        if not names:
            body_sites(teacher)
        self._teacher = watcher(teacher, [*names, output_name(teacher)])
        self._student = watcher(student.model, [*names, output_name(student.model)])
        order = np.random.default_rng([settings.seed, 0]).permutation(len(pictures))
        count = min(len(pictures) - 1, max(1, round(settings.held_back * len(pictures))))
        self._held = pictures[np.sort(order[:count])]
        self._pictures = pictures[np.sort(order[count:])]
        self.groups = {name: variables for name, variables in student.groups.items() if variables}
        # One trace for batches of any number of pictures; there is no Python to be converted.
        batch = tf.TensorSpec((None, *pictures.shape[1:]), tf.float32)
        signature = [batch, tf.TensorSpec((len(names), None), tf.float32)]
        traced = {"input_signature": signature, "autograph": False}
        self._gradients = tf.function(self._gradients_of, **traced)
        self._loss = tf.function(self._loss_of, **traced)
        digest = hashlib.sha256(np.ascontiguousarray(pictures, "<f4").tobytes()).hexdigest()
        self._run = {
            **settings.to_json(),
            "student": student.settings.to_json(),
            "pictures": digest,
            "teacher": weights_sha256(teacher),
        }
        del self._run["epochs"]
        self._scales = {
            key: np.maximum(np.abs(variable.numpy()), 1e-6)
            if settings.relative
            else np.float32(1.0 if key.startswith("weights/") else 1.0 / PIXEL_RANGE)
            for key, variable in self._variables().items()
        }

    @property
    def steps_per_epoch(self) -> int:
        """Steps of one pass over the pictures that are not held back."""
        return math.ceil(len(self._pictures) / self.settings.batch_size)

    def _variables(self) -> dict[str, Any]:
        return {f"{name}/{i}": v for name, vs in self.groups.items() for i, v in enumerate(vs)}

    def _loss_of(self, batch, weights):
        *expected, picture = self._teacher(batch, training=False)
        *found, made = self._student(batch, training=True)
        features = feature_loss(found, expected, weights=weights)
        return FEATURE_WEIGHT * features + PICTURE_WEIGHT * picture_loss(made, picture)

    def _gradients_of(self, batch, weights):
        # Those of all groups, of which a step takes one: tracing costs more than computing them.
        variables = [v for group in self.groups.values() for v in group]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            loss = self._loss_of(batch, weights)
        return loss, tape.gradient(loss, self.groups, unconnected_gradients="zero")

    def _weights(self, batch) -> np.ndarray:
        return self.student.sensitivities.weights(len(batch), align=self.settings.align)

    def held_loss(self) -> float:
        """The mean loss on the pictures that are held back."""
        size, total = self.settings.batch_size, 0.0
        for first in range(0, len(self._held), size):
            batch = self._held[first : first + size]
            total += float(self._loss(batch, self._weights(batch))) * len(batch)
        return total / len(self._held)

    def _values(self) -> dict[str, np.ndarray]:
        return {key: variable.numpy() for key, variable in self._variables().items()}

    def _assign(self, values: dict[str, np.ndarray]) -> None:
        for key, variable in self._variables().items():
            variable.assign(values[key])

    def _first_state(self) -> TuningState:
        self.student.put_in_order()
        values, loss = self._values(), self.held_loss()
        self._require_finite(loss, 0, values)
        zeros = {key: np.zeros_like(value) for key, value in values.items()}
        counts = {name: np.zeros(()) for name in self.groups}
        return TuningState(0, values, zeros, dict(zeros), counts, values, loss, 0, (loss,))

    def _require_finite(self, value: float, step: int, best: dict[str, np.ndarray]) -> None:
        if not math.isfinite(value):
            self._assign(best)
            raise TrainingError(
                f"expected a finite loss, found {value} at step {step}; the best state before is "
                "kept: tune with a smaller rate"
            )

    def _step(self, state: TuningState) -> tuple[TuningState, float]:
        """One step of the group whose turn it is."""
        settings, per_epoch = self.settings, self.steps_per_epoch
        epoch, place = divmod(state.step, per_epoch)
        names = [name for name in GROUPS if name in self.groups]
        group = names[epoch % len(names)]
        order = np.random.default_rng([settings.seed, 1, epoch]).permutation(len(self._pictures))
        chosen = order[place * settings.batch_size : (place + 1) * settings.batch_size]
        batch = self._pictures[chosen]
        loss, gradients = self._gradients(batch, self._weights(batch))
        loss, gradients = float(loss), gradients[group]
        finite = all(np.isfinite(g).all() for g in gradients)
        self._require_finite(loss if finite else math.nan, state.step + 1, state.best)
        rate = settings.rate * settings.decay ** (epoch // len(names))
        count = float(state.counts[group]) + 1.0
        first, second = dict(state.first_moments), dict(state.second_moments)
        for i, (variable, gradient) in enumerate(zip(self.groups[group], gradients)):
            key, slope = f"{group}/{i}", np.asarray(gradient)
            first[key] = BETA_1 * first[key] + (1.0 - BETA_1) * slope
            second[key] = BETA_2 * second[key] + (1.0 - BETA_2) * slope**2
            spread = np.sqrt(second[key] / (1.0 - BETA_2**count)) + EPSILON
            move = first[key] / (1.0 - BETA_1**count) / spread
            variable.assign_sub((rate * self._scales[key] * move).astype(np.float32))
        self.student.put_in_order()
        after = replace(
            state,
            step=state.step + 1,
            values=self._values(),
            first_moments=first,
            second_moments=second,
            counts={**state.counts, group: np.array(count)},
        )
        return after, loss

    def _judged(self, state: TuningState) -> TuningState:
        """The state after the loss on the held-back pictures is known."""
        loss = self.held_loss()
        self._require_finite(loss, state.step, state.best)
        judged = replace(state, held_losses=(*state.held_losses, loss))
        if loss >= state.best_loss:
            return judged
        return replace(judged, best=state.values, best_loss=loss, best_step=state.step)

    def _save(self, state: TuningState) -> None:
        if self._path is not None:
            save_state(state, self._path, run=self._run)

    def run(
        self,
        *,
        on_step: Callable[[int, int, float], None] = lambda step, total, loss: None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> TuningResult:
        """Tune to the end, or until `should_stop`; the student then holds the best state.

        Args:
            on_step: Called after each step with the steps done, their total, and the loss.
            should_stop: Asked after each step.

        Raises:
            TrainingError: The loss is not finite (the student holds the best state before), or the
                state is damaged or of another run.
            OutputError: The state cannot be written.
        """
        if self._path is not None and Path(self._path).is_file():
            state = load_state(self._path, run=self._run)
            self._assign(state.values)
        else:
            state = self._first_state()
            self._save(state)
        total = self.settings.epochs * self.steps_per_epoch
        while state.step < total:
            state, loss = self._step(state)
            if state.step % self.steps_per_epoch == 0:
                state = self._judged(state)
                self._save(state)
            on_step(state.step, total, loss)
            if should_stop():
                self._save(state)
                break
        self._assign(state.best)
        return TuningResult(
            state.step, state.best_step, state.best_loss, state.held_losses, state.step >= total
        )
