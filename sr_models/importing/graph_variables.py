"""Variables of a graph of TensorFlow 1 as constants, read from the checkpoint beside it."""

from __future__ import annotations

from math import prod
from pathlib import Path

import tensorflow as tf
from tensorflow.core.framework import graph_pb2, node_def_pb2

from sr_models.ground.errors import NetworkError
from sr_models.importing.frozen_graph import first_line

LARGEST = 512 << 20
"""Bytes of all variables together."""
_VARIABLES = ("VariableV2", "Variable", "VarHandleOp")


def with_variables(nodes: graph_pb2.GraphDef, folder: Path) -> graph_pb2.GraphDef:
    """The graph with a constant in the place of each variable that the checkpoint holds.

    Args:
        nodes: A graph that `saved_model.pb` holds.
        folder: Its folder, with `variables/variables.index` and its data.

    Raises:
        NetworkError: A checkpoint that is missing, damaged or too large.
    """
    made = graph_pb2.GraphDef()
    made.CopyFrom(nodes)
    made.ClearField("library")
    variables = [node for node in made.node if node.op in _VARIABLES]
    if not variables:
        return made
    try:
        reader = tf.train.load_checkpoint(str(folder / "variables" / "variables"))
        shapes = reader.get_variable_to_shape_map()
        if sum(4 * prod(shapes.get(_key(node), ())) for node in variables) > LARGEST:
            raise NetworkError(f"expected at most {LARGEST >> 20} MiB in {folder}, found more")
        for node in variables:
            if _key(node) in shapes:
                _hold(node, reader.get_tensor(_key(node)))
    except NetworkError:
        raise
    except Exception as error:  # Whatever TensorFlow raises for damaged data.
        raise NetworkError(
            f"expected the variables of a SavedModel, found none that can be read in {folder} "
            f"({first_line(error)}); save the network anew"
        ) from error
    for node in made.node:
        if node.op == "ReadVariableOp":
            kind = node.attr["dtype"].type
            node.op = "Identity"
            node.attr.clear()
            node.attr["T"].type = kind
    return made


def _key(node: node_def_pb2.NodeDef) -> str:
    shared = node.attr["shared_name"].s.decode("ascii", "replace")
    return shared if node.op == "VarHandleOp" and shared else node.name


def _hold(node: node_def_pb2.NodeDef, values) -> None:
    node.op = "Const"
    node.ClearField("input")
    node.attr.clear()
    node.attr["dtype"].type = tf.as_dtype(values.dtype).as_datatype_enum
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(values))
