"""Operators of a TFLite file written as nodes of ONNX, so that one reader reads both.

TFLite's pictures are NHWC, convolutions of ONNX are NCHW. Each stands between two transposes here,
which the reader follows exactly and which come to nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from sr_models.ground.errors import NetworkError
from sr_models.importing.onnx_tensors import plain
from sr_models.importing.tflite_values import held_values
from sr_models.tflite.flatbuffer import OperatorInfo
from sr_models.tflite.unpacked import UnpackedModel

TO_NCHW, TO_NHWC = [0, 3, 1, 2], [0, 2, 3, 1]
_BOUNDS = {"RELU6": (0.0, 6.0), "RELU_N1_TO_1": (-1.0, 1.0), "RELU_0_TO_1": (0.0, 1.0)}
_UNFUSED = {"RELU": "Relu", "TANH": "Tanh", "LOGISTIC": "Sigmoid"}
_OPERATOR = re.compile(r"[A-Z]\w*(:\d+)?")
_PARTS = (
    *("add", "sub", "mul", "truediv", "convolution", "depthwise", "conv2d_transpose"),
    *("separable_conv2d", "clip_by_value", "resize", "batchnorm"),
)
"""What TensorFlow calls parts of a layer."""


@dataclass(frozen=True)
class Spread:
    """A picture spread over a batch.

    Attributes:
        picture: Its tensor.
        dilation: How far apart neighbours were, (rows, columns).
        padded: Whether a border of zeros was added for the convolution.
    """

    picture: int
    dilation: tuple[int, int]
    padded: bool


class NodeWriter:
    """Writes nodes; what it knows of a file.

    Attributes:
        model: The file.
        nodes: What was written.
        initializers: Weights, by name.
        values: Numbers of the tensors that do not depend on the picture, as far as they are known.
        spread: Pictures spread over a batch, so that a convolution of neighbours is dilated.
    """

    def __init__(self, model: UnpackedModel):
        self.model = model
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: dict[str, TensorProto] = {}
        self.values: dict[int, np.ndarray | None] = {}
        self.spread: dict[int, Spread] = {}
        self._made = 0

    # What an operator reads.

    def name_of(self, tensor: int) -> str:
        """The name of a tensor in what is written; its numbers come along where it holds some."""
        name = f"t{tensor}"
        if name not in self.initializers and (values := self.held(tensor)) is not None:
            self.initializers[name] = numpy_helper.from_array(values, name)
        return name

    def held(self, tensor: int) -> np.ndarray | None:
        """The numbers of a tensor, `None` where it is computed."""
        if tensor not in self.values:
            self.values[tensor] = held_values(self.model, tensor)
        return self.values[tensor]

    def has(self, op: OperatorInfo, place: int) -> bool:
        """Whether an operator has an input at a place."""
        return len(op.inputs) > place and op.inputs[place] >= 0

    def input(self, op: OperatorInfo, place: int = 0) -> str:
        """The name of an operator's input."""
        self._require(op, place)
        if op.inputs[place] in self.spread:
            raise self.refused(op, f"found {op.name} of a picture spread over a batch")
        return self.name_of(op.inputs[place])

    def _require(self, op: OperatorInfo, place: int) -> None:
        if not self.has(op, place):
            raise self.refused(op, f"found {op.name} without its input {place}")

    def numbers(self, op: OperatorInfo, place: int) -> np.ndarray:
        """Weights or sizes that an operator reads; raises where they are computed."""
        values = self.held(op.inputs[place]) if self.has(op, place) else None
        if values is None:
            raise self.refused(op, f"found {op.name} whose input {place} is no constant")
        return values

    def whole(self, op: OperatorInfo, place: int) -> list[int]:
        """The same as whole numbers."""
        return [int(value) for value in self.numbers(op, place).reshape(-1)]

    def shape(self, op: OperatorInfo, place: int = 0) -> tuple[int, ...]:
        """Shape of an input as the file has it, whose pictures may have another size."""
        self._require(op, place)
        return self.model.graph.tensors[op.inputs[place]].shape

    def option(self, op: OperatorInfo, name: str, default: Any = 0) -> Any:
        """A field of an operator's options."""
        options = self.model.tables.subgraphs[0].operators[op.index].builtinOptions
        found = getattr(options, name, None)
        return default if found is None else found

    # What is written.

    def constant(self, values: Any, dtype: Any = np.int64) -> str:
        """The name of numbers that are given."""
        self._made += 1
        name = f"c{self._made}"
        self.initializers[name] = numpy_helper.from_array(np.asarray(values, dtype), name)
        return name

    def put(
        self, op: OperatorInfo, kind: str, *inputs: str, into: str | None = None, **attributes: Any
    ) -> str:
        """Write a node; the name of what it makes."""
        self._made += 1
        into = into or f"n{self._made}"
        node = helper.make_node(kind, inputs, [into], name=layer_of(self.model, op), **attributes)
        self.nodes.append(node)
        return into

    def put_last(self, op: OperatorInfo, kind: str, *inputs: str, **attributes: Any) -> None:
        """Write the node that makes an operator's output, with its fused activation behind it."""
        if op.activation == "NONE":
            self.put(op, kind, *inputs, into=self.output(op), **attributes)
            return
        made = self.put(op, kind, *inputs, **attributes)
        self.put_activation(op, op.activation, made)

    def put_picture(self, op: OperatorInfo, kind: str, *inputs: str, **attributes: Any) -> None:
        """The same of a node that takes and makes NCHW."""
        first = self.put(op, "Transpose", inputs[0], perm=TO_NCHW)
        made = self.put(op, kind, first, *inputs[1:], **attributes)
        self.put_last(op, "Transpose", made, perm=TO_NHWC)

    def put_activation(self, op: OperatorInfo, activation: str, tensor: str) -> None:
        """Write an activation that makes an operator's output."""
        if activation in _BOUNDS:
            ends = [self.constant(end, np.float32) for end in _BOUNDS[activation]]
            self.put(op, "Clip", tensor, *ends, into=self.output(op))
        elif activation in _UNFUSED:
            self.put(op, _UNFUSED[activation], tensor, into=self.output(op))
        else:
            raise self.refused(op, f"found {op.name} with the activation {activation}")

    def output(self, op: OperatorInfo, place: int = 0) -> str:
        """The name of an operator's output."""
        if len(op.outputs) <= place:
            raise self.refused(op, f"found {op.name} without its output {place}")
        return f"t{op.outputs[place]}"

    def refused(self, op: OperatorInfo, found: str) -> NetworkError:
        """The error for an operator that has no place in an integer file."""
        return refused(self.model, [op], found)


