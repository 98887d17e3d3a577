"""A graph of TensorFlow written node by node, each under a name of its own."""

from __future__ import annotations

import numpy as np
import tensorflow as tf


class NodeWriter:
    """Collects nodes.

    Attributes:
        nodes: The graph so far.
    """

    def __init__(self):
        self.nodes = tf.compat.v1.GraphDef()
        self._names: set[str] = set()

    def node(self, op, inputs=(), *, name: str | None = None):
        """Append a copy of an operator's node that reads other tensors."""
        node = self.nodes.node.add()
        node.CopyFrom(op.node_def)
        del node.input[:]
        node.input.extend(inputs)
        node.attr.pop("_output_shapes", None)
        node.name = self._free(name or op.name)
        return node

    def _free(self, name: str) -> str:
        free, number = name, 1
        while free in self._names:
            number += 1
            free = f"{name}_{number}"
        self._names.add(free)
        return free

    def held(self, values: np.ndarray, near: str) -> str:
        """Append a constant; the name of its tensor."""
        node = self.nodes.node.add(name=self._free(f"{near}/constant"), op="Const")
        values = np.asarray(values)
        node.attr["dtype"].type = tf.as_dtype(values.dtype).as_datatype_enum
        node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(values))
        return f"{node.name}:0"

    def made(self, kind: str, near: str, inputs, **attributes) -> str:
        """Append a node of a kind, called as what is near; the name of its first tensor."""
        node = self.nodes.node.add(name=self._free(near), op=kind)
        node.input.extend(inputs)
        for name, value in attributes.items():
            entry = node.attr[name]
            if isinstance(value, tf.DType):
                entry.type = value.as_datatype_enum
            else:
                entry.i = value
        return f"{node.name}:0"
