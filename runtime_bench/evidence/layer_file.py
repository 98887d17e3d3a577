"""A `.tflite` file of a few operators, put together by hand.

For graphs that no converter makes: two convolutions of one picture in two precisions, a table that
codes are looked up in. All shapes are fixed, all values lie on integer grids.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from export.tflite.additions import Additions
from sr_models.ground.errors import OptionError
from sr_models.quantization.grids import Grid
from sr_models.tflite.writing import pack_model

_SCHEMA_VERSION = 3


@dataclass(frozen=True)
class Kernel:
    """A convolution's weights in real numbers.

    Attributes:
        values: float32 (h, w, inputs, C), to be put on each channel's int8 grid.
        bias: float32 (C,).
    """

    values: np.ndarray
    bias: np.ndarray

    @property
    def scales(self) -> np.ndarray:
        """Scale of each output channel, float64 (C,): its largest weight over 127."""
        largest = np.abs(np.asarray(self.values, np.float64)).max(axis=(0, 1, 2))
        return np.where(largest > 0.0, largest, 1.0) / 127.0

    @property
    def codes(self) -> np.ndarray:
        """int8 (C, h, w, inputs), as TFLite stores them."""
        return np.rint(self.values / self.scales).astype(np.int8).transpose(3, 0, 1, 2)

    @property
    def on_grid(self) -> np.ndarray:
        """The kernel as its codes have it, float64 (h, w, inputs, C)."""
        return self.codes.transpose(1, 2, 3, 0) * self.scales


class LayerFile:
    """Tensors and operators, in the order they are computed."""

    def __init__(self, description: str):
        self.tables = schema.ModelT()
        self.tables.version, self.tables.description = _SCHEMA_VERSION, description.encode()
        # The first buffer is the empty one, by the schema's convention.
        self.tables.buffers, self.tables.operatorCodes = [schema.BufferT()], []
        self.graph = schema.SubGraphT()
        self.graph.name, self.graph.tensors, self.graph.operators = b"main", [], []
        self.tables.subgraphs = [self.graph]
        self.additions = Additions(self.tables)
        self._grids: dict[int, Grid | None] = {}

    def tensor(self, name: str, shape: Sequence[int], grid: Grid | None) -> int:
        """A tensor on a grid; returns its index."""
        index = self.additions.tensor(name, shape=shape, grid=grid)
        self._grids[index] = grid
        return index

    def constant(self, name: str, values: np.ndarray, scales: np.ndarray | None = None) -> int:
        """See `Additions.constant`."""
        return self.additions.constant(name, values, scales)

    def operator(
        self, name: str, inputs: Sequence[int], output: int, *, version: int = 1, options=None
    ) -> int:
        """An operator with one output, which is returned."""
        made = schema.OperatorT()
        made.opcodeIndex = self.additions.code(name, version)
        made.inputs, made.outputs = np.array(inputs, np.int32), np.array([output], np.int32)
        if options is not None:
            kind = type(options).__name__.removesuffix("T")
            made.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
            made.builtinOptions = options
        self.graph.operators.append(made)
        return output

    def requantize(self, source: int, name: str, grid: Grid) -> int:
        """A tensor moved to another grid, saturating at its ends."""
        target = self.tensor(name, self.graph.tensors[source].shape, grid)
        self.graph.operators.append(
            self.additions.conversion(source, target, before=self._grids[source], after=grid)
        )
        return target

    def convolve(
        self, source: int, kernel: Kernel, *, name: str, grid: Grid, biased: bool = True
    ) -> int:
        """A convolution with zero padding and a stride of 1.

        Args:
            source: int8, or int16 without a zero point.
            kernel: Weights in real numbers.
            name: Of the output.
            grid: Of the output, of the input's type.
            biased: Whether the bias is added.
        """
        before = self._grids[source]
        wide = before.dtype == "int16"
        steps = kernel.scales * before.scale
        bias = np.rint(kernel.bias / steps) if biased else np.zeros_like(steps)
        _, rows, columns, _ = self.graph.tensors[source].shape
        output = self.tensor(name, (1, rows, columns, len(steps)), grid)
        inputs = [
            source,
            self.constant(f"{name}_kernel", kernel.codes, kernel.scales),
            self.constant(f"{name}_bias", bias.astype(np.int64 if wide else np.int32), steps),
        ]
        options = schema.Conv2DOptionsT()
        options.padding, options.strideH, options.strideW = schema.Padding.SAME, 1, 1
        return self.operator("CONV_2D", inputs, output, version=4 if wide else 3, options=options)

    def content(self, inputs: Sequence[int], outputs: Sequence[int]) -> bytes:
        """The file."""
        self.graph.inputs = np.array(inputs, np.int32)
        self.graph.outputs = np.array(outputs, np.int32)
        return pack_model(self.tables)


def require_layer(kernel: Kernel, *, height: int, width: int) -> None:
    """Raise `OptionError` for weights or a size that no layer can have."""
    if kernel.values.ndim != 4 or kernel.bias.shape != kernel.values.shape[3:]:
        raise OptionError(
            f"expected a kernel (h, w, inputs, outputs) with a bias for each output, found "
            f"{kernel.values.shape} and {kernel.bias.shape}"
        )
    if min(height, width) < 1:
        raise OptionError(f"expected a height and width of at least 1, found {height}x{width}")
