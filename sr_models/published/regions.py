"""Where the dense region of a tensor ends: bounds and break point from calibration batches.

As in github:haiiling/OAQ-SR (src/model/quantize.py, `bp_init=asym`): least and greatest value of
the first batch, then a moving average; the break point is the 0.99 quantile of the signed values.
The released code means to average that too but mixes the new value with itself, so it is the last
batch's; `"ema"` does what the line was meant to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from sr_models.ground.errors import require_known
from sr_models.published.dual_region import (
    EMA_DECAY,
    LEAST_LENGTH,
    QUANTILE,
    SHRINKS,
    DualRegionConvolution,
    least_error_bound,
    published_bound,
)

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


BETTER = "better"
PUBLISHED = "published"
_COMPARED = ("least_error", "largest")
WEIGHT_STARTS = (*_COMPARED, BETTER, PUBLISHED)
"""Where weight bounds start:

- `"least_error"`, ours: at the least squared error of the weights on their own grid
  (`dual_region.least_error_bound`).
- `"largest"`, ours: at the largest weight.
- `"better"`, ours: at whichever of these two leaves the picture nearer to the float network's.
  Where few large weights carry the picture, as in XLSR, the first one cuts them: W4A4 of xlsr_x3
  before fine-tuning is 16.6 dB from the float network with it and 28.6 dB with the second (RGB,
  saturated, one 48x48 crop of scikit-image's rocket, calibrated with three other crops).
- `"published"`: what the released code searches (`dual_region.published_bound`), at the body's
  width for every layer, whatever its own.
"""


def start_bounds(
    convolutions: Mapping[str, DualRegionConvolution], start: str, *, bits: int
) -> None:
    """Set each layer's bound.

    Args:
        convolutions: The layers.
        start: One of `WEIGHT_STARTS`; `"better"` begins at the least error, until calibrated.
        bits: The body's width.
    """
    shrinks = 1 if start == "largest" else SHRINKS
    for layer in convolutions.values():
        if start == PUBLISHED:
            bound = published_bound(layer.kernel.numpy(), bits=bits)
            layer.bound.assign(np.broadcast_to(bound, layer.bound.shape))
            continue
        bound = least_error_bound(
            layer.kernel.numpy(),
            bits=layer.bits,
            grid=layer.grid,
            per_channel=layer.grid == "narrow",
            shrinks=shrinks,
        )
        layer.bound.assign(bound)


def with_better_start(student, teacher, *, pictures: np.ndarray):
    """The student with its bounds started where the picture errs less.

    Args:
        student: An `OutlierStudent` whose regions are set.
        teacher: The float network that it was made of.
        pictures: float32 (N, h, w, 3) in 0..1.

    Returns:
        The same student; its settings name the start that was taken.
    """
    expected, errors = np.clip(teacher(pictures, training=False), 0.0, 1.0), {}
    for start in _COMPARED:
        start_bounds(student.convolutions, start, bits=student.settings.bits)
        found = np.clip(student.model(pictures, training=False), 0.0, 1.0)
        errors[start] = float(np.mean(np.square(found - expected)))
    # Of equals the least error, which comes first.
    taken = min(errors, key=errors.__getitem__)
    start_bounds(student.convolutions, taken, bits=student.settings.bits)
    return replace(student, settings=replace(student.settings, weight_start=taken))
