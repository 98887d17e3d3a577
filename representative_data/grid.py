"""The grid that a range becomes in an eight-bit file, and whether its codes are pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from representative_data.taming import TOLERANCE

LEAST_SPAN = 1e-6


@dataclass(frozen=True)
class EightBitGrid:
    """256 equidistant values, one of which is 0.

    Attributes:
        scale: Real value of one step.
        zero_point: uint8 code of the real value 0.
    """

    scale: float
    zero_point: int

    @property
    def minimum(self) -> float:
        """Real value of code 0."""
        return -self.zero_point * self.scale

    @property
    def maximum(self) -> float:
        """Real value of code 255."""
        return (255 - self.zero_point) * self.scale

    @property
    def scale_error(self) -> float:
        """How far code 255 is from white where code 0 is black, in units of the tolerance."""
        return (255.0 * self.scale - 1.0) / TOLERANCE

    @property
    def black_error(self) -> float:
        """How far code 0 is from black, in units of the tolerance."""
        return abs(self.minimum) / TOLERANCE


def grid_of_range(bounds: Sequence[float]) -> EightBitGrid:
    """The grid that a converter makes of an observed (minimum, maximum).

    The range is widened to hold 0 and moved by at most half a step so that 0 is a code (TFLite's
    8-bit quantization specification; zero padding needs it).
    """
    low, high = min(bounds[0], 0.0), max(bounds[1], 0.0)
    scale = max(high - low, LEAST_SPAN) / 255.0
    return EightBitGrid(scale, min(255, round(-low / scale)))


@dataclass(frozen=True)
class PixelContract:
    """Whether codes of the input and the output are pixels where the set alone decides.

    Attributes:
        input: Grid of the input.
        output: Grid of the output.
    """

    input: EightBitGrid
    output: EightBitGrid

    @property
    def reasons(self) -> tuple[str, ...]:
        """What breaks it; empty where it holds."""
        found = []
        for role, grid in (("input", self.input), ("output", self.output)):
            if abs(grid.scale_error) > 1.0:
                found.append(
                    f"{role} scale is {grid.scale:.6f} instead of {1 / 255:.6f}: code 255 stands "
                    f"for {255.0 * 255.0 * grid.scale:.1f} of 255"
                )
            if grid.black_error > 1.0:
                found.append(f"{role} zero point is {grid.zero_point}: black has another code")
        return tuple(found)

    @property
    def holds(self) -> bool:
        """Whether every code stands for its pixel, within half a code over the whole range."""
        return not self.reasons

    def to_json(self) -> dict[str, Any]:
        """Grids, errors in units of the tolerance (1/510), and reasons."""
        grids = {
            role: {**asdict(grid), "scale_error": grid.scale_error, "black_error": grid.black_error}
            for role, grid in (("input", self.input), ("output", self.output))
        }
        return {**grids, "holds": self.holds, "reasons": list(self.reasons)}


def pure_contract(
    input_range: Sequence[float], output_range: Sequence[float]
) -> PixelContract:  # fmt: skip
    """The contract of a file whose ranges come from a set alone (`--pure`)."""
    return PixelContract(grid_of_range(input_range), grid_of_range(output_range))
