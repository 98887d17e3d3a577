"""A graph that was built for so many pictures at once, changed to take one."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import graph_pb2


def of_batch_one(nodes: graph_pb2.GraphDef, batch: int | None) -> None:
    """Change the sizes in a graph that hold the number of pictures.

    Those are sizes of transposed convolutions, and constants that a tensor is reshaped to. Others
    follow from the input.

    Args:
        nodes: The graph; changed.
        batch: How many pictures it was built for; `None` where that is free.
    """
    if batch is None or batch == 1:
        return
    constants = {node.name: node for node in nodes.node if node.op == "Const"}
    for node in list(nodes.node):
        if node.op == "Reshape" and (held := constants.get(node.input[1].removesuffix(":0"))):
            sizes = tf.make_ndarray(held.attr["value"].tensor)
            if sizes.ndim == 1 and sizes.size and sizes[0] == batch:
                one = np.concatenate([np.ones(1, sizes.dtype), sizes[1:]])
                node.input[1] = _held(nodes, f"{node.name}/sizes", one)
        elif node.op == "Conv2DBackpropInput":
            # What was computed from the input is 1 already.
            name = f"{node.name}/size"
            divisor = _held(nodes, f"{name}/batch", np.int32([batch, 1, 1, 1]))
            least = _held(nodes, f"{name}/one", np.int32([1, 1, 1, 1]))
            parts = _computed(nodes, "FloorDiv", f"{name}/divided", node.input[0], divisor)
            node.input[0] = _computed(nodes, "Maximum", name, parts, least)


def _held(nodes: graph_pb2.GraphDef, name: str, values: np.ndarray) -> str:
    node = nodes.node.add(name=name, op="Const")
    node.attr["dtype"].type = tf.as_dtype(values.dtype).as_datatype_enum
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(values))
    return name


def _computed(nodes: graph_pb2.GraphDef, kind: str, name: str, *inputs: str) -> str:
    node = nodes.node.add(name=name, op=kind, input=inputs)
    node.attr["T"].type = tf.int32.as_datatype_enum
    return name
