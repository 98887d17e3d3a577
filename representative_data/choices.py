"""What can be chosen for a representative dataset; known before any library is loaded."""

from __future__ import annotations

from dataclasses import dataclass

from sr_models.ground.arguments import finite_number, require_fields, takes, whole_number
from sr_models.ground.errors import OptionError, require_known
from sr_models.ground.pixel_range import PIXEL_TOLERANCE

METHODS = ("contrast", "intensity", "blur", "select")
TARGETS = ("picture", "set")
MAX_COUNT = 10_000
MIN_SIDE = 16
MAX_SIDE = 1024


@takes(count=whole_number(), side=whole_number(), seed=whole_number())
def require_usable(*, count: int, side: int, seed: int) -> None:
    """Raise `OptionError` for a number, a size or a seed of tiles that cannot be used."""
    if count < 1:
        raise OptionError(f"expected at least 1 calibration picture, found {count}")
    if count > MAX_COUNT:
        raise OptionError(f"expected at most {MAX_COUNT} calibration pictures, found {count}")
    if not MIN_SIDE <= side <= MAX_SIDE:
        raise OptionError(f"expected tiles of {MIN_SIDE}..{MAX_SIDE} pixels, found {side}")
    if seed < 0:
        raise OptionError(f"expected a seed of 0 or more, found {seed}")


@dataclass(frozen=True)
class Taming:
    """How pictures are tamed.

    Attributes:
        method: `"contrast"` maps the output range [low, high] into [0, 1] by an affine change of
            the input that leaves a side alone that fits already; `"intensity"` only multiplies;
            `"blur"` smooths the picture step by step; `"select"` changes nothing and drops the
            pictures that do not fit.
        max_passes: Forward passes through the network after which a picture that still does not
            fit is dropped.
        aim: Where the greatest output of a changed picture is led to.
        target: `"picture"` finds a change for each picture that does not fit and leaves the others
            alone; `"set"` finds one change, which all pictures share, from the outputs of all.
    """

    method: str = "contrast"
    max_passes: int = 10
    aim: float = 1.0 - PIXEL_TOLERANCE / 4
    target: str = "picture"

    def __post_init__(self):
        require_fields(self, max_passes=whole_number(), aim=finite_number)
        require_known("a taming", self.method, METHODS)
        if self.max_passes < 1:
            raise OptionError(f"expected at least 1 pass, found {self.max_passes}")
        require_known("a target", self.target, TARGETS)
        if (self.method, self.target) == ("select", "set"):
            raise OptionError(
                "expected a change that pictures can share, found select, which judges each alone; "
                "give --taming-target picture or another --taming"
            )
