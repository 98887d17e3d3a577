"""Kernels, biases and slopes of an int8 file as an operator of a higher precision reads them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from export.tflite.additions import INT16
from export.tflite.operators import CONVOLUTIONS
from sr_models.quantization.grids import LIMITS, Grid
from sr_models.tflite.flatbuffer import OperatorInfo
from sr_models.tflite.unpacked import UnpackedModel

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


@dataclass(frozen=True)
class FloatWeights:
    """The weights of an operator that computes in real numbers.

    Attributes:
        kernel: float32, in the layout that the file's operator has; of a PReLU its slopes.
        bias: float32 (C,); not read where the operator has none.
    """

    kernel: np.ndarray
    bias: np.ndarray


@dataclass(frozen=True)
class StoredWeights:
    """The weights of a convolution as an int8 file stores them.

    Attributes:
        codes: int8 kernel, in the operator's layout.
        scales: float64 (C,), real value of a kernel's code by output channel.
        axis: Axis of the output channels.
        bias: float64 (C,), real values; `None` where there is none.
        groups: How many groups its channels are convolved in.
    """

    codes: np.ndarray
    scales: np.ndarray
    axis: int
    bias: np.ndarray | None
    groups: int

    def as_floats(self) -> FloatWeights:
        """The same weights as real numbers, rounded as they are."""
        shape = [1] * self.codes.ndim
        shape[self.axis] = -1
        bias = np.zeros(0) if self.bias is None else self.bias
        return FloatWeights(self.codes * self.scales.reshape(shape), bias)

    def bias_on(self, input_grid: Grid, *, may_be_short: bool = True) -> Bias:
        """The bias for an input on a 16-bit grid, see `raised_bias`."""
        return raised_bias(
            self.bias,
            np.moveaxis(self.codes, self.axis, 0),
            kernel_scales=self.scales,
            input_grid=input_grid,
            may_be_short=may_be_short,
        )


def stored_weights(model: UnpackedModel, op: OperatorInfo) -> StoredWeights:
    """The weights of one of `CONVOLUTIONS`."""
    fed, kernel, bias = CONVOLUTIONS[op.name]
    tensor, tensors = op.inputs[kernel], model.graph.tensors
    codes = model.constant(tensor).reshape(tensors[tensor].shape)
    axis = int(model.tables.subgraphs[0].tensors[tensor].quantization.quantizedDimension)
    scales = np.asarray(tensors[tensor].scales, np.float64)
    values = None
    if len(op.inputs) > bias and op.inputs[bias] >= 0:
        values = model.constant(op.inputs[bias]) * np.asarray(tensors[op.inputs[bias]].scales)
    groups = tensors[op.inputs[fed]].shape[3] // codes.shape[3] if op.name == "CONV_2D" else 1
    return StoredWeights(codes, np.broadcast_to(scales, (codes.shape[axis],)), axis, values, groups)


def stored_slopes(model: UnpackedModel, op: OperatorInfo) -> np.ndarray:
    """The slopes of a PReLU as real numbers, float64."""
    info = model.graph.tensors[op.inputs[1]]
    codes = model.constant(op.inputs[1]).reshape(info.shape).astype(np.float64)
    return (codes - info.zero_point) * info.scale
