"""The grid of a tensor of integers: what real value each code stands for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sr_models.quantization.ranges import TensorRange

LIMITS = {"int8": (-128, 127), "uint8": (0, 255), "int16": (-32768, 32767)}
"""Lowest and highest code of each type."""


@dataclass(frozen=True)
class Grid:
    """The quantization of a tensor of integers: code `q` stands for `scale * (q - zero_point)`.

    Attributes:
        dtype: `int8`, `uint8` or `int16`.
        scale: Real value of one code, positive; in double precision where a converter computed it,
            and a float32 value where it was read from a file.
        zero_point: Code of the real value 0.
    """

    dtype: str
    scale: float
    zero_point: int

    @classmethod
    def of(cls, value: TensorRange) -> Grid:
        """The int8 grid that the converter makes of a range; its bounds pass through float32."""
        written = value.on_grid
        low, high = float(np.float32(written.minimum)), float(np.float32(written.maximum))
        return cls("int8", (high - low) / (254 if value.narrow else 255), value.zero_point)

    @property
    def stored_scale(self) -> np.float32:
        """The scale in the file."""
        return np.float32(self.scale)

    @property
    def limits(self) -> tuple[int, int]:
        """Lowest and highest code."""
        return LIMITS[self.dtype]

    @property
    def span(self) -> tuple[float, float]:
        """Real values of the lowest and the highest code."""
        low, high = self.limits
        return (low - self.zero_point) * self.scale, (high - self.zero_point) * self.scale

    def code(self, value: float) -> int:
        """The code nearest to a real value, saturated; halves away from zero."""
        nearest = half_away(value / float(self.stored_scale)) + self.zero_point
        return int(np.clip(nearest, *self.limits))

    def centred(self, codes: np.ndarray) -> np.ndarray:
        """Codes less the zero point, int64."""
        return codes.astype(np.int64) - self.zero_point

    def stored(self, values: np.ndarray, *, rectified: bool = False) -> np.ndarray:
        """Multiples of the scale as saturated codes; negative ones as 0 where rectified."""
        lowest, highest = self.limits
        if rectified:
            lowest = max(lowest, self.zero_point)
        return np.clip(values + self.zero_point, lowest, highest).astype(self.dtype)

    def as_dtype(self, dtype: str) -> Grid | None:
        """The same real values with the codes of another eight-bit type; `None` for no such."""
        if dtype == self.dtype:
            return self
        if {dtype, self.dtype} != {"int8", "uint8"}:
            return None
        return Grid(dtype, self.scale, self.zero_point + (128 if dtype == "uint8" else -128))

    def to_json(self) -> dict[str, Any]:
        """The attributes."""
        return {"dtype": self.dtype, "scale": self.scale, "zero_point": self.zero_point}

    def __str__(self) -> str:
        return f"{self.dtype}, scale {self.scale:.6g}, zero point {self.zero_point}"


def half_away(values):
    """The nearest integers as float64, halves away from zero as in C."""
    return np.copysign(np.floor(np.abs(values) + 0.5), values)
