"""The pixel contract: the codes of a file's input and output are the pixels themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sr_models.ground.pixel_range import PIXEL_TOLERANCE, Ends
from sr_models.quantization.grids import Grid
from sr_models.quantization.ranges import TensorRange

_SLACK = 1e-3
"""Files hold scales as float32, so half a code is not hit exactly."""


@dataclass(frozen=True)
class PixelGrid:
    """How far the codes of a tensor are from being pixels.

    Attributes:
        scale: Real value of one step, where black is 0 and white is 1; 1/255 for pixels.
        zero_point: Code of black, counted from the lowest one; 0 for pixels.
    """

    scale: float
    zero_point: float

    @classmethod
    def of_grid(cls, grid: Grid, ends: Ends) -> PixelGrid:
        """Of an eight-bit grid, between what stands for black and for white on it."""
        black = ends.black / grid.scale + grid.zero_point - grid.limits[0]
        return cls(grid.scale / ends.width, black)

    @classmethod
    def of_range(cls, range_: TensorRange) -> PixelGrid:
        """The grid that a converter makes of a range."""
        return cls(range_.scale, range_.zero_point + 128)

    @property
    def scale_error(self) -> float:
        """How far code 255 is from white where code 0 is black, in units of the tolerance."""
        return (255.0 * self.scale - 1.0) / PIXEL_TOLERANCE

    @property
    def black_error(self) -> float:
        """How far code 0 is from black, in units of the tolerance."""
        return abs(self.zero_point * self.scale) / PIXEL_TOLERANCE

    @property
    def holds(self) -> bool:
        """Whether no code is more than half a code from its pixel, over the whole range."""
        black = -self.zero_point * self.scale / PIXEL_TOLERANCE
        white = black + self.scale_error
        return max(abs(self.scale_error), abs(black), abs(white)) <= 1.0 + _SLACK

    def to_json(self) -> dict[str, Any]:
        """Scale, zero point, and the errors in units of the tolerance (1/510)."""
        return {
            "scale": self.scale,
            "zero_point": self.zero_point,
            "scale_error": self.scale_error,
            "black_error": self.black_error,
        }


@dataclass(frozen=True)
class PixelContract:
    """Whether every code of input and output stands for its pixel.

    For networks on 0..1 both grids are uint8 with zero point 0, or int8 with zero point -128, and
    have a scale of 1/255; on 0..255 or -1..1 they are as many times as wide and begin as far below
    zero. Each within half a code over the whole range.

    Attributes:
        reasons: What breaks it, in words; empty where it holds.
    """

    reasons: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether nothing breaks it."""
        return not self.reasons

    def to_json(self) -> dict[str, Any]:
        """Whether it holds, and the reasons."""
        return {"holds": self.holds, "reasons": list(self.reasons)}


@dataclass(frozen=True)
class PureContract(PixelContract):
    """The contract of a file whose ranges come from a set of pictures alone (`--pure`).

    Attributes:
        input: Grid of the input.
        output: Grid of the output.
    """

    input: PixelGrid
    output: PixelGrid

    @classmethod
    def of_ranges(cls, input_range: TensorRange, output_range: TensorRange) -> PureContract:
        """What the ranges of the input and the output, observed over the set, make of codes."""
        grids = {
            "input": PixelGrid.of_range(input_range),
            "output": PixelGrid.of_range(output_range),
        }
        reasons = []
        for role, grid in grids.items():
            if abs(grid.scale_error) > 1.0:
                reasons.append(
                    f"{role} scale is {grid.scale:.6f} instead of {1 / 255:.6f}: code 255 stands "
                    f"for {255.0 * 255.0 * grid.scale:.1f} of 255"
                )
            if grid.black_error > 1.0:
                reasons.append(f"{role} zero point is {grid.zero_point}: black has another code")
        return cls(tuple(reasons), **grids)

    def to_json(self) -> dict[str, Any]:
        """Grids and reasons."""
        return {
            "input": self.input.to_json(),
            "output": self.output.to_json(),
            **super().to_json(),
        }
