"""The tables of a `.tflite` file of float operators, filled one operator after another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from sr_models.tflite.writing import pack_model

_VERSION = 3

_OPTIONS = {
    "CONV_2D": "Conv2DOptions",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
    "TRANSPOSE_CONV": "TransposeConvOptions",
    "ADD": "AddOptions",
    "MUL": "MulOptions",
    "CONCATENATION": "ConcatenationOptions",
    "LEAKY_RELU": "LeakyReluOptions",
    "DEPTH_TO_SPACE": "DepthToSpaceOptions",
    "SPACE_TO_DEPTH": "SpaceToDepthOptions",
    "MIRROR_PAD": "MirrorPadOptions",
    "SLICE": "SliceOptions",
    "PAD": "PadOptions",
    "MAX_POOL_2D": "Pool2DOptions",
    "AVERAGE_POOL_2D": "Pool2DOptions",
    "MEAN": "ReducerOptions",
    "GELU": "GeluOptions",
    "MAXIMUM": "MaximumMinimumOptions",
    "MINIMUM": "MaximumMinimumOptions",
}

Shape = tuple[int, ...]


class Unwritable(Exception):
    """A layer that no operator is known for here; TensorFlow runs such a network."""


class FloatTables:
    """Tensors and operators in the order they are computed."""

    def __init__(self):
        self.tables = schema.ModelT()
        self.tables.version = _VERSION
        # The first buffer is the empty one, by the schema's convention.
        self.tables.buffers, self.tables.operatorCodes = [schema.BufferT()], []
        self.graph = schema.SubGraphT()
        self.graph.tensors, self.graph.operators = [], []
        self.tables.subgraphs = [self.graph]
        self._codes: dict[str, int] = {}

    def tensor(self, shape: Shape, *, kind: str = "FLOAT32", buffer: int = 0) -> int:
        made = schema.TensorT()
        made.shape, made.buffer = np.array(shape, np.int32), buffer
        made.type = getattr(schema.TensorType, kind)
        self.graph.tensors.append(made)
        return len(self.graph.tensors) - 1

    def shape(self, tensor: int) -> Shape:
        return tuple(self.graph.tensors[tensor].shape.tolist())

    def constant(self, values: Any) -> int:
        array = np.ascontiguousarray(values)
        if array.dtype.kind == "f":
            array = array.astype(np.float32)
            if not np.isfinite(array).all():
                # Kernels may turn NaN into 0, and then nobody would hear of it.
                raise Unwritable("weights that are not finite")
        kind = "FLOAT32" if array.dtype.kind == "f" else "INT32"
        buffer = schema.BufferT()
        stored = array.astype(np.int32 if kind == "INT32" else np.float32)
        buffer.data = np.frombuffer(stored.tobytes(), np.uint8)
        self.tables.buffers.append(buffer)
        return self.tensor(array.shape, kind=kind, buffer=len(self.tables.buffers) - 1)

    def operator(
        self, name: str, inputs: Sequence[int], shape: Shape, *, version: int = 1, **options: Any
    ) -> int:
        """An operator with one output, which is returned; its options by their schema's names."""
        if name not in self._codes:
            code = schema.OperatorCodeT()
            code.builtinCode, code.version = getattr(schema.BuiltinOperator, name), version
            code.deprecatedBuiltinCode = min(code.builtinCode, 127)
            self.tables.operatorCodes.append(code)
            self._codes[name] = len(self.tables.operatorCodes) - 1
        made = schema.OperatorT()
        made.opcodeIndex, output = self._codes[name], self.tensor(shape)
        made.inputs, made.outputs = np.array(inputs, np.int32), np.array([output], np.int32)
        if name in _OPTIONS:
            made.builtinOptions = getattr(schema, f"{_OPTIONS[name]}T")()
            made.builtinOptionsType = getattr(schema.BuiltinOptions, _OPTIONS[name])
            for key, value in options.items():
                setattr(made.builtinOptions, key, value)
        self.graph.operators.append(made)
        return output

    def content(self, inputs: Sequence[int], outputs: Sequence[int]) -> bytes:
        self.graph.inputs = np.array(inputs, np.int32)
        self.graph.outputs = np.array(outputs, np.int32)
        return pack_model(self.tables)