_INSTEAD = {
    "SOFTMAX": "a network without attention",
    "BATCH_MATMUL": "a 1x1 convolution, or a network without attention,",
    "FULLY_CONNECTED": "a 1x1 convolution",
    "L2_NORMALIZATION": "BatchNormalization, which is folded away,",
    "RSQRT": "BatchNormalization, which is folded away,",
    "WHILE": "unrolled layers",
    "IF": "one fixed path",
    "CALL_ONCE": "constant weights",
    "VAR_HANDLE": "constant weights",
    "READ_VARIABLE": "constant weights",
    "ELU": "ReLU or PReLU",
    "EXP": "ReLU or PReLU",
}


def refused(model: UnpackedModel, ops: Sequence[OperatorInfo], found: str) -> NetworkError:
    """The error for operators that have no place in an integer file; the first names the layer."""
    instead = next((_INSTEAD[op.name] for op in ops if op.name in _INSTEAD), None)
    return NetworkError(
        f"expected layers that run in full integer, {found} ({plain(layer_of(model, ops[0]))}); "
        f"take {instead or 'the layers that docs/networks.md lists'} in its place"
    )


def layer_of(model: UnpackedModel, op: OperatorInfo) -> str:
    """What a user calls an operator: its layer's name where the tensor's name tells it."""
    names = model.graph.tensors[op.outputs[0]].name.split(";") if op.outputs else [""]
    parts = [part for part in names[0].split("/") if part]
    while len(parts) > 1 and _OPERATOR.fullmatch(parts[-1]):
        parts.pop()
    if len(parts) > 1 and parts[-1] in _PARTS:
        parts.pop()
    own = parts[-1] if parts else ""
    known = re.search("[A-Za-z]", own) and "PartitionedCall" not in own
    return own if known else f"{op.name.lower()}_{op.index}"
