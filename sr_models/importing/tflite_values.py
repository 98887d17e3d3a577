"""Numbers that a TFLite file holds, as real ones: float16 and integers taken back to float32."""

from __future__ import annotations

from copy import copy
from math import prod

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from sr_models.ground.errors import NetworkError
from sr_models.importing.onnx_tensors import plain
from sr_models.tflite.flatbuffer import TensorInfo
from sr_models.tflite.unpacked import UnpackedModel
from sr_models.tflite.writing import pack_model

_TYPES = {
    "float32": np.float32,
    "float16": np.float16,
    "float64": np.float64,
    "int8": np.int8,
    "uint8": np.uint8,
    "int16": np.int16,
    "int32": np.int32,
    "int64": np.int64,
    "bool": np.bool_,
    "int4": np.uint8,
}
INTEGERS = ("int4", "int8", "uint8", "int16")
"""Types that stand for real numbers where they have a scale."""


def batch_of(model: UnpackedModel, source: int) -> int:
    """How many pictures an input takes at once; 1 where that is free."""
    signature = model.tables.subgraphs[0].tensors[source].shapeSignature
    shape = model.graph.tensors[source].shape if signature is None else signature
    return max([1, *map(int, shape[:1])])


def held_values(model: UnpackedModel, tensor: int) -> np.ndarray | None:
    """What the file holds for a tensor, or `None` where it is computed.

    Returns:
        float32 of the tensor's shape for numbers of any float type, and for integers with a scale;
        int64 or bool for other ones.

    Raises:
        NetworkError: Another type, data that is not of the shape, or weights stored sparsely, in
            blocks of their own scale, or outside of the tables.
    """
    info = model.graph.tensors[tensor]
    table = model.tables.subgraphs[0].tensors[tensor]
    buffer = model.tables.buffers[table.buffer]
    if max(buffer.offset, buffer.size) > 1:
        raise _unusable(info.name, "some that are kept outside of the file's tables")
    if not info.constant:
        return None
    if table.sparsity is not None:
        raise _unusable(info.name, "sparse ones")
    if info.dtype not in _TYPES:
        raise _unusable(info.name, info.dtype)
    count = prod(info.shape) if min(info.shape, default=1) >= 0 else -1
    values = _unpacked(np.asarray(buffer.data, np.uint8).tobytes(), info.dtype, count=count)
    if values is None:
        raise NetworkError(
            f"expected whole weights in {plain(info.name)}, found data that is not of the shape "
            f"{list(info.shape)[:8]}; convert the network again"
        )
    values = values.reshape(info.shape)
    if info.scales:
        return _dequantized(values, table.quantization, info)
    if info.dtype.startswith("float"):
        return values.astype(np.float32)
    return values if info.dtype == "bool" else values.astype(np.int64)


def _unpacked(raw: bytes, dtype: str, *, count: int) -> np.ndarray | None:
    if dtype == "int4":  # Two in a byte, the lower half first.
        if len(raw) != (count + 1) // 2:
            return None
        halves = np.frombuffer(raw, np.uint8)[:, None] >> np.array([0, 4], np.uint8) & 15
        return (halves.reshape(-1)[:count].astype(np.int8) ^ 8) - 8
    kind = np.dtype(_TYPES[dtype])
    return np.frombuffer(raw, kind) if len(raw) == count * kind.itemsize else None


def _dequantized(values: np.ndarray, quantization, info: TensorInfo) -> np.ndarray:
    if quantization.details is not None:
        raise _unusable(info.name, "some with a scale for each block")
    scales = np.array(info.scales, np.float64)
    given = quantization.zeroPoint
    zeros = np.zeros(1, np.int64) if given is None or not len(given) else np.asarray(given)
    shape = [1] * values.ndim
    if len(scales) > 1:
        axis = quantization.quantizedDimension
        if not 0 <= axis < values.ndim or values.shape[axis] != len(scales):
            raise _unusable(info.name, f"{len(scales)} scales for the shape {list(info.shape)[:8]}")
        shape[axis] = len(scales)
    if zeros.size not in (1, len(scales)):
        raise _unusable(info.name, f"{zeros.size} zero points for {len(scales)} scales")
    zeros = zeros.reshape(shape) if zeros.size > 1 else zeros[0]
    # In double precision: a bias has more digits than float32 holds.
    whole = values.astype(np.float64) - zeros
    return (whole * (scales.reshape(shape) if len(scales) > 1 else scales[0])).astype(np.float32)


def _unusable(name: str, found: str) -> NetworkError:
    return NetworkError(
        f"expected dense weights of float32, float16 or int8, found {found} in {plain(name)}; "
        "convert the float network again"
    )


def widened(model: UnpackedModel) -> bytes | None:
    """A file with all integer weights as float32, or `None` where it has none.

    Kernels round the pictures that they meet with integer weights to eight bits at each run. What
    the weights say is computed by the same file with the same numbers as float32.
    """
    graph = model.graph
    weights = [
        index
        for op in graph.operators
        if op.name != "DEQUANTIZE"
        for index in op.inputs
        if index >= 0 and graph.tensors[index].constant
        if graph.tensors[index].dtype in INTEGERS and graph.tensors[index].scales
    ]
    if not weights:
        return None
    # Tables that change are copies; nothing else is.
    tables, main = copy(model.tables), copy(model.tables.subgraphs[0])
    main.tensors, tables.buffers = list(main.tensors), list(tables.buffers)
    tables.subgraphs = [main, *model.tables.subgraphs[1:]]
    for index in dict.fromkeys(weights):
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(held_values(model, index).tobytes(), np.uint8)
        tables.buffers.append(buffer)
        tensor = main.tensors[index] = copy(main.tensors[index])
        tensor.type, tensor.quantization = schema.TensorType.FLOAT32, None
        tensor.buffer = len(tables.buffers) - 1
    return pack_model(tables)
