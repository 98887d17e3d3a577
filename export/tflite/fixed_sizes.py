"""Operators that hold a picture's size as a constant: nothing behind them can be resized."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from export.tflite.operators import name_of
from sr_models.ground.errors import ModelFileError
from sr_models.tflite.files import ModelFile

if TYPE_CHECKING:
    from sr_models.tflite.unpacked import UnpackedModel

_HOLDERS = {
    "RESIZE_BILINEAR": 1,
    "RESIZE_NEAREST_NEIGHBOR": 1,
    "TRANSPOSE_CONV": 0,
    "BROADCAST_TO": 1,
    "RESHAPE": 1,
    "SLICE": 2,
    "STRIDED_SLICE": 2,
    "FILL": 0,
}
"""Which input of an operator is a size, where it is one."""
_MOST_NAMED = 3


def size_holders(model: UnpackedModel) -> list[str]:
    """The operators that hold a height and a width, each in words with what it holds."""
    found = []
    for op in model.graph.operators:
        place = _HOLDERS.get(op.name)
        if place is None or place >= len(op.inputs) or op.inputs[place] < 0 or not op.outputs:
            continue
        values = model.constant(op.inputs[place])
        shape = model.graph.tensors[op.outputs[0]].shape
        if values is None or values.dtype.kind != "i":
            continue
        held = [int(value) for value in values]
        if _is_size(held, shape):
            found.append(f"{name_of(op)} holds {'x'.join(map(str, held))}")
    return found


def blame(file: ModelFile) -> str:
    """Which operators hold the size of a file, for a message; empty where none does."""
    # Its schema is loaded for a message alone.
    from sr_models.tflite.unpacked import unpack

    try:
        found = size_holders(unpack(file))
    except ModelFileError:
        return ""
    more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
    return ", ".join(found[:_MOST_NAMED]) + more


def _is_size(held: Sequence[int], shape: Sequence[int]) -> bool:
    """Whether a constant names both sides of what is written, and nothing leaves them open."""
    if len(held) not in (2, 4) or len(shape) != 4:
        return False
    sides = held if len(held) == 2 else held[1:3]
    others = held if len(held) == 2 else held[2:]
    return min(held) > 0 and (list(sides) == list(shape[1:3]) or list(others) == list(shape[2:]))
