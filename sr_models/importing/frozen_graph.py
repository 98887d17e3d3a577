"""Any TensorFlow function as a graph of operators with constant weights, which we never execute
before every operator in it is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.eager.wrap_function import function_from_graph_def
from tensorflow.python.framework.convert_to_constants import (
    convert_variables_to_constants_v2,
)

from sr_models.ground.errors import NetworkError
from sr_models.importing.fake_quantization_nodes import (
    FAKE_QUANTIZATION,
    without_fake_quantization,
)
from sr_models.importing.wide_graph import in_float32, rounding_step
from sr_models.networks.leaky_relu import compute_leaky_relu_rightly

_FOLDED = {
    "Const",
    "Identity",
    "Shape",
    "Pack",
    "ConcatV2",
    "StridedSlice",
    "Mul",
    "Add",
    "AddV2",
    "Sub",
    "RealDiv",
    "FloorDiv",
    "Rsqrt",
    "Sqrt",
    "Square",
    "Neg",
    "Reshape",
    "Cast",
    "Range",
    "Prod",
    "ExpandDims",
    "Squeeze",
    "Fill",
    "Tile",
    "Transpose",
    "Split",
    "Maximum",
    "Minimum",
    "Pow",
    "Slice",
    "GatherV2",
    *FAKE_QUANTIZATION,
}
"""Pure operators that are computed where all of their inputs are constant."""
_RENAMED = "_inlined"


@dataclass(frozen=True)
class FrozenGraph:
    """A function of one picture with every variable made constant.

    Attributes:
        function: The concrete function, (N, H, W, C) -> (N, H s, W s, C).
        operators: `tf.Operation` in an order of computation: all that running it would run.
        input: The placeholder's tensor.
        output: The tensor that is returned.
        rounds: Whether the function as it was given rounds its tensors to grids that it was trained
            for; here it does not.
        step: Relative error of the half precision that the network computes in as it was given;
            here it computes in float32. 0 where it always did.
    """

    function: Any
    operators: list[Any]
    input: Any
    output: Any
    step: float = 0.0
    rounds: bool = False

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        """Run it; only for graphs whose operators are all known."""
        values = tf.cast(tf.constant(batch), self.input.dtype)
        return np.asarray(tf.nest.flatten(self.function(values))[0], np.float32)


def freeze(function: Callable, shape: tuple[int, int, int, int], dtype=tf.float32) -> FrozenGraph:
    """Trace a function for one input shape and make its variables constant.

    Args:
        function: Takes one tensor, and returns one (alone, in a list or in a dictionary).
        shape: Fixed shape (N, H, W, C) of the input.
        dtype: Its type.

    Raises:
        NetworkError: It cannot be traced, or returns several tensors.
    """
    try:
        traced = tf.function(function, autograph=False).get_concrete_function(
            tf.TensorSpec(shape, dtype)
        )
        # As it is, it runs: of an inlined grouped convolution TensorFlow makes an operator that
        # has no kernel. Inlined, it is read.
        runs = convert_variables_to_constants_v2(traced)
        step = rounding_step(runs.graph)
        runs = in_float32(runs) if step else runs
        frozen = _inlined(runs)
        rounds = any(op.type in FAKE_QUANTIZATION for op in frozen.graph.get_operations())
        runs = _without_rounding(frozen) if rounds else runs
    except Exception as error:  # Whatever a stranger's function raises.
        raise NetworkError(
            f"expected a network that can be traced for an input of {list(shape)}, found: "
            f"{first_line(error)}; give one picture in and one picture out"
        ) from error
    if any(op.type == "LeakyRelu" for op in frozen.graph.get_operations()):
        compute_leaky_relu_rightly()
    outputs = [t for t in frozen.outputs if t.dtype != tf.resource]
    if len(outputs) != 1:
        raise NetworkError(
            f"expected one output, found {len(outputs)}; give a network that returns one picture"
        )
    inputs = [t for t in frozen.inputs if t.dtype != tf.resource]
    if len(inputs) != 1:
        raise NetworkError(
            f"expected one input, found {len(inputs)}; give a network that takes one picture"
        )
    return FrozenGraph(runs, _ordered(outputs[0].op), inputs[0], outputs[0], step, rounds)


def _without_rounding(frozen):
    """The function without fake quantization of anything but weights."""
    nodes = frozen.graph.as_graph_def()
    reached = {tensor.op.name for tensor in frozen.inputs}
    for op in frozen.graph.get_operations():  # In an order of computation.
        if any(tensor.op.name in reached for tensor in op.inputs):
            reached.add(op.name)
    without_fake_quantization(nodes, reached)
    ends = [[tensor.name for tensor in tensors] for tensors in (frozen.inputs, frozen.outputs)]
    return function_from_graph_def(nodes, *ends)


def _inlined(frozen):
    """The function without calls: one to be compiled by XLA is not inlined otherwise.

    Keras calls grouped convolutions so.
    """
    if not any(op.type.endswith("PartitionedCall") for op in frozen.graph.get_operations()):
        return frozen
    nodes = frozen.graph.as_graph_def()
    functions = nodes.library.function
    for holder in (*functions, *nodes.node, *(node for f in functions for node in f.node_def)):
        for attribute in ("_XlaMustCompile", "_noinline"):
            holder.attr.pop(attribute, None)
        for value in holder.attr.values():
            if value.func.name:
                value.func.name += _RENAMED
    for function in functions:
        # TensorFlow knows the function by its old name as it was.
        function.signature.name += _RENAMED
    ends = [[tensor.name for tensor in tensors] for tensors in (frozen.inputs, frozen.outputs)]
    return convert_variables_to_constants_v2(function_from_graph_def(nodes, *ends))


def first_line(error: BaseException) -> str:
    """The first line of an exception's message, without a final stop."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0].strip().rstrip(".")[:200]


