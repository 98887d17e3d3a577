"""Tensor ranges: the only thing a quantization method hands to the converter."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from sr_models.ground.errors import CalibrationError

LEAST_SPAN = 1e-5
"""A tensor that moves less is constant zero. The converter would widen its range by a rule of its
own, and kernels have no factors for grids so fine."""
STILL_SPAN = 1.0
"""What a constant zero gets: any grid holds it, and with this one factors stay ordinary."""


@dataclass(frozen=True)
class TensorRange:
    """The real values that the codes of one int8 tensor shall span.

    Attributes:
        minimum: Value of the lowest code; at most 0 once it is written.
        maximum: Value of the highest code; at least 0 once it is written.
        narrow: Whether code -128 is unused, so that the grid is symmetric.
    """

    minimum: float
    maximum: float
    narrow: bool = False

    def __post_init__(self):
        if not (math.isfinite(self.minimum) and math.isfinite(self.maximum)):
            raise CalibrationError(
                f"expected a finite tensor range, found {self.minimum}..{self.maximum}; "
                "check pictures and weights for NaN"
            )
        if self.minimum > self.maximum:
            raise CalibrationError(
                f"expected minimum <= maximum, found {self.minimum}..{self.maximum}"
            )

    @property
    def with_zero(self) -> TensorRange:
        """The range widened to hold 0, which int8 must represent exactly for zero padding.

        A tensor that never leaves 0 gets `STILL_SPAN`.
        """
        low, high = min(self.minimum, 0.0), max(self.maximum, 0.0)
        moves = high - low >= LEAST_SPAN
        return replace(self, minimum=low, maximum=high if moves else low + STILL_SPAN)

    @property
    def scale(self) -> float:
        """Real value of one code step."""
        written = self.with_zero
        return (written.maximum - written.minimum) / (254 if self.narrow else 255)

    @property
    def zero_point(self) -> int:
        """The int8 code of 0."""
        lowest = -127 if self.narrow else -128
        return max(lowest, min(127, lowest + round(-self.with_zero.minimum / self.scale)))

    @property
    def on_grid(self) -> TensorRange:
        """The range moved by at most half a step so that 0 is a code exactly.

        What converters do to any range ("nudging"); done here, no tie is left for them to round
        one way or the other.
        """
        steps = 254 if self.narrow else 255
        below = self.zero_point + (127 if self.narrow else 128)
        return replace(self, minimum=-below * self.scale, maximum=(steps - below) * self.scale)

    def union(self, other: TensorRange) -> TensorRange:
        """The smallest range that holds both."""
        return replace(
            self, minimum=min(self.minimum, other.minimum), maximum=max(self.maximum, other.maximum)
        )


PIXELS = TensorRange(0.0, 1.0)
"""The pixel contract as a range: 256 codes over [0, 1], scale 1/255."""


@dataclass(frozen=True)
class TensorRanges(Mapping):
    """Ranges by the name of the point (`sr_models.networks.graph.points`).

    Attributes:
        ranges: Point name -> range.
        method: Name of the method that found them.
    """

    ranges: dict[str, TensorRange]
    method: str

    def __getitem__(self, name: str) -> TensorRange:
        return self.ranges[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.ranges)

    def __len__(self) -> int:
        return len(self.ranges)

    def replacing(self, changes: Mapping[str, TensorRange]) -> TensorRanges:
        """The same ranges with some replaced or added."""
        return replace(self, ranges={**self.ranges, **changes})

    def to_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return {
            "method": self.method,
            "tensors": {name: asdict(value) for name, value in self.ranges.items()},
        }
