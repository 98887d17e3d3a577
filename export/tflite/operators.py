"""The operators of super-resolution files: what each does to a picture, and who can run it.

One table for all readers of a file. Of the versions only those are listed that are younger than
`BASELINE`, after TFLite's own table (`tools/versioning/runtime_version.cc`): a runtime refuses a
file with one operator version that it does not know, and every eight-bit super-resolution file
needs 2.5 anyway, for `DEPTH_TO_SPACE`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from sr_models.tflite.flatbuffer import OperatorInfo

BASELINE = (2, 5)

Role = Literal["moves", "bounds", "rectifies", "produces"]


@dataclass(frozen=True)
class Operator:
    """One row of the table.

    Attributes:
        role: What it does to the elements of a tail: moves them as they are, bounds them by a
            constant, rectifies them, or produces them (rounds and stores sums of its own); `None`
            for whatever else.
        fuses: Whether it can have a fused activation that kernels of eight bits apply.
        pixelwise: Whether each pixel of its output depends on that pixel of its input alone, as
            long as the size of the picture stays.
        kernel: Where input, kernel and bias stand among its inputs; `None` without a kernel that
            is convolved.
        since: Version -> first TFLite release (major, minor) that has it, beyond `BASELINE`.
    """

    role: Role | None = None
    fuses: bool = False
    pixelwise: bool = False
    kernel: tuple[int, int, int] | None = None
    since: Mapping[int, tuple[int, int]] = field(default_factory=dict)


OPERATORS: dict[str, Operator] = {
    "ABS": Operator(pixelwise=True),
    "ADD": Operator("produces", fuses=True, pixelwise=True, since={4: (2, 6), 5: (2, 13)}),
    "ADD_N": Operator(pixelwise=True),
    "BATCH_TO_SPACE_ND": Operator("moves", since={4: (2, 12)}),
    "CAST": Operator(
        pixelwise=True,
        since={2: (2, 7), 3: (2, 8), 4: (2, 9), 5: (2, 12), 6: (2, 15), 7: (2, 17)},
    ),
    "CONCATENATION": Operator("moves", pixelwise=True, since={4: (2, 14)}),
    "CONV_2D": Operator(
        "produces", fuses=True, kernel=(0, 1, 2), since={6: (2, 9), 7: (2, 11), 8: (2, 15)}
    ),
    "DEPTHWISE_CONV_2D": Operator("produces", fuses=True, kernel=(0, 1, 2), since={7: (2, 11)}),
    "DEPTH_TO_SPACE": Operator("moves"),
    "DEQUANTIZE": Operator(pixelwise=True),
    "DIV": Operator(pixelwise=True),
    "ELU": Operator(pixelwise=True),
    "EXP": Operator(pixelwise=True),
    "EXPAND_DIMS": Operator("moves"),
    "FAKE_QUANT": Operator(pixelwise=True),
    "FULLY_CONNECTED": Operator(
        "produces", fuses=True, since={10: (2, 11), 11: (2, 15), 12: (2, 17), 13: (2, 18)}
    ),
    "GATHER": Operator(since={6: (2, 13), 7: (2, 15)}),
    "GELU": Operator(pixelwise=True, since={1: (2, 9)}),
    "HARD_SWISH": Operator(pixelwise=True),
    "LEAKY_RELU": Operator("produces", pixelwise=True),
    "LOGISTIC": Operator(pixelwise=True),
    "MAXIMUM": Operator("bounds", pixelwise=True),
    "MINIMUM": Operator("bounds", pixelwise=True),
    "MUL": Operator(
        "produces", fuses=True, pixelwise=True, since={5: (2, 6), 6: (2, 11), 7: (2, 13)}
    ),
    "NEG": Operator(pixelwise=True),
    "PACK": Operator(since={4: (2, 13)}),
    "PAD": Operator(since={4: (2, 6)}),
    "PADV2": Operator(since={4: (2, 6)}),
    "POW": Operator(pixelwise=True),
    "PRELU": Operator("produces", pixelwise=True),
    "QUANTIZE": Operator(pixelwise=True),
    "RELU": Operator("rectifies", pixelwise=True),
    "RELU6": Operator("rectifies", pixelwise=True),
    "RELU_0_TO_1": Operator("rectifies", pixelwise=True),
    "RELU_N1_TO_1": Operator("rectifies", pixelwise=True),
    "RESHAPE": Operator("moves"),
    "RESIZE_NEAREST_NEIGHBOR": Operator("moves"),
    "RSQRT": Operator(pixelwise=True),
    "SLICE": Operator("moves", pixelwise=True),
    "SPACE_TO_BATCH_ND": Operator(since={4: (2, 12)}),
    "SPACE_TO_DEPTH": Operator("moves"),
    "SPLIT": Operator(pixelwise=True),
    "SPLIT_V": Operator(pixelwise=True),
    "SQRT": Operator(pixelwise=True),
    "SQUARE": Operator(pixelwise=True),
    "SQUARED_DIFFERENCE": Operator(pixelwise=True),
    "SQUEEZE": Operator("moves"),
    "STRIDED_SLICE": Operator("moves", pixelwise=True, since={6: (2, 6), 7: (2, 14), 8: (2, 14)}),
    "SUB": Operator("produces", fuses=True, pixelwise=True),
    "TANH": Operator(pixelwise=True),
    "TILE": Operator(since={3: (2, 8)}),
    "TRANSPOSE": Operator("moves", since={6: (2, 12), 7: (2, 14)}),
    "TRANSPOSE_CONV": Operator("produces", kernel=(2, 1, 3), since={4: (2, 13), 5: (2, 15)}),
}


def _with_role(role: Role) -> tuple[str, ...]:
    return tuple(name for name, row in OPERATORS.items() if row.role == role)


MOVES = _with_role("moves")
BOUNDS = _with_role("bounds")
RECTIFIERS = _with_role("rectifies")
PRODUCERS = _with_role("produces")
FUSES_ACTIVATION = tuple(name for name, row in OPERATORS.items() if row.fuses)
PIXELWISE = frozenset(name for name, row in OPERATORS.items() if row.pixelwise)
CONVOLUTIONS = {name: row.kernel for name, row in OPERATORS.items() if row.kernel}
"""Operators with a kernel: where input, kernel and bias stand among their inputs."""


def runtime_needed(name: str, version: int) -> tuple[int, int]:
    """The first TFLite release, as (major, minor), that has a version of an operator.

    `BASELINE` for anything as old as that, and for operators that the table does not name; for a
    version beyond the table's, that of its newest.
    """
    row = OPERATORS.get(name, Operator())
    since = [release for known, release in row.since.items() if known <= version]
    return max(since, default=BASELINE)


def name_of(op: OperatorInfo) -> str:
    """How messages call an operator: `CONV_2D (operator 19)`."""
    return f"{op.name} (operator {op.index})"
