"""What a file's operators cost a target: multiply-adds that are asked for, and that are computed.

Widths of kernels stand in `export.running.targets`. What a file does is read from its operators, so
that any file can be asked, not only this project's.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import prod
from typing import Any

from export.running.kernel_cost import Convolution, values_cost
from export.running.targets import Target
from sr_models.tflite.flatbuffer import FileGraph, OperatorInfo

_INTEGERS = ("int8", "uint8")
_PICTURE_AXES = 4


@dataclass(frozen=True)
class OperatorWork:
    """One operator.

    Attributes:
        op: Its name.
        index: Its place in the file.
        height: Height of what it writes; `None` where that is no picture.
        width: Width of the same.
        channels: Channels of the same.
        useful: Multiply-adds that it asks for; `None` for what multiplies nothing in int8.
        computed: Multiply-adds that the target's kernels take for it; `None` where not known.
        taken: Whether the delegate takes it in int8.
        cost: Instructions, to hold operators of a file against each other; `None` where the
            target's kernels are not known.
    """

    op: str
    index: int
    height: int | None
    width: int | None
    channels: int | None
    useful: int | None
    computed: int | None
    taken: bool
    cost: float | None

    @property
    def waste_fraction(self) -> float | None:
        """Share of the computed multiply-adds that nobody asked for."""
        return 1.0 - self.useful / self.computed if self.computed else None

    def to_json(self) -> dict[str, Any]:
        """The attributes by name, and the waste; the cost only counts within its file."""
        found = {**asdict(self), "waste_fraction": self.waste_fraction}
        del found["cost"]
        return found


@dataclass(frozen=True)
class TargetWork:
    """All operators of a file.

    Attributes:
        target: Name of the target.
        kernel: What its convolutions are called; `None` where they are not known.
        source: Where that stands.
        operators: In order of execution.
    """

    target: str
    kernel: str | None
    source: str
    operators: tuple[OperatorWork, ...]

    @property
    def useful(self) -> int:
        """Multiply-adds that the file asks for."""
        return sum(op.useful or 0 for op in self.operators)

    @property
    def computed(self) -> int | None:
        """Multiply-adds that the target's kernels take for it; `None` where not known."""
        return sum(op.computed or 0 for op in self.operators) if self.kernel else None

    @property
    def waste_fraction(self) -> float | None:
        """Share of the computed multiply-adds that nobody asked for."""
        return 1.0 - self.useful / self.computed if self.computed else None

    def percent(self, operator: OperatorWork) -> float | None:
        """An operator's share of what the file costs, in percent."""
        whole = sum(op.cost or 0.0 for op in self.operators)
        return 100.0 * operator.cost / whole if operator.cost is not None and whole else None

    def to_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return {
            "target": self.target,
            "kernel": self.kernel,
            "source": self.source,
            "useful": self.useful,
            "computed": self.computed,
            "waste_fraction": self.waste_fraction,
            "operators": [{**op.to_json(), "percent": self.percent(op)} for op in self.operators],
        }


def work_of(graph: FileGraph, target: Target) -> TargetWork:
    """What the operators of a file cost a target.

    Args:
        graph: The file; where it takes any size, costs are those of a single pixel.
        target: Whose kernels.
    """
    operators = tuple(_work(graph, op, target) for op in graph.operators)
    name = target.kernel.name if target.kernel else None
    return TargetWork(target.name, name, target.source, operators)


def _work(graph: FileGraph, op: OperatorInfo, target: Target) -> OperatorWork:
    shape = graph.tensors[op.outputs[0]].shape if op.outputs else ()
    size = shape[1:] if len(shape) == _PICTURE_AXES else (None, None, None)
    layer, kernel = convolution_of(graph, op), target.kernel
    cost = None
    if kernel is not None:
        cost = layer.instructions(kernel) if layer else 0.0
        cost = cost or values_cost(op.name, values=prod(shape), target=target)
    return OperatorWork(
        op.name,
        op.index,
        *size,
        useful=layer.useful if layer else None,
        computed=layer.computed(kernel) if layer and kernel else None,
        taken=_is_taken(graph, op, target),
        cost=cost,
    )


def _is_taken(graph: FileGraph, op: OperatorInfo, target: Target) -> bool:
    if op.name == "CONCATENATION":
        return len(op.inputs) <= target.most_joined
    if op.name == "QUANTIZE" and target.signed_only:
        ends = [graph.tensors[i].dtype for i in (*op.inputs, *op.outputs) if i >= 0]
        return not {"int8", "uint8"}.issubset(ends)
    return op.name not in target.left_behind


def convolution_of(graph: FileGraph, op: OperatorInfo) -> Convolution | None:
    """The size of an int8 convolution or fully connected layer; `None` for anything else."""
    if len(op.inputs) < 2 or not op.outputs or op.inputs[1] < 0:
        return None
    weights, made = graph.tensors[op.inputs[1]], graph.tensors[op.outputs[0]].shape
    if weights.dtype not in _INTEGERS or not made:
        return None
    pixels, outputs = prod(made[:-1]), made[-1]
    if op.name == "FULLY_CONNECTED" and len(weights.shape) == 2:
        return Convolution(pixels, 1, weights.shape[1], outputs)
    if len(weights.shape) != _PICTURE_AXES or len(made) != _PICTURE_AXES:
        return None
    taps, reads = weights.shape[1] * weights.shape[2], weights.shape[3]
    if op.name == "CONV_2D":
        inputs = graph.tensors[op.inputs[0]].shape[-1]
        return Convolution(pixels, taps, inputs, outputs, max(1, inputs // max(1, reads)))
    if op.name == "DEPTHWISE_CONV_2D":
        inputs = graph.tensors[op.inputs[0]].shape[-1]
        return Convolution(pixels, taps, inputs, outputs, inputs)
    if op.name == "TRANSPOSE_CONV" and len(op.inputs) > 2:
        # Each pixel of a block of the stride's size has taps of its own, which are no other's.
        read = graph.tensors[op.inputs[2]].shape
        block = max(1, made[1] // max(1, read[1])) * max(1, made[2] // max(1, read[2]))
        return Convolution(pixels, -(-taps // block), reads, outputs)
    return None
