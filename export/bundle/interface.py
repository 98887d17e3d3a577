"""The type of a bundle's codes: int8 where a uint8 file would first have to convert its pixels.

XNNPACK computes in int8 alone. A file of uint8 codes has a QUANTIZE at either end, which the
delegate leaves to one thread of the interpreter; a file of int8 codes has none, and its codes are
pixels less 128: the same byte with its highest bit turned. Whoever packs pixels into a bitmap looks
at each of them anyway, and turns that bit on the way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

from export.running.kernel_cost import values_cost
from export.running.targets import EVERY, Target, packing_targets
from sr_models.ground.errors import require_known

if TYPE_CHECKING:  # What can be asked for is checked before any library is loaded.
    from sr_models.tflite.flatbuffer import FileGraph, OperatorInfo

AUTO = "auto"
CODES = (AUTO, "uint8", "int8")
"""What can be asked for."""

FLIP = 1.0 / 3.0
"""Instructions for each code of a pixel whose highest bits are turned while it is packed."""
_CONVERSIONS = ("QUANTIZE", "DEQUANTIZE", "CAST")


@dataclass(frozen=True)
class Interface:
    """Which codes the files of a bundle take and give, and what that saves.

    Attributes:
        codes: `uint8`: codes are pixels; or `int8`: pixels less 128.
        asked: What was asked for, one of `CODES`.
        conversion_fractions: Target -> share of a uint8 file's cost that its conversions at the
            ends take, less what turning bits takes instead, by the cost model.
    """

    codes: str
    asked: str
    conversion_fractions: Mapping[str, float]

    @property
    def int8_is_faster(self) -> bool:
        """Whether every target gains by int8 codes."""
        return min(self.conversion_fractions.values()) > 0.0

    def to_json(self) -> dict[str, Any]:
        """Its entry of the manifest."""
        return {
            "dtype": self.codes,
            "asked": self.asked,
            "conversion_fractions": {
                name: round(share, 4) for name, share in self.conversion_fractions.items()
            },
        }


def require_codes(asked: str) -> None:
    """Raise `OptionError` for an unknown type of codes."""
    require_known("a type of codes", asked, CODES)


def read_interface(graph: FileGraph, *, asked: str = AUTO) -> Interface:
    """What a file's codes are, and what uint8 codes cost it, by its own operators.

    Args:
        graph: A full-integer file of uint8 or int8 codes.
        asked: What was asked for.
    """
    ends = [*((i, _readers(graph, i)) for i in graph.inputs)]
    ends += [(i, [op] if (op := graph.producer(i)) else []) for i in graph.outputs]
    converted = sum(prod(graph.tensors[i].shape) for i, ops in ends if _converts(graph, ops))
    values = sum(prod(graph.tensors[i].shape) for i, _ in ends)
    shares = {}
    for target in packing_targets(EVERY):
        conversions = values_cost("QUANTIZE", values=converted, target=target)
        whole = _inner_cost(graph, target) + conversions
        shares[target.name] = (conversions - FLIP * values) / whole if whole else 0.0
    return Interface(graph.tensors[graph.inputs[0]].dtype, asked, shares)


def _readers(graph: FileGraph, tensor: int) -> list[OperatorInfo]:
    return [op for op in graph.operators if tensor in op.inputs]


def _converts(graph: FileGraph, operators: list[OperatorInfo]) -> bool:
    """Whether a uint8 file converts at this end where an int8 file does not.

    One whose codes are made real numbers or 16 bits wide at once converts either way.
    """
    if any(op.name in _CONVERSIONS and not _is_sign(graph, op) for op in operators):
        return False
    uint8 = any(graph.tensors[i].dtype == "uint8" for op in operators for i in op.outputs[:1])
    return not uint8 or any(_is_sign(graph, op) for op in operators)


def _is_sign(graph: FileGraph, op: OperatorInfo) -> bool:
    types = {graph.tensors[i].dtype for i in (*op.inputs[:1], *op.outputs[:1])}
    return op.name == "QUANTIZE" and types == {"uint8", "int8"}


def _inner_cost(graph: FileGraph, target: Target) -> float:
    """What a file costs without conversions between uint8 and int8."""
    from export.inspecting.work import work_of

    work = work_of(graph, target)
    signs = {op.index for op in graph.operators if _is_sign(graph, op)}
    return sum(op.cost or 0.0 for op in work.operators if op.index not in signs)
