"""Operators with channels first, each as the same operator with channels last between transposes.

TensorFlow runs few of them on a CPU. The graph stays the same function of the same inputs.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import graph_pb2, node_def_pb2

FIRST, LAST = "NCHW", "NHWC"
TO_LAST, TO_FIRST = (0, 2, 3, 1), (0, 3, 1, 2)
_LISTS = ("strides", "ksize", "dilations")
_PICTURES = {
    "Conv2D": 0,
    "DepthwiseConv2dNative": 0,
    "Conv2DBackpropInput": 2,
    "BiasAdd": 0,
    "FusedBatchNorm": 0,
    "FusedBatchNormV2": 0,
    "FusedBatchNormV3": 0,
    "DepthToSpace": 0,
    "SpaceToDepth": 0,
    "MaxPool": 0,
    "AvgPool": 0,
}
"""Operator -> which of its inputs is the picture."""


def have_channels_first(nodes: Iterable[node_def_pb2.NodeDef]) -> bool:
    """Whether any of the operators takes channels first."""
    return any(map(_is_first, nodes))


def with_channels_last(nodes: graph_pb2.GraphDef) -> graph_pb2.GraphDef:
    """A graph in which no known operator takes channels first; others stay, to be refused."""
    made = graph_pb2.GraphDef()
    made.CopyFrom(nodes)
    del made.node[:]
    renamed: dict[str, str] = {}
    for node in nodes.node:
        if not _is_first(node):
            made.node.add().CopyFrom(node)
            continue
        new, place = made.node.add(), _PICTURES[node.op]
        new.CopyFrom(node)
        new.attr["data_format"].s = LAST.encode()
        for name in _LISTS:
            if name in new.attr:
                _permute(new.attr[name].list.i, TO_LAST)
        pads = new.attr["explicit_paddings"].list.i if "explicit_paddings" in new.attr else []
        if len(pads) == 8:
            pads[:] = np.reshape(pads, (4, 2))[list(TO_LAST)].reshape(-1).tolist()
        kind = node.attr["T"]
        new.input[place] = _transposed(made, node.input[place], f"{node.name}_last", TO_LAST, kind)
        if node.op == "Conv2DBackpropInput":
            new.input[0] = _gathered(made, node.input[0], f"{node.name}_size", TO_LAST)
        renamed[node.name] = _transposed(made, node.name, f"{node.name}_first", TO_FIRST, kind)
    for node in made.node:
        for place, name in enumerate(node.input):
            plain = name.removesuffix(":0")
            if plain in renamed and node.name != renamed[plain]:
                node.input[place] = renamed[plain]
    return made


def first_output(nodes: graph_pb2.GraphDef, tensor: str) -> str:
    """What a tensor is called behind `with_channels_last`."""
    name = tensor.removesuffix(":0")
    changed = any(node.name == name and _is_first(node) for node in nodes.node)
    return f"{name}_first:0" if changed else tensor


def _is_first(node: node_def_pb2.NodeDef) -> bool:
    return node.op in _PICTURES and node.attr["data_format"].s == FIRST.encode()


def _permute(values, order) -> None:
    if len(values) == 4:
        values[:] = [values[i] for i in order]


def _held(nodes: graph_pb2.GraphDef, name: str, values) -> str:
    node = nodes.node.add(name=name, op="Const")
    array = np.array(values, np.int32)
    node.attr["dtype"].type = tf.int32.as_datatype_enum
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(array))
    return name


def _transposed(nodes: graph_pb2.GraphDef, source: str, name: str, order, kind) -> str:
    node = nodes.node.add(name=name, op="Transpose")
    node.input.extend([source, _held(nodes, f"{name}/order", order)])
    node.attr["T"].CopyFrom(kind)
    node.attr["Tperm"].type = tf.int32.as_datatype_enum
    return name


def _gathered(nodes: graph_pb2.GraphDef, source: str, name: str, order) -> str:
    node = nodes.node.add(name=name, op="GatherV2")
    axis = _held(nodes, f"{name}/axis", 0)
    node.input.extend([source, _held(nodes, f"{name}/order", order), axis])
    for attribute in ("Tparams", "Tindices", "Taxis"):
        node.attr[attribute].type = tf.int32.as_datatype_enum
    return name
