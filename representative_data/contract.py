"""Whether the codes of an eight-bit file are pixels where a set alone decides their ranges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from representative_data.taming import TOLERANCE
from sr_models.quantization.ranges import TensorRange


@dataclass(frozen=True)
class PixelGrid:
    """How far the codes of an observed range are from being pixels.

    Attributes:
        range: The range, 0..1 for pixels.
    """

    range: TensorRange

    @property
    def scale(self) -> float:
        """Real value of one step."""
        return self.range.scale

    @property
    def zero_point(self) -> int:
        """uint8 code of the real value 0."""
        return self.range.zero_point + 128

    @property
    def scale_error(self) -> float:
        """How far code 255 is from white where code 0 is black, in units of the tolerance."""
        return (255.0 * self.scale - 1.0) / TOLERANCE

    @property
    def black_error(self) -> float:
        """How far code 0 is from black, in units of the tolerance."""
        return abs(self.zero_point * self.scale) / TOLERANCE

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
    """Whether codes of the input and the output are pixels where the set alone decides.

    Attributes:
        input: Grid of the input.
        output: Grid of the output.
    """

    input: PixelGrid
    output: PixelGrid

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
        """Grids and reasons."""
        return {
            "input": self.input.to_json(),
            "output": self.output.to_json(),
            "holds": self.holds,
            "reasons": list(self.reasons),
        }


def pure_contract(input_range: Sequence[float], output_range: Sequence[float]) -> PixelContract:
    """The contract of a file whose ranges come from a set alone (`--pure`)."""
    return PixelContract(*(PixelGrid(TensorRange(*r)) for r in (input_range, output_range)))
