"""Every choice of an export, in four groups."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Any

from export.exporting.file_choices import Files
from export.precision.kept_precisions import KEPT_PRECISIONS
from export.quantizing.defaults import DEFAULT_RECIPE
from export.quantizing.recipe import AUTO, SEPARATOR, dataset_of, require_recipe
from export.running.targets import DEFAULT_TARGET, require_target
from export.tflite.shuffle_forms import DEPTH_TO_SPACE
from representative_data.choices import Taming, require_usable
from sr_models.ground.arguments import (
    a_flag,
    a_number,
    a_text,
    finite_number,
    optional,
    require_fields,
    several,
    whole_number,
)
from sr_models.ground.errors import OptionError, require_known
from sr_models.ground.registry import unknown_name_message
from sr_models.networks.tail_names import require_tail

PRECISIONS = ("int8", "int16x8", "mixed", "float32")
CALIBRATORS = ("graph", "converter")
AUTO_DROP_DB = 0.05
"""What `--method auto` may lose where nothing is asked for."""


@dataclass(frozen=True)
class Quantizing:
    """How the network is quantized.

    Attributes:
        method: A recipe (`export.quantizing.recipe`): `"cfqp"` (tamed pictures) or `"natural"`
            (pictures as they are), and what follows, e.g. `"cfqp+equalize+adaround"`; or `"auto"`
            for the cheapest that loses no more than `max_drop_db`. `None` names none: see `recipe`.
        tail: Output tail, see `sr_models.networks.tails`.
        precision: `"int8"`; `"int16x8"` (16-bit activations, 8-bit weights); `"mixed"` (int8 but
            for some layers); or `"float32"` for comparison.
        packed_for: Whose kernels layers are packed for, see `export.running.targets`: a target,
            `"here"` for this machine's, or `"every"` for what pays for some and costs none.
        kept: Names of the layers that `"mixed"` keeps above eight bits.
        most_sensitive: How many layers it keeps where none is named: those that cost most fidelity
            when they alone are quantized.
        kept_precision: What it keeps them in, `"float32"` or `"int16x8"`.
        pure: Let the representative dataset decide every range, as the CFQP paper claims it can.
            Otherwise the input's and the output's range are written as exactly [0, 1].
        calibrator: `"graph"` observes the float Keras graph; `"converter"` hands the dataset to
            the TFLite converter's own calibrator. See `pictures_decide`.
    """

    method: str | None = None
    tail: str = "relu"
    precision: str = "int8"
    packed_for: str = DEFAULT_TARGET
    kept: tuple[str, ...] = ()
    most_sensitive: int = 0
    kept_precision: str = "float32"
    pure: bool = False
    calibrator: str = "graph"

    def __post_init__(self):
        require_fields(
            self,
            method=optional(a_text),
            tail=a_text,
            precision=a_text,
            packed_for=a_text,
            kept=several(a_text, what="names of layers", least=0),
            most_sensitive=whole_number(),
            kept_precision=a_text,
            pure=a_flag,
            calibrator=a_text,
        )
        require_tail(self.tail)
        require_known("a precision", self.precision, PRECISIONS)
        require_target(self.packed_for, or_every=True)
        require_known("a calibrator", self.calibrator, CALIBRATORS)
        require_known("a precision to keep layers in", self.kept_precision, KEPT_PRECISIONS)
        self._require_layers_where_mixed()
        if self.method not in (None, AUTO):
            require_recipe(self.method)
        alone = dataset_of(self.recipe)
        if self.pictures_decide and self.recipe != alone:
            # What follows a dataset moves ranges, so they would not be the pictures' any more.
            raise OptionError(
                "expected a representative dataset alone where it decides every range (--pure, "
                f"--calibrator converter), found --method {self.method}; give --method {alone} or "
                "leave the other out"
            )

    @property
    def pictures_decide(self) -> bool:
        """Whether the pictures alone decide every range.

        Asked for by `pure`; the converter's own calibrator knows nothing else.
        """
        return self.pure or self.calibrator == "converter"

    @property
    def recipe(self) -> str:
        """The recipe that is followed: unnamed, the default one or its dataset alone."""
        if self.method is not None:
            return self.method
        return dataset_of(DEFAULT_RECIPE) if self.pictures_decide else DEFAULT_RECIPE

    @property
    def may_hold_floats(self) -> bool:
        """Whether real numbers inside of the file are what was asked for."""
        islands = self.precision == "mixed" and self.kept_precision == "float32"
        return islands or self.precision == "float32"

    def on_set(self, dataset: str) -> Quantizing:
        """The same for a saved set of `"cfqp"` or `"natural"` pictures.

        Where no recipe is named, the default one begins with the set's word.

        Raises:
            OptionError: The recipe that is named begins with another.
        """
        if self.recipe == AUTO or dataset_of(self.recipe) == dataset:
            return self
        wanted = beginning_with(dataset, self.recipe)
        if self.method is None:
            return replace(self, method=wanted)
        raise OptionError(
            f"expected a set of {dataset_of(self.recipe)} pictures for --method {self.method}, "
            f"found one of {dataset} pictures; give --method {wanted} or another set"
        )

    def _require_layers_where_mixed(self) -> None:
        if self.most_sensitive < 0:
            raise OptionError(f"expected 0 or more layers to keep, found {self.most_sensitive}")
        asked = len(self.kept) + self.most_sensitive
        if self.precision == "mixed" and not asked:
            raise OptionError(
                "expected high-precision layers, found none; give --keep LAYER or "
                "--keep-most-sensitive N (sr-export sensitivity shows which they are)"
            )
        if self.precision != "mixed" and asked:
            raise OptionError(
                "expected high-precision layers with the precision mixed alone, found "
                f"{self.precision}; give --precision mixed or leave them out"
            )
        if self.kept and self.most_sensitive:
            raise OptionError(
                "expected layers by name or their number, found both; give --keep or "
                "--keep-most-sensitive"
            )


def beginning_with(dataset: str, recipe: str) -> str:
    """A recipe with another dataset at its start."""
    return SEPARATOR.join([dataset, *require_recipe(recipe)[1:]])


@dataclass(frozen=True)
class Shaping:
    """How calibration pictures are cut and tamed.

    Attributes:
        pictures: Number of calibration tiles.
        tile_side: Their height and width in low-resolution pixels.
        taming: How pictures are tamed, see `representative_data.taming`.
        target: Whether each picture is changed by itself, or the set by one change.
        max_passes: Forward passes after which a picture that still does not fit is dropped.
        anchors: Whether made pictures span the input's range.
        seed: Seed of the choice of tiles, and of what methods draw.
    """

    pictures: int = 64
    tile_side: int = 96
    taming: str = "contrast"
    target: str = "picture"
    max_passes: int = 10
    anchors: bool = True
    seed: int = 0

    def __post_init__(self):
        require_fields(self, taming=a_text, target=a_text, anchors=a_flag)
        require_usable(count=self.pictures, side=self.tile_side, seed=self.seed)
        self.made_taming()

    def made_taming(self) -> Taming:
        """The taming that is asked for; raises `OptionError` for one that cannot be."""
        return Taming(self.taming, target=self.target, max_passes=self.max_passes)


@dataclass(frozen=True)
class Limits:
    """What a file must reach.

    Attributes:
        minimum_fidelity_db: A file below this fidelity to the float network is rejected.
        max_drop_db: A file that loses more PSNR than this, RGB or luma, on pictures held out is
            rejected; `None` for no limit, which is `AUTO_DROP_DB` for the method `"auto"`.
    """

    minimum_fidelity_db: float = 30.0
    max_drop_db: float | None = None

    def __post_init__(self):
        require_fields(self, max_drop_db=optional(a_number))
        if self.max_drop_db is not None and not self.max_drop_db > 0.0:
            raise OptionError(f"expected a largest drop above 0 dB, found {self.max_drop_db:g}")
        require_fields(self, minimum_fidelity_db=finite_number)
        if not 0.0 <= self.minimum_fidelity_db < math.inf:
            raise OptionError(
                f"expected a least fidelity of 0 dB or more, found {self.minimum_fidelity_db:g}"
            )


_GROUPS = {"files": Files, "quantizing": Quantizing, "shaping": Shaping, "limits": Limits}
CHOICES = {choice.name: group for group, kind in _GROUPS.items() for choice in fields(kind)}
"""Every choice and the group that it stands in."""

OF_A_SET = {choice.name for choice in fields(Shaping)} - {"seed"}
"""Choices that a saved set has made already. Methods draw by the seed with any set."""


@dataclass(frozen=True, init=False)
class ExportSettings:
    """Every choice of an export.

    A choice may be given by its own name, `ExportSettings(method="cfqp", io="uint8")`, so that
    `dataclasses.replace(settings, io="int8")` works too; it then counts before its group.

    Attributes:
        files: Which files are made.
        quantizing: How the network is quantized.
        shaping: How calibration pictures are cut and tamed.
        limits: What a file must reach.
    """

    files: Files
    quantizing: Quantizing
    shaping: Shaping
    limits: Limits

    def __init__(self, **choices: Any):
        groups = {name: choices.pop(name, None) or kind() for name, kind in _GROUPS.items()}
        for name in choices:
            if name not in CHOICES:
                raise TypeError(unknown_name_message("choice", name, CHOICES))
        for name, group in groups.items():
            own = {choice: choices[choice] for choice in choices if CHOICES[choice] == name}
            object.__setattr__(self, name, replace(group, **own))
        if self.quantizing.recipe == AUTO and self.limits.max_drop_db is None:
            object.__setattr__(self, "limits", replace(self.limits, max_drop_db=AUTO_DROP_DB))
        self._require_int8_forms()
        if self.quantizing.precision == "float32":
            # A float file has no other interface.
            object.__setattr__(self, "files", replace(self.files, io="float32"))

    def _require_int8_forms(self) -> None:
        asked = self.files.made_for or self.files.shuffle
        if asked != DEPTH_TO_SPACE and self.quantizing.precision != "int8":
            option = "--target" if self.files.made_for else "--shuffle"
            raise OptionError(
                f"expected the precision int8 with {option} {asked}, found "
                f"{self.quantizing.precision}; leave one of them out"
            )

    def to_json(self, *, saved_set: bool = False) -> dict[str, Any]:
        """Every choice by its name, as plain data, which `settings_from_json` reads back.

        Args:
            saved_set: Whether the pictures came from a saved set, whose own choices then count:
                those of `Shaping` are `None`, but for the seed.
        """
        found = {choice: getattr(getattr(self, group), choice) for choice, group in CHOICES.items()}
        found["method"] = self.quantizing.recipe
        found["kept"] = list(self.quantizing.kept)
        found["sizes"] = [{"height": size.height, "width": size.width} for size in self.files.sizes]
        return found | dict.fromkeys(OF_A_SET) if saved_set else found


def clipped_baseline(settings: ExportSettings, *, calibrator: str = "graph") -> ExportSettings:
    """The same export as people make it today: a clip at the end, natural pictures, min/max.

    Args:
        settings: Those of the clip-free export.
        calibrator: Whose min/max: `"graph"`, ours, which is quick and writes pixels as [0, 1]; or
            `"converter"`, the TFLite converter's own, exactly what people do.
    """
    plain = {"precision": "int8", "kept": (), "most_sensitive": 0, "pure": False}
    plain |= {"shuffle": DEPTH_TO_SPACE, "made_for": None}
    return replace(settings, tail="clip", method="natural", calibrator=calibrator, **plain)


DEFAULTS = ExportSettings()
"""An export as it is where nothing is asked for."""
