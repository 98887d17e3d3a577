"""New tensors, constants and operator codes in the tables of a file."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from sr_models.quantization.grids import Grid

INT16, FLOAT32 = "int16", "float32"

_TYPES = {
    name: getattr(schema.TensorType, name.upper())
    for name in ("uint8", "int8", "int16", "int32", "int64", "float32")
}


def exact_grid(grid: Grid) -> Grid:
    """The 16-bit grid onto which eight-bit codes move without any rounding: their own step."""
    return Grid(INT16, grid.scale, 0)


class Additions:
    """What is added to the main subgraph of a file; its tables are changed in place."""

    def __init__(self, tables: schema.ModelT):
        self.tables = tables
        self.tensors = tables.subgraphs[0].tensors

    def tensor(self, name: str, *, shape: Sequence[int], grid: Grid | None) -> int:
        """A tensor on a grid, of real numbers for `None`; returns its index."""
        table = schema.TensorT()
        table.name, table.shape, table.buffer = name.encode(), np.array(shape, np.int32), 0
        self.tensors.append(table)
        self.retype(len(self.tensors) - 1, grid)
        return len(self.tensors) - 1

    def retype(self, tensor: int, grid: Grid | None) -> None:
        """Give a tensor another grid, or real numbers for `None`."""
        table = self.tensors[tensor]
        table.type = _TYPES[grid.dtype if grid else FLOAT32]
        table.quantization = grid and _quantization([grid.scale], [grid.zero_point])

    def constant(self, name: str, values: np.ndarray, scales: np.ndarray | None = None) -> int:
        """A constant with a scale for each channel; without scales, real numbers."""
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
        self.tables.buffers.append(buffer)
        made = self.tensor(f"{name}_{values.dtype}", shape=values.shape, grid=None)
        table = self.tensors[made]
        table.buffer = len(self.tables.buffers) - 1
        table.type = _TYPES[str(values.dtype)]
        if scales is not None:
            table.quantization = _quantization(scales, np.zeros(len(scales)))
        return made

    def code(self, name: str, version: int) -> int:
        """The index of an operator code, which is added where there is none."""
        number = getattr(schema.BuiltinOperator, name)
        for index, code in enumerate(self.tables.operatorCodes):
            if (code.builtinCode, code.version) == (number, version):
                return index
        code = schema.OperatorCodeT()
        code.builtinCode, code.version = number, version
        code.deprecatedBuiltinCode = min(number, 127)
        self.tables.operatorCodes.append(code)
        return len(self.tables.operatorCodes) - 1

    def conversion(
        self, source: int, target: int, *, before: Grid | None, after: Grid | None
    ) -> schema.OperatorT:
        """The operator that moves a tensor from one grid to another, `None` for real numbers."""
        operator = schema.OperatorT()
        operator.inputs, operator.outputs = (np.array([i], np.int32) for i in (source, target))
        if before and before == Grid("uint8", before.scale, 0) and after == exact_grid(before):
            # The codes stay what they are, which every runtime can do.
            operator.opcodeIndex = self.code("CAST", 1)
            operator.builtinOptionsType = schema.BuiltinOptions.CastOptions
            operator.builtinOptions = schema.CastOptionsT()
            operator.builtinOptions.inDataType = _TYPES[before.dtype]
            operator.builtinOptions.outDataType = _TYPES[after.dtype]
        elif after is None:
            operator.opcodeIndex = self.code("DEQUANTIZE", 3 if before.dtype == INT16 else 2)
            operator.builtinOptionsType = schema.BuiltinOptions.DequantizeOptions
            operator.builtinOptions = schema.DequantizeOptionsT()
        else:
            operator.opcodeIndex = self.code("QUANTIZE", 2 if after.dtype == INT16 else 1)
            operator.builtinOptionsType = schema.BuiltinOptions.QuantizeOptions
            operator.builtinOptions = schema.QuantizeOptionsT()
        return operator


def _quantization(
    scales: Sequence[float], zero_points: Sequence[int]
) -> schema.QuantizationParametersT:
    table = schema.QuantizationParametersT()
    table.scale = np.asarray(scales, np.float32)
    table.zeroPoint = np.asarray(zero_points, np.int64)
    return table
