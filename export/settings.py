"""Every choice of an export."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from export.conversion import require_io, require_size
from export.methods.recipe import parse_recipe
from representative_data.taming import Taming
from sr_models.errors import OptionError
from sr_models.tails import require_tail

PRECISIONS = ("int8", "float32")
CALIBRATORS = ("graph", "converter")


@dataclass(frozen=True)
class ExportSettings:
    """Every choice of an export.

    Attributes:
        height: Input height in pixels.
        width: Input width in pixels.
        method: A recipe (`export.methods.recipe`): `"cfqp"` (tamed pictures) or `"natural"`
            (pictures as they are), and what follows, e.g. `"cfqp+equalize+adaround"`.
        tail: Output tail, see `sr_models.tails`.
        io: `"uint8"`, `"int8"` or `"float32"` input and output.
        precision: `"int8"`, or `"float32"` for comparison.
        pure: Let the representative dataset decide every range, as the CFQP paper claims it can.
            Otherwise the input's and the output's range are written as exactly [0, 1].
        calibrator: `"graph"` observes the float Keras graph; `"converter"` hands the dataset to
            the TFLite converter's own calibrator (and implies `pure`).
        pictures: Number of calibration tiles.
        tile_side: Their height and width in low-resolution pixels.
        taming: How pictures are tamed, see `representative_data.taming`.
        anchors: Whether made pictures span the input's range.
        seed: Seed of the choice of tiles.
        minimum_fidelity_db: A file below this fidelity to the float network is rejected.
    """

    height: int = 360
    width: int = 640
    method: str = "cfqp"
    tail: str = "relu"
    io: str = "uint8"
    precision: str = "int8"
    pure: bool = False
    calibrator: str = "graph"
    pictures: int = 64
    tile_side: int = 96
    taming: str = "contrast"
    anchors: bool = True
    seed: int = 0
    minimum_fidelity_db: float = 30.0

    def __post_init__(self):
        require_size(self.height, self.width)
        require_tail(self.tail)
        require_io(self.io)
        _require_known("precision", self.precision, PRECISIONS)
        _require_known("calibrator", self.calibrator, CALIBRATORS)
        recipe = parse_recipe(self.method)
        if recipe.methods and self.calibrator == "converter":
            raise OptionError(
                f"expected a representative dataset alone with the converter's own calibrator, "
                f"found --method {self.method}; give --method {recipe.dataset} or "
                "--calibrator graph"
            )
        if self.pictures < 1:
            raise OptionError(f"expected at least 1 calibration picture, found {self.pictures}")
        if self.seed < 0:
            raise OptionError(f"expected a seed of 0 or more, found {self.seed}")
        Taming(self.taming)
        if self.precision == "float32":
            # A float file has no other interface.
            object.__setattr__(self, "io", "float32")


def _require_known(what: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise OptionError(f"expected a {what} of {', '.join(known)}, found {value!r}")


DEFAULTS = ExportSettings()
"""An export as it is where nothing is asked for."""
