"""Where an alternating optimisation stands, and the file that it can be resumed from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sr_models.ground.errors import OptionError, TrainingError, require_known
from sr_models.ground.files import writing_file
from sr_models.published.sensitivity import ALIGNMENTS


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

    @classmethod
    def published(cls, *, epochs: int = 10, seed: int = 1) -> TuningSettings:
        """As released: rates in its units, features weighed as its loop does."""
        return cls(epochs=epochs, rate=1e-3, relative=False, align="released", seed=seed)

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


@dataclass(frozen=True)
class TuningState:
    """Everything that an alternating optimisation needs to go on.

    Attributes:
        step: Steps done.
        values: Value of each variable, by `group/index`.
        first_moments: Adam's averaged gradients, by the same names.
        second_moments: Adam's averaged squares.
        counts: Steps done of each group, as float64 arrays of no dimension.
        best: Values of the best state so far.
        best_loss: Its loss on the held-back pictures.
        best_step: The step it was found at.
        held_losses: Loss on the held-back pictures before the first epoch and after each.
    """

    step: int
    values: dict[str, np.ndarray]
    first_moments: dict[str, np.ndarray]
    second_moments: dict[str, np.ndarray]
    counts: dict[str, np.ndarray]
    best: dict[str, np.ndarray]
    best_loss: float
    best_step: int
    held_losses: tuple[float, ...]


_ARRAYS = ("values", "first_moments", "second_moments", "counts", "best")


def save_state(state: TuningState, path: str | Path, *, run: Mapping[str, Any]) -> None:
    """Write a state to an `.npz` file, whole or not at all.

    Args:
        state: What to write.
        path: Where.
        run: What the optimisation is, as plain data: it can only be resumed by the same.

    Raises:
        OutputError: The place cannot be written to.
    """
    arrays = {f"{k}:{name}": v for k in _ARRAYS for name, v in getattr(state, k).items()}
    numbers = {
        "step": state.step,
        "best_loss": state.best_loss,
        "best_step": state.best_step,
        "held_losses": list(state.held_losses),
        "run": dict(run),
    }
    with writing_file(path) as beside, beside.open("wb") as stream:
        np.savez(stream, numbers=np.array(json.dumps(numbers)), **arrays)


def load_state(path: str | Path, *, run: Mapping[str, Any]) -> TuningState:
    """Read what `save_state` wrote.

    Raises:
        TrainingError: The file is damaged, or belongs to another optimisation.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            numbers = json.loads(str(archive["numbers"]))
            groups: dict[str, dict[str, np.ndarray]] = {kind: {} for kind in _ARRAYS}
            for name in archive.files:
                kind, _, key = name.partition(":")
                if key:
                    groups[kind][key] = archive[name]
            found = numbers.pop("run")
            held = tuple(numbers.pop("held_losses"))
            state = TuningState(**numbers, **groups, held_losses=held)
    except Exception as error:
        # zipfile, zlib, NumPy and JSON each raise their own for a file that is cut or overwritten.
        raise TrainingError(
            f"expected the state of an optimisation, found a damaged file: {path}; delete it to "
            "begin again"
        ) from error
    wanted = json.loads(json.dumps(dict(run)))
    differing = sorted(k for k in {*wanted, *found} if wanted.get(k) != found.get(k))
    if differing:
        raise TrainingError(
            f"expected the optimisation that {path} was begun with, found another "
            f"{', '.join(differing)}; give the same options or another file"
        )
    return state
