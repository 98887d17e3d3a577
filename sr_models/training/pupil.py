"""What a run trains: here the float network itself, which learns from ground truth.

Another pupil (`sr_models.training.pams_pupil`) is a quantized network that learns from its float
teacher too. The trainer asks either one the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from sr_models.networks.presets import Preset
from sr_models.training.finetuning import Start, take_over

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class RateGroup:
    """Variables that one optimizer trains.

    Attributes:
        variables: Which.
        factor: What the recipe's rate is multiplied by for them: a number, or a scalar variable.
    """

    variables: Sequence[Any]
    factor: Any = 1.0


@dataclass(frozen=True)
class Deployed:
    """The pupil as it is shipped, with the weights it has at the moment.

    Attributes:
        model: Keras model (N, H, W, 3) in 0..1 -> (N, H s, W s, 3), without an output tail.
        save: Writes it to a `.weights.h5` file, and what else belongs to it beside that.
    """

    model: Any
    save: Callable[[Path], None]


class Pupil(Protocol):
    """What a `Trainer` trains.

    Attributes:
        variables: Everything that is trained.
        groups: The same by optimizer; the first one counts the steps.
        checkpointed: What a checkpoint holds of it, as keywords of `tf.train.Checkpoint`.
        record: What the run's record says of it, beside the recipe.
    """

    variables: Sequence[Any]
    groups: Sequence[RateGroup]
    checkpointed: Mapping[str, Any]
    record: Mapping[str, Any]

    def loss(self, low, high, *, picture_loss: Callable[[Any], Any]):
        """The loss of a batch, a scalar; `picture_loss` is that of a difference of pictures."""

    def take_over(self, start: Start) -> None:
        """Begin with trained weights."""

    def begin(self, batch: Callable[[int], np.ndarray]) -> None:
        """Take the state of a run's first step.

        Args:
            batch: Low-resolution pictures of a step, float32 (N, h, w, 3) in 0..1.
        """

    def step_begins(self, step: int) -> None:
        """Take note of the step, from 0, that is done next."""

    def deployed(self) -> Deployed:
        """The pupil as it is shipped."""


class FloatPupil:
    """A preset's network in its training form.

    Args:
        preset: Which network.
    """

    record: Mapping[str, Any] = {"quantization": None}

    def __init__(self, preset: Preset):
        from sr_models.networks.network import build_trunk
        from sr_models.networks.tails import attach_tail

        self._preset = preset
        self.trunk = build_trunk(preset, form="train")
        self.model = attach_tail(self.trunk, "none", scale=preset.scale)
        self.variables = self.model.trainable_variables
        self.groups = [RateGroup(self.variables)]
        self.checkpointed = {"model": self.trunk}
        self._deployed: tuple[Any, Any] | None = None

    def loss(self, low, high, *, picture_loss: Callable[[Any], Any]):
        """See `Pupil`."""
        return picture_loss(self.model(low, training=True) - high)

    def take_over(self, start: Start) -> None:
        """Take all weights that fit by name and shape."""
        take_over(self.trunk, start)

    def begin(self, batch: Callable[[int], np.ndarray]) -> None:
        """See `Pupil`; the pictures have no part in it."""

    def step_begins(self, step: int) -> None:
        """See `Pupil`; all steps are alike."""

    def deployed(self) -> Deployed:
        """The deployed form: one network for all calls, with the weights of the last one."""
        from sr_models.networks.network import convert_form, save_trunk
        from sr_models.networks.tails import attach_tail

        known = self._deployed[0] if self._deployed else None
        trunk = convert_form(self.trunk, self._preset, form="deploy", into=known)
        if self._deployed is None:
            self._deployed = trunk, attach_tail(trunk, "none", scale=self._preset.scale)
        trunk, model = self._deployed
        return Deployed(model, lambda path: save_trunk(trunk, path))
