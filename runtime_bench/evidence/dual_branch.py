"""A convolution of a dense and an outlier branch: conv(x) = conv(D) + conv(x - D), by linearity.

The dual-region quantizer of arXiv 2511.00682 gives small values a fine grid and large ones a coarse
one. No int8 tensor has two grids, but two have: D = x clipped at the break point, on a fine grid,
and O = x - D, on a coarse one. Each is convolved in int8 and the results are added.

- The split is taken from 16 bits. Of a tensor of int8 nothing finer could be had any more.
- A QUANTIZE to int8 clips D by its own saturation. Its step is a whole multiple of the 16-bit one,
  so that D goes back to 16 bits exactly and O is the exact rest. Where |x| is below the break
  point, O is less than a step of D, which its coarse grid rounds to 0.
- The bias is added once. Each result has an int8 grid of its own, and their sum is taken in 16
  bits again: on one grid for both the dense one would lose what was gained.

Against it stand one convolution of int8, and one with 16-bit activations, which is more accurate
than both and does half the multiplications of two branches.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from runtime_bench.evidence.layer_file import Kernel, LayerFile, require_layer
from sr_models.ground.errors import OptionError
from sr_models.quantization.grids import Grid

LARGEST = 127
WIDEST = 32767


@dataclass(frozen=True)
class Split:
    """Where a tensor is split in two, and the grids of all that follows.

    Attributes:
        largest: Greatest magnitude of the tensor.
        break_point: Where the dense region ends, between 0 and `largest`.
    """

    largest: float
    break_point: float

    def __post_init__(self):
        if not 0.0 < self.break_point < self.largest:
            raise OptionError(
                f"expected a break point between 0 and {self.largest:g}, found "
                f"{self.break_point:g}; take the tensor's 0.99 quantile"
            )

    @property
    def wide(self) -> Grid:
        """Of the tensor in 16 bits."""
        return Grid("int16", self.largest / WIDEST, 0)

    @property
    def dense(self) -> Grid:
        """Of the dense branch: the break point at code 127, in whole steps of 16 bits."""
        steps = max(1, round(self.break_point / LARGEST / self.wide.scale))
        return Grid("int8", steps * self.wide.scale, 0)

    @property
    def outlier(self) -> Grid:
        """Of the rest."""
        rest = self.largest - LARGEST * self.dense.scale
        # No finer than the dense grid, whose rounding errors are no outliers.
        return Grid("int8", max(rest / LARGEST, 2.0 * self.dense.scale), 0)

    @property
    def whole(self) -> Grid:
        """Of the tensor in int8, undivided."""
        return Grid("int8", self.largest / LARGEST, 0)


@dataclass(frozen=True)
class Reach:
    """Greatest magnitudes of the results, from calibration.

    Attributes:
        dense: Of the dense branch, bias included.
        outlier: Of the outlier branch.
        whole: Of their sum.
    """

    dense: float
    outlier: float
    whole: float

    @property
    def wide(self) -> Grid:
        """Of the sum in 16 bits."""
        return Grid("int16", self.whole / WIDEST, 0)


def dual_branch_layer(
    kernel: Kernel, split: Split, *, reach: Reach, height: int, width: int
) -> bytes:
    """A file of the two branches: int16 (1, h, w, inputs) -> int16 (1, h, w, C).

    Args:
        kernel: The convolution's weights.
        split: Grids of its input.
        reach: What the grids of its results must hold.
        height: Of the input, in pixels.
        width: Of the input, in pixels.
    """
    require_layer(kernel, height=height, width=width)
    file = LayerFile("dual branch")
    shape = (1, height, width, kernel.values.shape[2])
    x = file.tensor("x", shape, split.wide)
    dense = file.requantize(x, "dense", split.dense)
    back = file.requantize(dense, "dense_wide", split.wide)
    rest = file.tensor("rest", shape, split.wide)
    options = schema.SubOptionsT()
    options.potScaleInt16 = False
    file.operator("SUB", [x, back], rest, version=5, options=options)
    outlier = file.requantize(rest, "outlier", split.outlier)
    results = [
        _convolved(file, dense, kernel, "dense_result", reach.dense, reach),
        _convolved(file, outlier, kernel, "outlier_result", reach.outlier, reach, biased=False),
    ]
    result = file.tensor("result", (1, height, width, len(kernel.bias)), reach.wide)
    options = schema.AddOptionsT()
    options.potScaleInt16 = False
    file.operator("ADD", results, result, version=3, options=options)
    return file.content([x], [result])


def single_layer(kernel: Kernel, split: Split, *, reach: Reach, height: int, width: int) -> bytes:
    """A file of one int8 convolution of the same input, for comparison."""
    require_layer(kernel, height=height, width=width)
    file = LayerFile("int8")
    x = file.tensor("x", (1, height, width, kernel.values.shape[2]), split.wide)
    narrow = file.requantize(x, "narrow", split.whole)
    return file.content([x], [_convolved(file, narrow, kernel, "result", reach.whole, reach)])


def wide_layer(kernel: Kernel, split: Split, *, reach: Reach, height: int, width: int) -> bytes:
    """A file of one convolution with 16-bit activations and int8 weights, for comparison."""
    require_layer(kernel, height=height, width=width)
    file = LayerFile("int16x8")
    x = file.tensor("x", (1, height, width, kernel.values.shape[2]), split.wide)
    return file.content([x], [file.convolve(x, kernel, name="result", grid=reach.wide)])


def _convolved(
    file: LayerFile,
    source: int,
    kernel: Kernel,
    name: str,
    largest: float,
    reach: Reach,
    *,
    biased: bool = True,
) -> int:
    """An int8 convolution whose result goes back to 16 bits."""
    grid = Grid("int8", largest / LARGEST, 0)
    made = file.convolve(source, kernel, name=f"{name}_int8", grid=grid, biased=biased)
    return file.requantize(made, name, reach.wide)


def split_reference(x: np.ndarray, split: Split) -> tuple[np.ndarray, np.ndarray]:
    """D and O of real values as the two branches hold them, float64 in the shape of `x`."""
    wide = _on(x, split.wide)
    dense = _on(wide, split.dense)
    return dense, _on(wide - dense, split.outlier)


def _on(values: np.ndarray, grid: Grid) -> np.ndarray:
    low, high = grid.limits
    # Kernels round halves away from 0.
    codes = np.sign(values) * np.floor(np.abs(values) / grid.scale + 0.5)
    return np.clip(codes, low, high) * grid.scale
