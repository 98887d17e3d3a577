"""The main graph of a TFLite file as one of ONNX."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper

from sr_models.ground.errors import NetworkError
from sr_models.importing.onnx_graph import is_known
from sr_models.importing.onnx_tensors import plain
from sr_models.importing.tflite_layers import LayerWriter
from sr_models.importing.tflite_moves import MoveWriter
from sr_models.importing.tflite_nodes import layer_of, refused
from sr_models.importing.tflite_values import INTEGERS
from sr_models.quantization.grids import LIMITS
from sr_models.tflite.flatbuffer import OperatorInfo
from sr_models.tflite.unpacked import UnpackedModel, grid_of

OPSET = 20
_MOST_NAMED = 6
_COMPUTING = frozenset(
    ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED", "ADD", "SUB", "MUL")
)
_SIX = 6.0


class _Writer(LayerWriter, MoveWriter):
    """Finds the method that writes an operator."""

    def knows(self, op: OperatorInfo) -> bool:
        return hasattr(self, f"_put_{op.name}")

    def write(self, op: OperatorInfo) -> None:
        try:
            getattr(self, f"_put_{op.name}")(op)
        except NetworkError:
            raise
        except Exception as error:  # Whatever Python makes of options and shapes that do not fit.
            layer = plain(layer_of(self.model, op))
            raise NetworkError(
                f"expected a whole TFLite file, found a damaged operator {layer} ({op.name}: "
                f"{type(error).__name__}); convert the network again"
            ) from error
        bounds = bounds_of_grid(self.model, op)
        if bounds is not None:
            stored, self.nodes[-1].output[0] = self.output(op), f"{self.output(op)}_unbounded"
            ends = [self.constant(end, np.float32) for end in bounds if np.isfinite(end)]
            self.put(op, "Clip", f"{stored}_unbounded", *ends, into=stored)


def bounds_of_grid(model: UnpackedModel, op: OperatorInfo) -> tuple[float, float] | None:
    """The activation that the grid of what an operator stores stands for, or `None`.

    Converters leave a ReLU out where the grid ends at 0, and a ReLU6 where it ends at 0 and 6:
    the codes end there by themselves.
    """
    if op.name not in _COMPUTING or op.activation != "NONE":
        return None
    grid = grid_of(model.graph.tensors[op.outputs[0]])
    if grid is None or grid.zero_point != LIMITS[grid.dtype][0]:
        return None
    high = grid.scale * (LIMITS[grid.dtype][1] - grid.zero_point)
    return (0.0, _SIX if abs(high - _SIX) < 0.01 else np.inf)


def needed_operators(model: UnpackedModel, output: int) -> list[OperatorInfo]:
    """The operators that a tensor depends on, in the file's order."""
    found: dict[int, OperatorInfo] = {}
    waiting = [output]
    while waiting:
        op = model.producers.get(waiting.pop())
        if op is not None and op.index not in found:
            found[op.index] = op
            waiting += op.inputs
    return [found[index] for index in sorted(found)]


def needed_inputs(model: UnpackedModel, output: int) -> list[int]:
    """The file's inputs that a tensor depends on, in the file's order."""
    read = {output, *(i for op in needed_operators(model, output) for i in op.inputs)}
    return [tensor for tensor in model.graph.inputs if tensor in read]


def is_integer(model: UnpackedModel, ops: Sequence[OperatorInfo]) -> bool:
    """Whether operators compute on codes: a tensor between them is one of integers with a scale."""
    tensors = (model.graph.tensors[i] for op in ops for i in (*op.inputs, *op.outputs) if i >= 0)
    return any(t.dtype in INTEGERS and t.scales and not t.constant for t in tensors)


def operators_in_the_way(model: UnpackedModel, output: int) -> list[OperatorInfo]:
    """The operators of a network that nothing reads, the first of each name."""
    return _written(model, output)[1]


def _written(model: UnpackedModel, output: int) -> tuple[_Writer, list[OperatorInfo]]:
    """What was written of a network, and the first of each operator that is not read."""
    writer, unread = _Writer(model), {}
    for op in needed_operators(model, output):
        before = len(writer.nodes)
        if writer.knows(op):
            writer.write(op)
        if not writer.knows(op) or not all(map(is_known, writer.nodes[before:])):
            unread.setdefault(op.name, op)
    return writer, list(unread.values())


def as_onnx(model: UnpackedModel, output: int, *, source: int) -> onnx.ModelProto:
    """The operators that an output depends on, as nodes; integers become the real numbers they are.

    Args:
        model: The file.
        output: Index of the output's tensor.
        source: The same of the one input that it depends on.

    Raises:
        NetworkError: An operator that has no place in an integer file, or weights that cannot be
            used.
    """
    writer, unread = _written(model, output)
    if unread:
        names = ", ".join(op.name for op in unread[:_MOST_NAMED])
        raise refused(model, unread, f"found {names}")
    name = writer.name_of(output)
    ends = [
        helper.make_tensor_value_info(tensor, TensorProto.FLOAT, None)
        for tensor in (f"t{source}", name)
    ]
    weights = list(writer.initializers.values())
    graph = helper.make_graph(writer.nodes, "main", ends[:1], ends[1:], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
