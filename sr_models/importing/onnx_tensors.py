"""Weights of an ONNX file as arrays, which lie inside or beside it, never outside of its folder."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from sr_models.ground.errors import NetworkError
from sr_models.importing.plain_names import plain

LARGEST = 512 << 20
"""Bytes of a file, and of all weights beside it together."""

_TYPES = {
    TensorProto.FLOAT: np.float32,
    TensorProto.FLOAT16: np.float16,
    TensorProto.DOUBLE: np.float64,
    TensorProto.INT64: np.int64,
    TensorProto.INT32: np.int32,
    TensorProto.INT8: np.int8,
    TensorProto.UINT8: np.uint8,
    TensorProto.BOOL: np.bool_,
}
HALF = 2.0**-11
"""The relative error that rounding to float16 makes."""


def tensors_of(model: onnx.ModelProto) -> list[TensorProto]:
    """Every tensor of the main graph: initializers, and attributes of nodes."""
    given = [a.t for node in model.graph.node for a in node.attribute if a.HasField("t")]
    return [*model.graph.initializer, *given]


def take_external(model: onnx.ModelProto, folder: Path) -> list[Path]:
    """Put weights that lie in other files into the model, and return those files.

    Args:
        model: Parsed; changed.
        folder: Where the file lies.

    Raises:
        NetworkError: A path that leaves the folder, a file that is missing, cut or too large.
    """
    found, read = [], 0
    for tensor in tensors_of(model):
        if tensor.data_location != TensorProto.EXTERNAL:
            continue
        entries = {entry.key: entry.value for entry in tensor.external_data}
        path = _beside(entries.get("location", ""), folder)
        size, offset = _size_of(tensor), _whole(entries.get("offset", "0"))
        length = _whole(entries.get("length", str(size)))
        read += length
        if length != size or offset + length > path.stat().st_size:
            raise _damaged(tensor, f"{length} bytes from {offset} on in {path.name}")
        if read > LARGEST:
            raise NetworkError(
                f"expected at most {LARGEST >> 20} MiB of weights, found more in {path.name}"
            )
        with path.open("rb") as file:
            file.seek(offset)
            tensor.raw_data = file.read(length)
        tensor.data_location = TensorProto.DEFAULT
        del tensor.external_data[:]
        if path not in found:
            found.append(path)
    return found


def _beside(location: str, folder: Path) -> Path:
    place = Path(location)
    # Also where a link leads out.
    leaves = place.is_absolute() or ".." in place.parts or "\\" in location or ":" in location
    path = folder / place if location and "\0" not in location else folder
    if leaves or folder.resolve() not in path.resolve().parents:
        raise NetworkError(
            f"expected weights in files beside the ONNX file, found the path {plain(location)}; "
            "put the file into the folder and export the network anew, or with its weights inside"
        )
    if not path.is_file():
        raise NetworkError(
            f"expected the weights of the network in {plain(location)} beside the ONNX file, "
            "found no such file; copy it there"
        )
    return path


def _whole(text: str) -> int:
    if not re.fullmatch(r"\d{1,18}", text, re.ASCII):
        raise NetworkError(
            f"expected a place in a file of weights, found {plain(text)}; export the network anew"
        )
    return int(text)


def _size_of(tensor: TensorProto) -> int:
    """Bytes that a tensor's shape and type ask for."""
    if tensor.data_type not in _TYPES:
        kind = (
            TensorProto.DataType.Name(tensor.data_type)
            if tensor.data_type in TensorProto.DataType.values()
            else str(tensor.data_type)
        )
        raise NetworkError(
            f"expected weights of float32 or float16, found {kind} in {plain(tensor.name)}; export "
            "the network before it is quantized"
        )
    if any(size < 0 for size in tensor.dims):
        raise _damaged(tensor, f"the shape {list(tensor.dims)[:8]}")
    return math.prod(tensor.dims) * np.dtype(_TYPES[tensor.data_type]).itemsize


def _damaged(tensor: TensorProto, found: str) -> NetworkError:
    return NetworkError(
        f"expected whole weights in {plain(tensor.name)}, found {found}; export the network anew"
    )


def as_array(tensor: TensorProto) -> np.ndarray:
    """The numbers of a tensor whose weights are inside; of its own type.

    Raises:
        NetworkError: Another type than a network of floats has, or data that is not of the shape.
    """
    size = _size_of(tensor)
    if size > LARGEST or (tensor.HasField("raw_data") and len(tensor.raw_data) != size):
        raise _damaged(tensor, f"data that is not of the shape {list(tensor.dims)[:8]}")
    if tensor.data_location == TensorProto.EXTERNAL or tensor.HasField("segment"):
        raise _damaged(tensor, "data in another place")
    try:
        return np.array(numpy_helper.to_array(tensor))
    except Exception as error:  # Whatever NumPy raises for numbers that are missing.
        raise _damaged(tensor, f"data that is not of the shape {list(tensor.dims)[:8]}") from error


def widen(model: onnx.ModelProto) -> float:
    """Write a model of float16 for float32, node by node the same.

    Args:
        model: With its weights inside; changed.

    Returns:
        The relative error of what it was written for: 0 where nothing was changed.
    """
    half, step = TensorProto.FLOAT16, 0.0
    for tensor in tensors_of(model):
        if tensor.data_type == half:
            name = tensor.name
            tensor.CopyFrom(numpy_helper.from_array(as_array(tensor).astype(np.float32), name))
            step = HALF
    for node in model.graph.node:
        for attribute in node.attribute:
            if (node.op_type, attribute.name, attribute.i) == ("Cast", "to", half):
                attribute.i, step = TensorProto.FLOAT, HALF
    for value in (*model.graph.input, *model.graph.output):
        if value.type.tensor_type.elem_type == half:
            value.type.tensor_type.elem_type, step = TensorProto.FLOAT, HALF
    del model.graph.value_info[:]
    return step
