"""int8 codes at a file's ends in place of uint8: each code is the old one less 128.

Between a picture of uint8 codes and a network of int8 stands a QUANTIZE, which XNNPACK leaves to
one thread. Its codes are the same bytes with their highest bit turned. Tensors that only move the
picture on the uint8 side become int8 with it, and the QUANTIZE then has nothing left to do.
"""

from __future__ import annotations

from export.tflite.additions import Additions
from export.tflite.operators import MOVES, name_of
from export.tflite.steps import Obstacle
from sr_models.quantization.grids import Grid
from sr_models.tflite.flatbuffer import OperatorInfo
from sr_models.tflite.unpacked import UnpackedModel


def signed_grids(model: UnpackedModel) -> dict[int, Grid]:
    """Tensors that become int8, and their new grids; none where all ends are int8 already.

    Raises:
        Obstacle: An end holds no eight-bit codes, or something computes with its uint8 codes.
    """
    grids: dict[int, Grid] = {}
    for tensor in model.graph.inputs:
        _follow(model, tensor, "input", grids)
    for tensor in model.graph.outputs:
        _follow(model, tensor, "output", grids)
    return grids


def _follow(model: UnpackedModel, end: int, role: str, grids: dict[int, Grid]) -> None:
    info, grid = model.graph.tensors[end], model.grid(end)
    if info.dtype == "int8" and grid is not None:
        return
    if info.dtype != "uint8" or grid is None:
        raise Obstacle(f"the {role} {info.name} is {info.dtype} and no code of eight bits")
    waiting = [end]
    while waiting:
        tensor = waiting.pop()
        if tensor in grids:
            continue
        grids[tensor] = _signed(model, tensor)
        for op in [*_writers(model, tensor), *model.consumers[tensor]]:
            if op.name == "QUANTIZE":
                _require_sign_alone(model, op)
                continue
            if op.name not in MOVES or op.activation != "NONE":
                raise Obstacle(f"{name_of(op)} computes with uint8 codes")
            pictures = [i for i in (*op.inputs, *op.outputs) if _is_picture(model, i)]
            waiting += [i for i in pictures if i not in grids]


def _require_sign_alone(model: UnpackedModel, op: OperatorInfo) -> None:
    ends = (*op.inputs, *op.outputs)
    if len(ends) != 2 or min(ends) < 0:
        raise Obstacle(f"{name_of(op)} has {len(ends)} ends")
    before, after = (model.grid(i) for i in ends)
    if before is None or after is None or before.as_dtype(after.dtype) != after:
        # From int8 to int8 XNNPACK takes it, and multiplies in fewer bits than the interpreter.
        raise Obstacle(f"{name_of(op)} changes more than the sign of uint8 codes")


def _writers(model: UnpackedModel, tensor: int) -> list[OperatorInfo]:
    return [model.producers[tensor]] if tensor in model.producers else []


def _is_picture(model: UnpackedModel, tensor: int) -> bool:
    return tensor >= 0 and model.graph.tensors[tensor].dtype == "uint8"


def _signed(model: UnpackedModel, tensor: int) -> Grid:
    info, grid = model.graph.tensors[tensor], model.grid(tensor)
    if info.constant or grid is None:
        raise Obstacle(f"the tensor {info.name} of uint8 codes cannot become int8")
    return grid.as_dtype("int8")


def set_signed(tables, grids: dict[int, Grid]) -> None:
    """Give tensors of the main subgraph their int8 grids."""
    additions = Additions(tables)
    for tensor, grid in grids.items():
        additions.retype(tensor, grid)
