"""A network as plain operations with frozen weights: what every source is read into.

| kind | values |
|---|---|
| `input` | none |
| `convolution` | `kernel` (h, w, in / groups, out), `bias` (out,), `padding`, `strides`, `dilation`, `groups` |
| `affine` | `factor` (C,), `shift` (C,): x * factor + shift |
| `bound` | `minimum`, `maximum`; a ReLU is 0 to infinity |
| `prelu` | `slope` (C,) of the negative side; a LeakyReLU is one with equal slopes |
| `tanh`, `sigmoid`, `add`, `multiply`, `concatenate`, `rounding`, `truncation` | none |
| `gelu` | `approximate`: whether by tanh |
| `mean` | `axes`: of rows (1), of columns (2) or both, which are left with one pixel |
| `root` | none: the square root |
| `erf`, `power` | none, `exponent`; only until a GELU is known by them |
| `select` | `order` (C,): which channel of the input each is |
| `depth_to_space`, `space_to_depth` | `block` |
| `repeat` | `times`: the channels several times over |
| `bilinear` | `factor`: upscaling with half-pixel centres |
| `resize` | `times`, `parts` of the picture's sides that it gets, `corners`, `centred`; bilinear |
| `slice` | `start`, `stop` of channels |
| `grid` | `minimum`, `maximum`, `narrow`: the range that a tensor was trained for; computes nothing |
| `pad` | `rows`, `columns`: zeros (before, after) |
| `mirror_pad` | `rows`, `columns`, `mode`: `"REFLECT"`, `"SYMMETRIC"`, `"EDGE"` |
| `crop` | `rows`, `columns`: pixels taken away (before, after) |
| `max_pool`, `average_pool` | `pool`, `strides`, `padding`; means leave out what lies beyond the border |
| `transposed` | `kernel` (h, w, out, in), `bias`, `stride`; `rows`, `columns` that are cut off |

`scales` (out,) of a convolution are the steps of the grid that its kernel was trained for.
`strides` of a convolution are (1, 1) where none are given; one with others and without padding may
say the `size` that it reads. What stands in the last line, and "EDGE", is gone once `geometry` has seen it.

The inputs of `add` and `multiply` may have one channel, one row or one column where the other has
more; it counts for all of them then.
"""  # noqa: E501

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

INPUT = "input"
RELU6 = 6.0
"""The one upper bound that TFLite has a fused activation for."""
POINTWISE = frozenset({"affine", "bound", "prelu", "tanh", "sigmoid", "gelu", "root"}).union(
    ("erf", "power", "rounding", "truncation")
)
"""Kinds of one input that compute each value by itself, whatever stands beside it."""


@dataclass(frozen=True, eq=False)
class Operation:
    """One operation and the tensor that it makes.

    Attributes:
        name: Unique in its network.
        kind: See the module.
        inputs: Names of the operations whose tensors are read.
        channels: Channels of the tensor made.
        values: Weights (float32 arrays) and attributes, by name.
        layer: What the source calls it; `name` by default.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    channels: int
    values: dict[str, Any] = field(default_factory=dict)
    layer: str = ""

    def __getitem__(self, value: str) -> Any:
        return self.values[value]


@dataclass
class Network:
    """Operations in the order in which they are added, each after its inputs.

    Attributes:
        operations: By name; `"input"` is the first.
        output: Name of the last.
    """

    operations: dict[str, Operation] = field(default_factory=dict)
    output: str = INPUT

    def __getitem__(self, name: str) -> Operation:
        return self.operations[name]

    def __iter__(self) -> Iterator[Operation]:
        return iter(self.operations.values())

    def add(self, operation: Operation) -> str:
        """Append an operation, under another name where its own is taken; the name."""
        layer = operation.layer or operation.name
        name, number = layer, 1
        while name in self.operations:
            number += 1
            name = f"{layer}_{number}"
        self.operations[name] = replace(operation, name=name, layer=layer)
        return name

    def uses(self) -> dict[str, int]:
        """How often each tensor is read; the output counts as read once."""
        counts = dict.fromkeys(self.operations, 0)
        counts[self.output] += 1
        for operation in self:
            for name in operation.inputs:
                counts[name] += 1
        return counts

    def needed(self, *names: str) -> set[str]:
        """The operations that the given ones (the output by default) depend on, themselves too."""
        found, waiting = {INPUT}, list(names or [self.output])
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += self[name].inputs
        return found

    def pruned(self) -> Network:
        """The same without operations that nothing depends on, named anew by their layers."""
        kept, made, renamed = self.needed(), Network(), {}
        for operation in self:
            if operation.name in kept:
                inputs = tuple(renamed[name] for name in operation.inputs)
                renamed[operation.name] = made.add(replace(operation, inputs=inputs))
        made.output = renamed[self.output]
        return made


def affine_values(channels: int, factor=1.0, shift=0.0) -> dict[str, np.ndarray]:
    """The values of an `affine`, each given as a number or per channel."""
    return {
        "factor": np.broadcast_to(np.float32(factor), (channels,)).astype(np.float32),
        "shift": np.broadcast_to(np.float32(shift), (channels,)).astype(np.float32),
    }


def strides_of(operation: Operation) -> tuple[int, int]:
    """The strides of a convolution or a pooling."""
    return operation.values.get("strides", (1, 1))


def is_shifted(operation: Operation) -> bool:
    """Whether an `affine` adds anything."""
    return bool(operation["shift"].any())


def is_relu(operation: Operation) -> bool:
    """Whether an operation is a bound of 0 to infinity."""
    return (
        operation.kind == "bound" and operation["minimum"] == 0.0 and np.isinf(operation["maximum"])
    )


def is_relu6(operation: Operation) -> bool:
    """Whether an operation is a bound of 0 to 6."""
    return (
        operation.kind == "bound" and operation["minimum"] == 0.0 and operation["maximum"] == RELU6
    )
