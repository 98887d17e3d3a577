"""A frozen function in float32 that was written for half precision, operator by operator the same.

Mixed-precision networks keep float32 weights and compute in float16 or bfloat16. What they compute
is read and held against in float32, where nothing of theirs is rounded.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import types_pb2
from tensorflow.python.eager.wrap_function import function_from_graph_def

_NARROW = {types_pb2.DT_HALF: 2.0**-11, types_pb2.DT_BFLOAT16: 2.0**-8}
"""Type -> the relative error that rounding to it makes."""
_WIDE = types_pb2.DT_FLOAT
_RENAMED = "_wide"


def rounding_step(graph: tf.Graph) -> float:
    """The relative error of the narrowest type that a graph computes in; 0 for float32."""
    nodes = graph.as_graph_def()
    found = {
        value.type
        for node in (*nodes.node, *(n for f in nodes.library.function for n in f.node_def))
        for value in node.attr.values()
    }
    return max((step for kind, step in _NARROW.items() if kind in found), default=0.0)


def in_float32(frozen):
    """The same concrete function with every narrow number a float32.

    Args:
        frozen: Without variables.
    """
    nodes = frozen.graph.as_graph_def()
    functions = nodes.library.function
    for node in (*nodes.node, *(n for f in functions for n in f.node_def), *functions):
        for value in node.attr.values():
            _widen(value)
    for function in functions:
        for argument in (*function.signature.input_arg, *function.signature.output_arg):
            argument.type = _WIDE if argument.type in _NARROW else argument.type
        function.signature.name += _RENAMED
    ends = [[tensor.name for tensor in tensors] for tensors in (frozen.inputs, frozen.outputs)]
    return function_from_graph_def(nodes, *ends)


def _widen(value) -> None:
    if value.type in _NARROW:
        value.type = _WIDE
    for place, kind in enumerate(value.list.type):
        value.list.type[place] = _WIDE if kind in _NARROW else kind
    if value.func.name:
        value.func.name += _RENAMED
    for function in value.list.func:
        function.name += _RENAMED
    if value.HasField("tensor") and value.tensor.dtype in _NARROW:
        array = np.asarray(tf.make_ndarray(value.tensor), np.float32)
        value.tensor.CopyFrom(tf.make_tensor_proto(array))
