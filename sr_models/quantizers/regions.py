"""Where the dense region of a tensor ends: bounds and break point from calibration batches.

As in github:haiiling/OAQ-SR (src/model/quantize.py, `bp_init=asym`): least and greatest value of
the first batch, then a moving average; the break point is the 0.99 quantile of the signed values.
The released code means to average that too but mixes the new value with itself, so it is the last
batch's; `"ema"` does what the line was meant to.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sr_models.choices import require_known
from sr_models.quantizers.dual_region import EMA_DECAY, LEAST_LENGTH, QUANTILE

BREAK_POINTS = ("last", "ema")


@dataclass(frozen=True)
class Regions:
    """Bounds and break point of one tensor.

    Attributes:
        lower: Least value.
        upper: Greatest value.
        break_point: Where the dense region ends, greater than 0.
    """

    lower: float
    upper: float
    break_point: float

    def after(self, values: np.ndarray, *, break_points: str = "last") -> Regions:
        """The same after one more batch of values of any shape."""
        require_known("break points", break_points, BREAK_POINTS)
        new = regions_of(values)

        def averaged(old: float, value: float) -> float:
            return EMA_DECAY * old + (1.0 - EMA_DECAY) * value

        last = break_points == "last"
        return Regions(
            averaged(self.lower, new.lower),
            averaged(self.upper, new.upper),
            new.break_point if last else averaged(self.break_point, new.break_point),
        )

    @property
    def ordered(self) -> Regions:
        """The same with lower <= upper and the break point between 0 and the larger magnitude.

        What learning may break; the released code does not look after it.
        """
        lower, upper = min(self.lower, self.upper), max(self.lower, self.upper)
        upper = max(upper, lower + LEAST_LENGTH)
        largest = max(abs(lower), abs(upper), LEAST_LENGTH)
        return Regions(lower, upper, min(max(self.break_point, LEAST_LENGTH), largest))

    def to_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return asdict(self)


def regions_of(values: np.ndarray) -> Regions:
    """Bounds and break point of one batch of values, float32 of any shape.

    Where nearly all values are negative, their signed quantile is none to break at; the quantile of
    the magnitudes is taken there, which is ours.
    """
    flat = np.asarray(values, np.float64).ravel()
    break_point = float(np.quantile(flat, QUANTILE))
    if break_point <= 0.0:
        break_point = float(np.quantile(np.abs(flat), QUANTILE))
    return Regions(float(flat.min()), float(flat.max()), max(break_point, LEAST_LENGTH))
