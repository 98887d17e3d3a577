"""What operators do to an element, and how far apart two ways to store a real value can end.

Whatever an operator of a super-resolution tail does to one element is a `Step` between two grids:
round, shift, bound. All steps are monotone, so the extremes of a range of codes are the codes of
its extremes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sr_models.quantization.grids import Grid, half_away
from sr_models.tflite.flatbuffer import OperatorInfo

# Multipliers are fixed-point numbers of 31 bits: a value this near to a half may go either way.
_ROUNDING = 1e-4


@dataclass(frozen=True)
class Step:
    """What one operator does to each element: `clamp(round(real / scale) + zero_point)`.

    Attributes:
        source: Grid that is read.
        target: Grid that is written.
        lowest: Lowest code written.
        highest: Highest code written.
        slack: How far from a half, in codes, the operator's own arithmetic may still be when it
            rounds to the other side.
    """

    source: Grid
    target: Grid
    lowest: int
    highest: int
    slack: float = _ROUNDING

    def changes(self, low: int, high: int) -> bool:
        """Whether any of the codes from `low` to `high` is written as another one."""
        return self.source != self.target or low < self.lowest or high > self.highest

    def apply(self, codes: np.ndarray, *, slack: float = 0.0) -> np.ndarray:
        """int64 codes of `source` as codes of `target`.

        Args:
            codes: int64.
            slack: Added before a half is rounded up; what the arithmetic of a kernel may be off.
        """
        shifted = codes - self.source.zero_point
        if self.source.scale != self.target.scale or shifted.dtype.kind == "f":
            shifted = _rounded(shifted * (self.source.scale / self.target.scale), slack)
        return np.clip(shifted + self.target.zero_point, self.lowest, self.highest)


class Obstacle(Exception):
    """An operator that stands in the way of a change to the file."""


@dataclass(frozen=True)
class Link:
    """One operator of a tail and what it does to an element that passes through it.

    Attributes:
        op: The operator.
        source: Tensor it reads.
        target: Tensor it writes.
        steps: What it may do; several where its constant differs from element to element.
    """

    op: OperatorInfo
    source: int
    target: int
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Store:
    """A producer that rounds a real value of any size and stores it, saturating.

    Attributes:
        grid: Grid of the tensor.
        lowest: Lowest code that can be stored: the type's, or that of a fused activation.
        highest: Highest code that can be stored.
        slack: How far from a half, in codes, the producer's own arithmetic may still be when it
            rounds to the other side.
    """

    grid: Grid
    lowest: int
    highest: int
    slack: float = _ROUNDING

    def codes_of(self, reals: np.ndarray, *, slack: float) -> np.ndarray:
        """int64 codes of float64 real values, infinite ones included."""
        codes = _rounded(reals / self.grid.scale, slack) + self.grid.zero_point
        return np.clip(codes, self.lowest, self.highest)


def full_step(source: Grid, target: Grid) -> Step:
    """A step that bounds nothing beyond the type."""
    return Step(source, target, *target.limits)


def clamp_step(grid: Grid, *, lowest: int | None = None, highest: int | None = None) -> Step:
    """A step that stays on its grid and bounds codes."""
    low, high = grid.limits
    return Step(grid, grid, low if lowest is None else lowest, high if highest is None else highest)


def activation_range(activation: str, grid: Grid) -> tuple[int, int]:
    """Lowest and highest code that a fused or stand-alone activation writes.

    As TFLite computes it (`CalculateActivationRangeQuantized` in kernels/kernel_util.cc): a bound
    is rounded to the output's grid and kept within the type.

    Raises:
        KeyError: No activation that bounds.
    """
    bounds = {
        "NONE": (None, None),
        "RELU": (0.0, None),
        "RELU6": (0.0, 6.0),
        "RELU_N1_TO_1": (-1.0, 1.0),
        "RELU_0_TO_1": (0.0, 1.0),
    }[activation]
    low, high = grid.limits
    codes = [
        limit
        if bound is None
        else int(np.clip(half_away(bound / grid.scale) + grid.zero_point, low, high))
        for bound, limit in zip(bounds, (low, high))
    ]
    return codes[0], codes[1]


def greatest_difference(
    old: tuple[Store, Sequence[Step]], new: tuple[Store, Sequence[Step]]
) -> int:
    """How many codes apart the ends of two paths can be, over every real value at their start.

    Each path is a store and the steps behind it; both must end on the same grid. For each code that
    the old store can write, the real values that it stands for are an interval. The new store is
    monotone, so what it makes of the interval's two ends encloses what it makes of the rest. Where
    both stores have one scale the producer's rounded integer is the same, and the comparison is
    made integer by integer, without any allowance.
    """
    (before, old_steps), (after, new_steps) = old, new
    if before.grid.scale == after.grid.scale and before.grid.dtype == after.grid.dtype:
        reach = range(
            min(s.lowest - s.grid.zero_point for s in (before, after)) - 1,
            max(s.highest - s.grid.zero_point for s in (before, after)) + 2,
        )
        whole = np.arange(reach.start, reach.stop, dtype=np.int64)
        old_codes = np.clip(whole + before.grid.zero_point, before.lowest, before.highest)
        old_low = old_high = old_codes
        low = high = np.clip(whole + after.grid.zero_point, after.lowest, after.highest)
    else:
        old_low = old_high = np.arange(before.lowest, before.highest + 1, dtype=np.int64)
        shifted = (old_low - before.grid.zero_point).astype(np.float64)
        edge = 0.5 + before.slack
        reals_low = (shifted - edge) * before.grid.scale
        reals_high = (shifted + edge) * before.grid.scale
        reals_low[0], reals_high[-1] = -np.inf, np.inf
        low = after.codes_of(reals_low, slack=-after.slack)
        high = after.codes_of(reals_high, slack=after.slack)
    for step in old_steps:
        old_low = step.apply(old_low, slack=-step.slack)
        old_high = step.apply(old_high, slack=step.slack)
    for step in new_steps:
        low, high = step.apply(low, slack=-step.slack), step.apply(high, slack=step.slack)
    return int(max((old_high - low).max(), (high - old_low).max()))


def _rounded(values: np.ndarray, slack: float) -> np.ndarray:
    # Far beyond every type, where all saturates, and within what int64 holds.
    return np.floor(np.clip(values, -1e12, 1e12) + (0.5 + slack)).astype(np.int64)


def rounding_slack(multipliers: np.ndarray) -> float:
    """How far from a half a kernel may be when its rounding goes to the other side, in codes.

    TFLite multiplies by a fixed-point number in two roundings, one of 31 bits and one by a right
    shift (`MultiplyByQuantizedMultiplier` in kernels/internal/common.h). The first is worth half a
    unit of the second: with a shift of `n` bits, `2 ** -(n + 1)` codes.

    Args:
        multipliers: What the producer multiplies its integers by.
    """
    exponents = np.frexp(multipliers[multipliers > 0])[1] if len(multipliers) else np.array([])
    shifting = exponents[exponents < 0]
    return max(_ROUNDING, float(2.0 ** (shifting.max() - 1)) if len(shifting) else 0.0)