def _ordered(last, *, control: bool = True) -> list[Any]:
    """`last` and everything that it depends on, inputs first.

    Args:
        last: A `tf.Operation`.
        control: Whether what must merely run before counts too.
    """
    ordered, done, waiting = [], set(), [(last, False)]
    while waiting:
        op, ready = waiting.pop()
        if ready:
            ordered.append(op)
        elif op.name not in done:
            done.add(op.name)
            waiting.append((op, True))
            before = [*(op.control_inputs if control else ()), *(t.op for t in op.inputs)]
            waiting += [(other, False) for other in reversed(before) if other.name not in done]
    return ordered


class Constants:
    """The values of tensors that do not depend on the picture."""

    def __init__(self, graph: FrozenGraph):
        self._known: set[str] = set()
        for op in graph.operators:
            shaped = op.type == "Shape" and op.inputs[0].shape.is_fully_defined()
            if op.type in _FOLDED and (shaped or all(t.op.name in self._known for t in op.inputs)):
                self._known.add(op.name)

    def __contains__(self, tensor) -> bool:
        return tensor.op.name in self._known

    def __getitem__(self, tensor) -> np.ndarray:
        if tensor.op.type == "Const":
            return tf.make_ndarray(tensor.op.get_attr("value"))
        # Every operator behind it is a pure one of `_FOLDED`; shapes are known without the picture.
        nodes = tf.compat.v1.GraphDef()
        for op in _ordered(tensor.op, control=False):
            if op.name in self._known:
                nodes.node.append(_as_constant(op) if op.type == "Shape" else op.node_def)
                inputs = [name for name in nodes.node[-1].input if not name.startswith("^")]
                nodes.node[-1].ClearField("input")
                nodes.node[-1].input.extend(inputs)
        with tf.Graph().as_default() as alone:
            (found,) = tf.import_graph_def(nodes, return_elements=[tensor.name], name="")
            with tf.compat.v1.Session(graph=alone) as session:
                return np.asarray(session.run(found))


def _as_constant(op):
    dtype = op.outputs[0].dtype
    values = np.array(op.inputs[0].shape.as_list(), dtype.as_numpy_dtype)
    made = tf.compat.v1.NodeDef(name=op.name, op="Const")
    made.attr["dtype"].type = dtype.as_datatype_enum
    made.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(values))
    return made
