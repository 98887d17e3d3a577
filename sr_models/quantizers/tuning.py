"""How long and how fast quantizers are fine-tuned, and what came of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from sr_models.choices import require_known
from sr_models.errors import OptionError
from sr_models.quantizers.sensitivity import ALIGNMENTS


@dataclass(frozen=True)
class TuningSettings:
    """How long and how fast.

    Attributes:
        epochs: Passes over the pictures, each with one group of variables.
        batch_size: Pictures per step.
        rate: Adam's rate in each group's first epoch. The published one is 1e-3 of something else
            (see `relative`); as a share, in 150 steps, a hundredth leaves less loss on pictures
            held back.
        decay: What a group's rate is multiplied by after each of its epochs.
        relative: Whether the rate is a share of a variable's starting magnitude (ours); else it is
            in units of 0..255 for activations and in those of the weights for their bounds.
        held_back: Share of the pictures that choose the best state; at least one.
        align: See `sensitivity.ALIGNMENTS`.
        seed: Seed of what is held back and of the order.
    """

    epochs: int = 10
    batch_size: int = 2
    rate: float = 1e-2
    decay: float = 0.9
    relative: bool = True
    held_back: float = 0.1
    align: str = "paper"
    seed: int = 1

    def __post_init__(self):
        for name, least in (("epochs", 0), ("batch_size", 1), ("seed", 0)):
            if getattr(self, name) < least:
                raise OptionError(
                    f"expected {name} of at least {least}, found {getattr(self, name)}"
                )
        for name in ("rate", "decay", "held_back"):
            if not 0.0 < getattr(self, name) <= 1.0:
                raise OptionError(f"expected {name} in 0..1, found {getattr(self, name)}")
        require_known("an alignment", self.align, ALIGNMENTS)

    def to_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return asdict(self)


@dataclass(frozen=True)
class TuningResult:
    """What fine-tuning yielded; the student holds the best state.

    Attributes:
        steps: Steps done, those of an earlier process included.
        best_step: The step of the best state, 0 for the calibrated one.
        best_loss: Its loss on the held-back pictures.
        held_losses: That loss before the first epoch and after each.
        finished: Whether all epochs are done, rather than stopped.
    """

    steps: int
    best_step: int
    best_loss: float
    held_losses: tuple[float, ...]
    finished: bool

    def to_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return asdict(self)
