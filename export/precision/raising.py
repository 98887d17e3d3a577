"""Operators of an int8 file rewritten to compute in 16 bits or in real numbers.

TensorFlow's converter knows int8 or int16 for a whole network, takes no ranges with the latter,
and removes the requantization between the two (tensorflow#106742). So the int8 file, whose ranges
are known, is converted first, and chosen operators of it are raised:

- `int16`: activations in 16 bits, symmetric; kernels stay int8; sums in 32 or 64 bits.
- `float32`: an island of real numbers, with the float network's own weights.

Where a tensor goes from one kind to another stands a QUANTIZE or DEQUANTIZE, and behind the app's
picture a CAST. On the way up nothing is rounded: eight-bit codes keep their step in 16 bits. (A
QUANTIZE from 8 to 16 bits runs in ai-edge-litert 2.3; TensorFlow 2.21's own interpreter has none.)
Versions of operators are those of TensorFlow's `tools/versioning/op_version.cc`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from export.precision.raised_weights import (
    FIXED_SCALE,
    FloatWeights,
    stored_slopes,
    stored_weights,
    wide_grid,
)
from export.tflite.additions import FLOAT32, INT16, Additions, exact_grid
from export.tflite.editing import prune, used
from export.tflite.operators import CONVOLUTIONS
from export.tflite.packing import repack, require_repackable
from sr_models.ground.errors import ConversionError
from sr_models.quantization.grids import Grid
from sr_models.tflite.flatbuffer import OperatorInfo
from sr_models.tflite.unpacked import UnpackedModel, unpack

_FIXED = ("TANH", "LOGISTIC")
RAISABLE = (*CONVOLUTIONS, "ADD", "CONCATENATION", "RELU", "LEAKY_RELU", "PRELU", *_FIXED)
"""Operators that have 16-bit kernels in LiteRT; DEPTH_TO_SPACE and its inverse have none."""

_INT16_VERSIONS = {
    "CONV_2D": 4,
    "DEPTHWISE_CONV_2D": 5,
    "TRANSPOSE_CONV": 4,
    "ADD": 3,
    "CONCATENATION": 3,
    "RELU": 3,
    "LEAKY_RELU": 2,
    "PRELU": 1,
    "TANH": 3,
    "LOGISTIC": 3,
}
_SHORT_BIAS_VERSIONS = {"CONV_2D": 8, "TRANSPOSE_CONV": 5}
_BIASED_TRANSPOSE_VERSION = 3
_GROUPED_VERSION = 6


def raise_operators(
    content: bytes,
    wanted: Mapping[int, str],
    *,
    weights: Mapping[int, FloatWeights] | None = None,
) -> bytes:
    """The file with some operators computing in a higher precision.

    Args:
        content: A full-integer int8 file.
        wanted: Operator index -> `"int16"` or `"float32"`.
        weights: Operator index -> the weights of an operator that becomes float32; those of the
            file, dequantized, where there are none.

    Returns:
        The content of the new file; input and output are as they were.

    Raises:
        ConversionError: An operator that has no kernel for what is wanted.
    """
    model = unpack(content)
    require_repackable(model)
    for index in wanted:
        op = model.graph.operators[index]
        if op.name not in RAISABLE:
            raise ConversionError(
                f"expected an operator of {', '.join(RAISABLE)} to raise, found {op.name} "
                f"(operator {index}); leave it in int8"
            )
    before = used(model.tables)
    _Raising(model, dict(wanted), dict(weights or {})).run()
    prune(model.tables, before)
    return repack(model, model.tables)


@dataclass
class _Raising:
    """One file being rewritten; `model.graph` keeps telling what it was."""

    model: UnpackedModel
    wanted: dict[int, str]
    weights: dict[int, FloatWeights]
    grids: dict[int, Grid | None] = field(default_factory=dict)
    copies: dict[tuple[int, Grid | None], int] = field(default_factory=dict)
    made: list = field(default_factory=list)

    def __post_init__(self):
        self.new = Additions(self.model.tables)
        # Read before anything changes: the graph stays, its tables do not.
        self.old = {i: self.model.grid(i) for i in range(len(self.model.graph.tensors))}

    def run(self) -> None:
        graph = self.model.tables.subgraphs[0]
        for op, operator in zip(self.model.graph.operators, list(graph.operators)):
            kind = self.wanted.get(op.index)
            if kind is None:
                # What stays in int8 reads raised tensors on the grids they had.
                inputs = [self._moved(i, self.old[i]) if i in self.grids else i for i in op.inputs]
                operator.inputs = np.array(inputs, np.int32)
                self.made.append(operator)
            else:
                self._raise(op, operator, kind)
        graph.operators = _alive(self.made, graph.outputs)

    def _raise(self, op: OperatorInfo, operator, kind: str) -> None:
        grid = None if kind == FLOAT32 else self._output_grid(op)
        inputs, version = list(op.inputs), 1 if kind == FLOAT32 else _INT16_VERSIONS[op.name]
        for place in self._activations(op):
            inputs[place] = self._moved(op.inputs[place], self._input_grid(op, place, grid))
        if op.name in CONVOLUTIONS:
            version = self._raise_weights(op, operator, inputs, kind)
        elif op.name == "PRELU":
            inputs[1] = self._raised_slopes(op, kind)
        elif op.name == "ADD":
            operator.builtinOptions.potScaleInt16 = False
        operator.inputs = np.array(inputs, np.int32)
        operator.opcodeIndex = self.new.code(op.name, version)
        self.made.append(operator)
        (target,) = op.outputs
        if target not in self.model.graph.outputs:
            self.new.retype(target, grid)
            self.grids[target] = grid
            return
        # The app's own tensor stays what it was.
        info = self.model.graph.tensors[target]
        above = self.new.tensor(f"{info.name}_raised", shape=info.shape, grid=grid)
        operator.outputs = np.array([above], np.int32)
        self.made.append(self.new.conversion(above, target, before=grid, after=self.old[target]))

    def _activations(self, op: OperatorInfo) -> list[int]:
        if op.name in CONVOLUTIONS:
            return [CONVOLUTIONS[op.name][0]]
        return [p for p, i in enumerate(op.inputs) if not self.model.graph.tensors[i].constant]

    def _output_grid(self, op: OperatorInfo) -> Grid:
        if op.name in _FIXED:
            return Grid(INT16, FIXED_SCALE, 0)
        wide = wide_grid(self.old[op.outputs[0]])
        if op.name != "CONCATENATION":
            return wide
        # Everything that is joined shares one grid; where all of it has one, nothing is rounded.
        joined = {self.grids.get(i) or exact_grid(self.old[i]) for i in op.inputs}
        return joined.pop() if len(joined) == 1 else wide

    def _input_grid(self, op: OperatorInfo, place: int, output: Grid | None) -> Grid | None:
        if output is None:
            return None
        if op.name == "CONCATENATION":
            return output
        source = op.inputs[place]
        raised = self.grids.get(source)
        return raised if raised is not None else exact_grid(self.old[source])

    def _moved(self, tensor: int, grid: Grid | None) -> int:
        """The tensor on a grid, or in real numbers for `None`: itself, or a copy made here."""
        current = self.grids[tensor] if tensor in self.grids else self.old[tensor]
        if current == grid:
            return tensor
        if (tensor, grid) not in self.copies:
            source, info = self._picture_of(tensor), self.model.graph.tensors[tensor]
            if source != tensor:
                current = self.old[source]
            if source != tensor and grid not in (None, exact_grid(current)):
                current = exact_grid(current)
                source = self._moved(tensor, current)
            name = f"{info.name}_{grid.dtype if grid else FLOAT32}"
            made = self.new.tensor(name, shape=info.shape, grid=grid)
            self.made.append(self.new.conversion(source, made, before=current, after=grid))
            self.copies[tensor, grid] = made
        return self.copies[tensor, grid]

    def _picture_of(self, tensor: int) -> int:
        """The app's own picture where a tensor holds just its codes, else the tensor."""
        producer = self.model.producers.get(tensor)
        if producer is None or producer.name != "QUANTIZE":
            return tensor
        picture = self.old[producer.inputs[0]]
        same = picture is not None and picture.as_dtype("int8") == self.old[tensor]
        return producer.inputs[0] if same else tensor

    def _raise_weights(self, op: OperatorInfo, operator, inputs: list[int], kind: str) -> int:
        """Put weights of the kind wanted among the inputs; returns the operator's version."""
        fed, kernel, bias = CONVOLUTIONS[op.name]
        stored, names = stored_weights(self.model, op), self.model.graph.tensors
        least = _GROUPED_VERSION if stored.groups > 1 else 1
        if kind == FLOAT32:
            given = self.weights.get(op.index) or stored.as_floats()
            name = names[op.inputs[kernel]].name
            inputs[kernel] = self.new.constant(name, given.kernel.astype(np.float32))
            if stored.bias is None:
                return least
            name = names[op.inputs[bias]].name
            inputs[bias] = self.new.constant(name, given.bias.astype(np.float32))
            return _BIASED_TRANSPOSE_VERSION if op.name == "TRANSPOSE_CONV" else least
        if stored.bias is not None:
            source = op.inputs[fed]
            grid = self.grids.get(source) or exact_grid(self.old[source])
            may_be_short = op.name in _SHORT_BIAS_VERSIONS
            raised = stored.bias_on(grid, may_be_short=may_be_short)
            name = names[op.inputs[bias]].name
            inputs[bias] = self.new.constant(name, raised.codes, raised.scales)
            if raised.is_short:
                operator.builtinOptions.quantizedBiasType = schema.TensorType.INT32
                return _SHORT_BIAS_VERSIONS[op.name]
        return max(_INT16_VERSIONS[op.name], least)

    def _raised_slopes(self, op: OperatorInfo, kind: str) -> int:
        if kind == INT16:
            # LiteRT's 16-bit kernel reads slopes of eight bits, whatever type they declare.
            return op.inputs[1]
        given = self.weights.get(op.index)
        slopes = stored_slopes(self.model, op) if given is None else given.kernel
        name = self.model.graph.tensors[op.inputs[1]].name
        return self.new.constant(name, slopes.astype(np.float32))


def _alive(operators: list, outputs) -> list:
    """The operators whose results somebody reads."""
    needed, kept = {int(i) for i in outputs}, []
    for operator in reversed(operators):
        if needed & {int(i) for i in operator.outputs}:
            needed |= {int(i) for i in operator.inputs}
            kept.append(operator)
    return kept[::-1]
