"""Tensors that hold what another tensor holds already, behind operators that change nothing.

Other people's converters leave them: a QUANTIZE between equal grids, codes made real numbers and
codes again, a transposition and its inverse, a RESHAPE to the same shape, a concatenation of one.
Two tensors are equal where shape, type, scale and zero point are the same and every code comes out
as it went in, whatever kernel runs.
"""

from __future__ import annotations

import numpy as np

from sr_models.tflite.flatbuffer import OperatorInfo
from sr_models.tflite.unpacked import UnpackedModel

_IN_ORDER = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS")
_EIGHT_BITS = ("int8", "uint8")


def equal_tensors(model: UnpackedModel) -> dict[int, int]:
    """Tensor -> the earlier one that holds the same, in order of execution.

    The earlier one is itself equal to none before it. Pairs are left out that would make one tensor
    of two that the file's user knows by name.
    """
    found: dict[int, int] = {}
    converted: dict[int, int] = {}
    moved: dict[int, tuple[int, tuple[int, ...] | None]] = {}
    for op in model.graph.operators:
        if len(op.outputs) != 1 or not op.inputs or min((*op.inputs, *op.outputs)) < 0:
            continue
        source, target = op.inputs[0], op.outputs[0]
        if model.graph.tensors[source].constant or model.is_variable(target):
            continue
        if op.name in ("QUANTIZE", "DEQUANTIZE"):
            origin = _through_conversion(model, op, converted)
        elif op.name == "TRANSPOSE" or op.name in _IN_ORDER:
            origin = _through_move(model, op, moved)
        else:
            origin = source if _keeps_all(model, op) else None
        if origin is not None and _alike(model, origin, target):
            found[target] = found.get(origin, origin)
    return _without_two_names(model, found)


def _without_two_names(model: UnpackedModel, found: dict[int, int]) -> dict[int, int]:
    named, kept = {*model.graph.inputs, *model.graph.outputs}, {}
    for copy, origin in found.items():
        if copy in model.graph.outputs:
            if origin in named:
                continue
            named.add(origin)
        kept[copy] = origin
    return kept


def _alike(model: UnpackedModel, first: int, second: int) -> bool:
    one, other = (model.graph.tensors[i] for i in (first, second))
    same = (one.shape, one.dtype) == (other.shape, other.dtype)
    return same and model.grid(first) is not None and model.grid(first) == model.grid(second)


def _has_open_sizes(model: UnpackedModel, *tensors: int) -> bool:
    tables = model.tables.subgraphs[0].tensors
    signatures = [tables[i].shapeSignature for i in tensors]
    return any(sizes is not None and -1 in np.asarray(sizes) for sizes in signatures)


def _through_conversion(
    model: UnpackedModel, op: OperatorInfo, converted: dict[int, int]
) -> int | None:
    """The tensor whose codes it gives back; `None` where it writes others.

    Only conversions between grids of one scale count, which move codes by a whole number or not at
    all: another scale and back is no change by the arithmetic, but XNNPACK multiplies in few bits.
    """
    source, target = op.inputs[0], op.outputs[0]
    origin = converted.get(source, source)
    grid = model.grid(origin)
    if grid is None or grid.dtype not in _EIGHT_BITS:
        return None
    if op.name == "DEQUANTIZE":
        # Real numbers stand for the codes that they were made of.
        converted[target] = origin
        return None
    after = model.grid(target)
    if after is None or after.dtype not in _EIGHT_BITS or grid.as_dtype(after.dtype) != after:
        return None
    converted[target] = origin
    return origin


def _through_move(
    model: UnpackedModel, op: OperatorInfo, moved: dict[int, tuple[int, tuple[int, ...] | None]]
) -> int | None:
    """The tensor whose elements come out in their old order; `None` where they do not."""
    source, target = op.inputs[0], op.outputs[0]
    if model.grid(source) != model.grid(target) or _has_open_sizes(model, source, target):
        return None
    origin, axes = moved.get(source, (source, ()))
    if op.name in _IN_ORDER:
        # What was transposed before is another row of elements from here on.
        moved[target] = (source, None) if axes else (origin, None)
        return moved[target][0]
    order = model.constant(op.inputs[1]) if len(op.inputs) > 1 else None
    rank = len(model.graph.tensors[source].shape)
    if order is None or sorted(order.tolist()) != list(range(rank)):
        return None
    if axes is None:
        origin, axes = source, ()
    axes = tuple((axes or tuple(range(rank)))[i] for i in order)
    moved[target] = (origin, axes)
    return origin if axes == tuple(range(rank)) else None


def _keeps_all(model: UnpackedModel, op: OperatorInfo) -> bool:
    if op.name == "CONCATENATION":
        return len(op.inputs) == 1 and op.activation == "NONE"
    if op.name == "PAD":
        paddings = model.constant(op.inputs[1]) if len(op.inputs) > 1 else None
        return paddings is not None and not paddings.any()
    if op.name == "SLICE":
        return not _has_open_sizes(model, op.inputs[0], op.outputs[0])
    return False
