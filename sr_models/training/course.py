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
from sr_models.published.settings import PamsSettings, require_recipe
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
"""What the released code of PAMS trains with, but for its schedule, which halves at each third, and
its weights, which are not averaged; the recipe `"published"` has both. Darkened patches, as float
networks are trained with here, would teach alphas to cut white off."""
TO_THE_LETTER = {"schedule": "thirds", "ema_decay": 1e-9}
ALPHA_RATES = {"default": 1e-3, "published": 1e-2}
HIGH_PATCH = {"rdn": 96}
"""Side of a ground-truth patch by family, where it is not 192."""


@dataclass(frozen=True)
class PamsCourse:
    """How a network is quantized by training, beside the recipe.

    Attributes:
        settings: Widths and places of the quantizers.
        transfer_weight: Of the knowledge transfer, beside 1 for the picture in 0..255.
        alpha_rate: The alphas' rate where the recipe's is at its full height, as a share of the
            alphas' mean at the start; with the recipe `"published"` in units of 0..255.
    """

    settings: PamsSettings
    transfer_weight: float = LOSS_WEIGHT
    alpha_rate: float = ALPHA_RATES["default"]

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

    def recipe(self, preset: Preset | None = None, **changes) -> TrainingRecipe:
        """The recipe of training with some values changed; `None` leaves a value as it is.

        Args:
            preset: Which network; says with the recipe `"published"` how large patches are.
            changes: Fields of the recipe.
        """
        values = dict(PUBLISHED)
        if self.settings.recipe_name == "published":
            values |= TO_THE_LETTER
            if preset is not None:
                values["patch_size"] = HIGH_PATCH.get(preset.family, 192) // preset.scale
        given = {name: value for name, value in changes.items() if value is not None}
        return TrainingRecipe(**{**values, **given})

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

            return PamsPupil(
                preset,
                self,
                teacher=teacher,
                learning_rate=recipe.learning_rate,
                steps=recipe.steps,
            )

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


def published_course(bits: int) -> PamsCourse:
    """The course of the recipe `"published"`."""
    return PamsCourse(PamsSettings.published(bits), alpha_rate=ALPHA_RATES["published"])


def quantized_course(
    method: str | None,
    *,
    bits: int | None,
    placement: str | None,
    unsigned: bool,
    per_channel: bool,
    float_edges: bool,
    recipe: str | None = None,
) -> PamsCourse | None:
    """The course that options ask for; `None` where none is.

    Raises:
        OptionError: No such method or recipe, options that belong to one that is not named, or
            some that the published recipe decides.
    """
    placing = {
        "--placement": placement,
        "--unsigned": unsigned or None,
        "--per-channel": per_channel or None,
        "--float-edges": float_edges or None,
    }
    options = {"--bits": bits, **placing, "--recipe": recipe}
    given = [name for name, value in options.items() if value is not None]
    if method is None:
        if given:
            raise OptionError(f"expected --quantize with {', '.join(given)}, found none; give pams")
        return None
    if method != PAMS:
        raise OptionError(
            f"expected pams as the method that trains, found {method!r}; methods without training "
            "are named by --method of sr-export model"
        )
    width = 8 if bits is None else bits
    if require_recipe(recipe or "default") == "published":
        if decided := [name for name, value in placing.items() if value is not None]:
            raise OptionError(
                f"expected no {', '.join(decided)} with --recipe published, which decides where is "
                "quantized and on what grids; leave one of them out"
            )
        return published_course(width)
    placement = placement or "integer"
    edges = not float_edges and placement == "integer"
    grids = {"unsigned": unsigned, "per_channel": per_channel}
    return PamsCourse(PamsSettings(width, placement, edges=edges, **grids))
