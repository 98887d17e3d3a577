"""What black and white are, for a network and for the input and the output of a file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from sr_models.ground.errors import OptionError

PIXEL_TOLERANCE = 1 / 510
"""Half a code of an eight-bit picture: how far a grid may be from the grid of pixels, or an output
from black or white, where white is 1."""


class Ends(NamedTuple):
    """The values that stand for black and for white on one side of a network.

    Attributes:
        black: Value of a black pixel.
        white: Value of a white pixel, above black.
    """

    black: float
    white: float

    @property
    def width(self) -> float:
        """How far white is from black."""
        return self.white - self.black

    def __str__(self) -> str:
        return f"{self.black:g}..{self.white:g}"


@dataclass(frozen=True)
class PixelRange:
    """What black and white are for a network.

    Attributes:
        input: Value of a white input pixel, mostly 1 or 255.
        output: Value of a white output pixel.
        input_black: Value of a black input pixel, mostly 0 or -1.
        output_black: Value of a black output pixel.
    """

    input: float = 1.0
    output: float = 1.0
    input_black: float = 0.0
    output_black: float = 0.0

    @classmethod
    def of_ends(cls, low: Ends, high: Ends) -> PixelRange:
        """The range of a network by the ends of its input and of its output."""
        return cls(low.white, high.white, low.black, high.black)

    @classmethod
    def of_json(cls, data: Mapping[str, Any]) -> PixelRange:
        """What `to_json` wrote."""
        return cls.of_ends(*(Ends(*map(float, data[side])) for side in ("pixels_in", "pixels_out")))

    @property
    def input_ends(self) -> Ends:
        """Black and white of the input."""
        return Ends(self.input_black, self.input)

    @property
    def output_ends(self) -> Ends:
        """Black and white of the output."""
        return Ends(self.output_black, self.output)

    @property
    def is_unit(self) -> bool:
        """Whether the network takes and returns 0..1, as everything here expects."""
        return self == UNIT

    def to_json(self) -> dict[str, list[float]]:
        """Black and white of the input and of the output."""
        return {"pixels_in": list(self.input_ends), "pixels_out": list(self.output_ends)}

    def __str__(self) -> str:
        return f"inputs of {self.input_ends} and outputs of {self.output_ends}"


UNIT_ENDS, BYTE_ENDS, SIGNED_ENDS = Ends(0.0, 1.0), Ends(0.0, 255.0), Ends(-1.0, 1.0)
CENTRED_ENDS = Ends(-128.0, 127.0)
"""Of codes that are pixels less 128."""
USUAL_ENDS = (UNIT_ENDS, BYTE_ENDS, SIGNED_ENDS)
"""What networks are trained on, the most usual first."""

UNIT = PixelRange()
SIGNED = PixelRange.of_ends(SIGNED_ENDS, SIGNED_ENDS)

_NUMBER = r"-?\d+(?:\.\d+)?"
_ENDS = re.compile(rf"({_NUMBER})\.\.({_NUMBER})")


def parse_pixels(text: str) -> PixelRange:
    """A `--pixels` of a file: `0..255` for both sides, or `0..255:0..1` for input and output.

    Raises:
        OptionError: Text that is neither, or a white that is not above black.
    """
    sides = [_ENDS.fullmatch(side.strip()) for side in text.split(":")]
    if all(sides) and len(sides) in (1, 2):
        ends = [Ends(float(side[1]), float(side[2])) for side in sides]
        if all(side.width > 0 for side in ends):
            return PixelRange.of_ends(ends[0], ends[-1])
    raise OptionError(
        "expected black and white as 0..1, or of input and output apart as 0..255:0..1, found "
        f"{text!r}; change --pixels"
    )
