"""A course of training that quantizes: what `sr-models train --quantize` asks for.

Nothing here needs TensorFlow before the first step, so that a wrong option is said at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sr_models.ground.errors import OptionError, WeightsError
from sr_models.networks.presets import Preset
from sr_models.published.settings import PamsSettings
from sr_models.training.finetuning import Start
from sr_models.training.pupil import Pupil
from sr_models.training.recipe import TrainingRecipe

PAMS = "pams"
LOSS_WEIGHT = 1000.0
"""Of PAMS's knowledge transfer, beside 1 for the mean absolute error of pictures in 0..255."""
PUBLISHED = {
    "steps": 30_000,
    "batch_size": 16,
    "patch_size": 48,
    "optimizer": "adam",
    "warmup_steps": 0,
    "learning_rate": 1e-4,
    "schedule": "step",
    "loss": "l1",
    "intensities": (1.0,),
    "candidates": 1,
}
"""What the released code of PAMS trains with, but for its schedule, which halves at each third.
Darkened patches, as float networks are trained with here, would teach alphas to cut white off."""


@dataclass(frozen=True)
class PamsCourse:
    """How a network is quantized by training, beside the recipe.

    Attributes:
        settings: Widths and places of the quantizers.
        transfer_weight: Of the knowledge transfer, beside 1 for the picture in 0..255.
        alpha_rate: The alphas' rate where the recipe's is at its full height, as a share of the
            alphas' mean at the start.
    """

    settings: PamsSettings
    transfer_weight: float = LOSS_WEIGHT
    alpha_rate: float = 1e-3

    def __post_init__(self):
        if not self.transfer_weight >= 0.0:
            raise OptionError(
                f"expected a transfer weight of 0 or more, found {self.transfer_weight}"
            )
        if not 0.0 < self.alpha_rate < 1.0:
            raise OptionError(f"expected a rate of alphas in 0..1, found {self.alpha_rate}")

    @property
    def label(self) -> str:
        """Method and width, e.g. `pams8`."""
        return f"{PAMS}{self.settings.bits}"

    @property
    def record(self) -> dict[str, Any]:
        """What the records of run and weights say of it, beside the recipe."""
        return {"quantization": {"method": PAMS, **asdict(self)}}

    def recipe(self, **changes) -> TrainingRecipe:
        """The published recipe with some values changed; `None` leaves a value as it is."""
        given = {name: value for name, value in changes.items() if value is not None}
        return TrainingRecipe(**{**PUBLISHED, **given})

    def require_teacher(self, start: Start, preset: Preset) -> Start:
        """`start` itself; raises `WeightsError` where it is not of the same network."""
        if start.preset != preset:
            raise WeightsError(
                f"expected a teacher of the same network as {preset.name}, found {start.label}; "
                "give weights of that network, or leave --from out"
            )
        return start

    def pupil_maker(
        self, preset: Preset, recipe: TrainingRecipe, *, teacher: Start
    ) -> Callable[[], Pupil]:
        """What makes the pupil, where its variables shall live."""

        def make() -> Pupil:
            from sr_models.training.pams_pupil import PamsPupil

            return PamsPupil(preset, self, teacher=teacher, learning_rate=recipe.learning_rate)

        return make

    def finish(self, model, weights: str | Path, *, out: str | Path):
        """Put what was learned beside `out`, and return the simulation.

        Args:
            model: Float network with the learned weights and without an output tail.
            weights: The file that training left.
            out: Where a copy of it will stand.
        """
        from sr_models.published.pams_file import copy_learned, load_learned

        student = load_learned(weights).student_of(model)
        copy_learned(weights, out)
        return student.model


def quantized_course(
    method: str | None,
    *,
    bits: int | None,
    placement: str | None,
    unsigned: bool,
    per_channel: bool,
    float_edges: bool,
) -> PamsCourse | None:
    """The course that options ask for; `None` where none is.

    Raises:
        OptionError: No such method, or options that belong to one that is not named.
    """
    given = [
        name
        for name, value in (
            ("--bits", bits),
            ("--placement", placement),
            ("--unsigned", unsigned or None),
            ("--per-channel", per_channel or None),
            ("--float-edges", float_edges or None),
        )
        if value is not None
    ]
    if method is None:
        if given:
            raise OptionError(f"expected --quantize with {', '.join(given)}, found none; give pams")
        return None
    if method != PAMS:
        raise OptionError(
            f"expected pams as the method that trains, found {method!r}; methods without training "
            "are named by --method of sr-export model"
        )
    placement = placement or "integer"
    edges = not float_edges and placement == "integer"
    grids = {"unsigned": unsigned, "per_channel": per_channel}
    return PamsCourse(PamsSettings(8 if bits is None else bits, placement, edges=edges, **grids))
