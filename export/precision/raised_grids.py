"""The grids that tensors get where a file computes with 16 bits, and constants moved onto them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from export.stripping.grids import LIMITS, Grid

INT16, FLOAT32 = "int16", "float32"
RAISED = (INT16, FLOAT32)

HEADROOM = 2.0
"""How far beyond the calibrated range 16 bits reach: one bit of them, against saturation."""

FIXED_SCALE = 1.0 / 32768.0
"""Step that TFLite's 16-bit kernels of tanh and of the logistic function fix themselves."""

LARGEST_ACCUMULATOR = 2**31 - 1


def wide_grid(grid: Grid) -> Grid:
    """The 16-bit grid of a tensor that is computed in 16 bits, from the int8 grid it had.

    Symmetric, as TFLite's 16-bit kernels ask for, and with `HEADROOM`.
    """
    low, high = grid.span
    return Grid(INT16, HEADROOM * max(-low, high) / LIMITS[INT16][1], 0)


def exact_grid(grid: Grid) -> Grid:
    """The 16-bit grid onto which eight-bit codes move without any rounding: their own step."""
    return Grid(INT16, grid.scale, 0)


@dataclass(frozen=True)
class Bias:
    """A bias for an operator with 16-bit inputs.

    Attributes:
        codes: int32 or int64 (C,).
        scales: float64 (C,), real value of one code.
    """

    codes: np.ndarray
    scales: np.ndarray

    @property
    def is_short(self) -> bool:
        """Whether sums are taken in 32 bits, which kernels do faster."""
        return self.codes.dtype == np.int32


def raised_bias(
    values: np.ndarray,
    kernel_codes: np.ndarray,
    *,
    kernel_scales: np.ndarray,
    input_grid: Grid,
    may_be_short: bool = True,
) -> Bias:
    """Real biases on the grid of an operator's sums.

    The codes are int32 only where no input whatever can overflow a sum of 32 bits: the sum over
    |weight code| times the largest input code, and the bias, stay below 2^31. Else int64.

    Args:
        values: float64 (C,), the real biases.
        kernel_codes: int8 (C, ...), output channels first.
        kernel_scales: float64 (C,).
        input_grid: The grid of the operator's input.
        may_be_short: Whether the operator's kernel knows sums of 32 bits at all.
    """
    scales = kernel_scales * input_grid.scale
    codes = np.rint(values / np.where(scales > 0.0, scales, 1.0))
    largest_input = -LIMITS[INT16][0]
    sums = np.abs(kernel_codes.astype(np.int64)).reshape(len(kernel_codes), -1).sum(axis=1)
    fits = may_be_short and (np.abs(codes) + sums * largest_input <= LARGEST_ACCUMULATOR).all()
    return Bias(codes.astype(np.int32 if fits else np.int64), scales)
