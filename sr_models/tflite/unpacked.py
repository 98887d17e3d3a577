"""A `.tflite` file unpacked: its tables to change, its graph to reason about."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from sr_models.quantization.grids import LIMITS, Grid
from sr_models.tflite.files import ModelFile, read_model
from sr_models.tflite.flatbuffer import FileGraph, OperatorInfo, TensorInfo, graph_of, unpack_model

_SCALES = (1e-12, 1e12)
"""No picture has a step beyond these, and kernels make nothing of them."""

_NUMPY = {
    "int8": np.int8,
    "uint8": np.uint8,
    "int16": np.int16,
    "int32": np.int32,
    "int64": np.int64,
    "float32": np.float32,
}


@dataclass(frozen=True)
class UnpackedModel:
    """A file, its tables as objects, and its main subgraph as plain data.

    Attributes:
        file: The file.
        tables: The schema's own objects; whoever changes them unpacks the file anew first.
        graph: The main subgraph, as read from those tables.
    """

    file: ModelFile
    tables: schema.ModelT = field(repr=False)
    graph: FileGraph

    @cached_property
    def consumers(self) -> dict[int, list[OperatorInfo]]:
        """Tensor -> operators that read it, in order of execution, each named once."""
        found: dict[int, list[OperatorInfo]] = defaultdict(list)
        for op in self.graph.operators:
            for tensor in dict.fromkeys(op.inputs):
                found[tensor].append(op)
        return found

    @cached_property
    def producers(self) -> dict[int, OperatorInfo]:
        """Tensor -> operator that writes it."""
        return {tensor: op for op in self.graph.operators for tensor in op.outputs}

    def grid(self, tensor: int) -> Grid | None:
        """The grid of a tensor of integers; `None` where it has not exactly one."""
        found = grid_of(self.graph.tensors[tensor])
        if found and self.tables.subgraphs[0].tensors[tensor].quantization.details is not None:
            return None
        return found

    def constant(self, tensor: int) -> np.ndarray | None:
        """The values that the file holds for a tensor, flat; `None` where it holds none."""
        info = self.graph.tensors[tensor]
        if not info.constant or info.dtype not in _NUMPY:
            return None
        data = self.tables.buffers[self.tables.subgraphs[0].tensors[tensor].buffer].data
        raw = np.asarray(data, np.uint8).tobytes()
        width = np.dtype(_NUMPY[info.dtype]).itemsize
        return np.frombuffer(raw, _NUMPY[info.dtype]) if len(raw) % width == 0 else None

    def can_fuse(self, op: OperatorInfo) -> bool:
        """Whether an operator has a place for a fused activation, and none in it."""
        options = self.tables.subgraphs[0].operators[op.index].builtinOptions
        return op.activation == "NONE" and hasattr(options, "fusedActivationFunction")

    def is_variable(self, tensor: int) -> bool:
        """Whether a tensor keeps its values from one run to the next."""
        return bool(self.tables.subgraphs[0].tensors[tensor].isVariable)


def grid_of(info: TensorInfo) -> Grid | None:
    """The grid of a tensor of integers; `None` where it has not exactly one that makes sense."""
    if info.dtype not in LIMITS or info.scale is None or info.zero_point is None:
        return None
    low, high = LIMITS[info.dtype]
    if not (_SCALES[0] < info.scale < _SCALES[1] and low <= info.zero_point <= high):
        return None
    return Grid(info.dtype, info.scale, info.zero_point)


def unpack(source: str | Path | bytes | ModelFile) -> UnpackedModel:
    """Read and unpack a file.

    Raises:
        ModelFileError: The file is missing, damaged or none.
    """
    file = source if isinstance(source, ModelFile) else read_model(source)
    tables = unpack_model(file)
    return UnpackedModel(file, tables, graph_of(tables, file))
