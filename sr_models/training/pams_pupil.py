"""The quantized pupil: PAMS's student learns from ground truth and from its float teacher.

Li et al., arXiv 2011.04212; losses and rates as in github:colorjam/PAMS (option.py, main.py): the
mean absolute error of the picture plus 1000 times the structured knowledge transfer, pictures in
0..255; weights at a rate of 1e-4, alphas at one of 1e-2. Pictures are in 0..1 here, so the second
loss weighs 1000/255. By default the alphas' rate is a share of what they start with on average,
which is ours: a network in 0..1 may have inner tensors of any size. With the recipe `"published"`
rates are those of the released code in its units: those of alphas and biases, which are a 255th of
what they are there, are divided by 255; and through the first thirtieth of the steps, its first
epoch, each batch sets the alphas anew and nothing is clipped.

The teacher also is where the student starts, which the released code leaves out
(github:colorjam/PAMS, issue 15).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from sr_models.networks.graph import watcher
from sr_models.networks.presets import Preset
from sr_models.published.pams_file import learned_by, save_learned
from sr_models.published.pams_student import pams_student, start_alphas
from sr_models.published.sensitivity import PIXEL_RANGE
from sr_models.published.settings import PamsSettings
from sr_models.published.sites import body_output
from sr_models.published.student import with_centres_merged
from sr_models.training.finetuning import Start
from sr_models.training.pupil import Deployed, RateGroup

NORM_EPSILON = 1e-12
"""Bound of the norm of an attention map, as PyTorch has it."""
PUBLISHED = "published"
WARM_SHARE = 1 / 30
"""Of the steps of the recipe `"published"`: the first of 30 epochs."""
STARTING_BATCHES = 8
"""Batches that the alphas are started with."""


def attention_map(features):
    """float32 (N, H, W, C) -> (N, H W): where the energy of a sample's features lies, norm 1."""
    energy = tf.reduce_mean(tf.square(features), axis=-1)
    shape = tf.shape(energy)
    flat = tf.reshape(energy, (shape[0], shape[1] * shape[2]))
    # Squared, as TensorFlow bounds the sum of squares and PyTorch its root.
    return tf.math.l2_normalize(flat, axis=-1, epsilon=NORM_EPSILON**2)


def knowledge_transfer_loss(student, teacher):
    """How far two feature maps (N, H, W, C) differ in where their energy lies; a scalar.

    Their scale does not matter; the numbers of channels may differ. No gradient reaches the
    teacher's features.
    """
    difference = attention_map(student) - attention_map(tf.stop_gradient(teacher))
    return tf.reduce_mean(tf.square(difference))


class Course(Protocol):
    """What the pupil needs of `sr_models.training.course.PamsCourse`, which makes it.

    Attributes:
        settings: Widths, places, and what alphas start with.
        alpha_rate: Learning rate of the alphas where it is full: a share of their mean at the
            start, or as released, in units of 0..255.
        transfer_weight: Weight of the knowledge transfer beside the pixel loss.
        record: What the records of run and weights say of the course.
    """

    settings: PamsSettings
    alpha_rate: float
    transfer_weight: float

    @property
    def record(self) -> dict[str, Any]: ...


class PamsPupil:
    """A preset's network in its deployed form, quantized.

    Args:
        preset: Which network.
        course: How it is quantized.
        teacher: Trained float weights of the same network.
        learning_rate: The recipe's full rate.
        steps: The recipe's steps.

    Raises:
        WeightsError: The teacher's weights are missing, damaged or another network's.
    """

    def __init__(
        self, preset: Preset, course: Course, *, teacher: Start, learning_rate: float, steps: int
    ):
        from sr_models.networks.graph import output_name
        from sr_models.networks.network import load_trunk
        from sr_models.networks.tails import attach_tail

        self._preset, self.course, self._start = preset, course, teacher
        trunk = load_trunk(preset, weights=teacher.weights)
        self.teacher = attach_tail(trunk, "none", scale=preset.scale)
        self.student = pams_student(self.teacher, course.settings, centred=True)
        feature = body_output(self.teacher)
        self._watched_teacher = watcher(self.teacher, [feature])
        self._watched = watcher(self.student.model, [feature, output_name(self.student.model)])
        published = course.settings.recipe_name == PUBLISHED
        self._share = course.alpha_rate / learning_rate
        self._factor = tf.Variable(
            self._share / PIXEL_RANGE if published else self._share, trainable=False
        )
        self._warm_steps = round(steps * WARM_SHARE) if published else 0
        self._warming: bool | None = None
        alphas, weights = self.student.alphas, self.student.weights
        self.variables = [*weights, *alphas]
        self.groups = [RateGroup(weights), RateGroup(alphas, self._factor)]
        if published:
            biases = [v for v in weights if v.name.endswith("bias:0")]
            own = {id(v) for v in biases}
            kernels = RateGroup([v for v in weights if id(v) not in own])
            self.groups = [kernels, self.groups[1], RateGroup(biases, 1.0 / PIXEL_RANGE)]
        self.checkpointed = {"model": self.student.model, "alpha_factor": self._factor}
        self.record = course.record

    def loss(self, low, high, *, picture_loss: Callable[[Any], Any]):
        """See `Pupil`."""
        expected = self._watched_teacher(low, training=False)
        features, picture = self._watched(low, training=True)
        transfer = knowledge_transfer_loss(features, expected)
        weight = self.course.transfer_weight / PIXEL_RANGE
        return picture_loss(picture - high) + weight * transfer

    def take_over(self, start: Start) -> None:
        """Nothing: the student starts as its teacher."""

    def begin(self, batch: Callable[[int], np.ndarray]) -> None:
        """Start the alphas with what the teacher shows."""
        pictures = [batch(i) for i in range(STARTING_BATCHES)]
        start = self.course.settings.alpha_start
        start_alphas(self.student, self.teacher, pictures=pictures, start=start)
        if self.course.settings.recipe_name != PUBLISHED:
            mean = float(np.mean([float(alpha) for alpha in self.student.alphas]))
            self._factor.assign(self._share * mean)

    def step_begins(self, step: int) -> None:
        """Let alphas follow each batch as long as they warm up."""
        warming = step < self._warm_steps
        if warming != self._warming:
            self.student.warm_up(warming)
            self._warming = warming

    def deployed(self) -> Deployed:
        """The simulation, saved as weights of the float network and a file of alphas."""
        from sr_models.networks.network import (
            build_trunk,
            named_weights,
            save_trunk,
            set_named_weights,
        )

        merged = with_centres_merged(named_weights(self.student.model), self.student.model)
        learned = learned_by(self.student, teacher=self._start.label)

        def save(path: Path) -> None:
            trunk = build_trunk(self._preset)
            set_named_weights(trunk, merged)
            save_trunk(trunk, path)
            save_learned(learned, path)

        return Deployed(self.student.model, save)
