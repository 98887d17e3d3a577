"""A frozen graph of TensorFlow in one `.pb` file: its input, its output, and what lies between."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import tensorflow as tf
from tensorflow.core.framework import graph_pb2

from sr_models.ground.errors import NetworkError
from sr_models.importing.channels_first import TO_FIRST, TO_LAST, first_output, with_channels_last
from sr_models.importing.ends import TOLD_BY_ITSELF, Ends, output_place, shown
from sr_models.importing.frozen_graph import first_line, traced_by_shape
from sr_models.importing.graph_batches import of_batch_one
from sr_models.importing.graph_nodes import GraphNodes, damaged, name_of, read_graph
from sr_models.importing.operator_reader import UNFITTING
from sr_models.importing.plain_names import plain

_MOST_ENDS = 16
_SIDE = 64
_GUESSES = ([None, None, None, 3], [None, 3, None, None], [None, None, None, 1])
"""Shapes of an input that says none."""


@dataclass(frozen=True)
class GraphFile:
    """A network read from a frozen graph.

    Attributes:
        function: The graph, of one picture tensor.
        input_shape: Shape of its input as (N, H, W, C).
        dtype: Type of its input, e.g. `"float32"`.
        notes: What was taken for picture and output, in sentences.
    """

    function: Callable
    input_shape: tuple[int | None, ...]
    dtype: str
    notes: tuple[str, ...]


def load_graph_file(path: str | Path, ends: Ends = TOLD_BY_ITSELF) -> GraphFile:
    """Open a frozen graph.

    Args:
        path: A `.pb` file that holds one `GraphDef`, with channels first or last.
        ends: Which input and output to take where names do not tell.

    Raises:
        NetworkError: No such file, a damaged or a hostile one, an operator that is not on the list,
            or several pictures.
    """
    path = Path(path)
    graph = GraphNodes(read_graph(path), path)
    candidates = graph.outputs(ends.output)
    source, notes = graph.input(ends.input, candidates)
    reached = graph.reached(source)
    candidates = [name for name in candidates if name_of(name) in reached]
    if not candidates:
        raise NetworkError(
            f"expected an output that depends on {plain(source)}, found none in {path}; change "
            "--input or --output"
        )
    found = network_of(graph, source, {name: name for name in candidates})
    return replace(found, notes=(*notes, *found.notes))


def network_of(graph: GraphNodes, source: str, outputs: Mapping[str, str]) -> GraphFile:
    """The network from a picture to the one of several outputs that is upscaled.

    Args:
        graph: The nodes.
        source: Name of the node that gives the picture.
        outputs: What each output is called, and its tensor.

    Raises:
        NetworkError: An operator that is not on the list, a damaged graph, or several pictures.
    """
    found, errors = [], []
    for name, tensor in list(outputs.items())[:_MOST_ENDS]:
        try:
            found.append((name, _network(graph, source, tensor)))
        except NetworkError as error:
            errors.append(error)
    if not found:
        raise errors[0]
    names = [name for name, _ in found]
    low = found[0][1].input_shape
    fixed = (1, low[1] or _SIDE, low[2] or _SIDE, low[3])
    shapes = [_shape_of(network, fixed) for _, network in found]
    try:
        place = output_place(names, shapes, fixed, asked=None)
    except NetworkError:
        if errors:  # The picture may be what could not be read.
            raise errors[0] from None
        raise
    name, network = found[place]
    of = f" of {shown(names)}" if names[1:] else ""
    return replace(network, notes=(f"took the output {name}{of}",))


def _shape_of(network: GraphFile, shape) -> list[int] | None:
    with tf.Graph().as_default():
        answer = network.function(tf.compat.v1.placeholder(network.dtype, shape))
        return None if answer.shape.rank is None else answer.shape.as_list()


def _network(graph: GraphNodes, source: str, output: str) -> GraphFile:
    """The part of the graph between two nodes, as a function of a picture with channels last.

    Raises:
        NetworkError: Another input, an operator that is not on the list, or a damaged graph.
    """
    nodes = graph_pb2.GraphDef(versions=graph.versions)
    place = graph.place_read(source, output)
    tensor = output if ":" in output else f"{output}:0"
    nodes.node.extend(graph.between(source, tensor, place))
    kind, shape = graph.declared(graph.nodes[source], place)
    try:
        of_batch_one(nodes, shape[0] if shape is not None and len(shape) == 4 else None)
        nodes, fetch = with_channels_last(nodes), first_output(nodes, tensor)
    except UNFITTING as error:
        raise damaged(graph.path, first_line(error)) from error
    reasons = []
    for guess in _GUESSES if shape is None or shape[1] is shape[-1] is None else [shape]:
        sizes = _sizes(guess)
        made = _importer(nodes, f"{source}:0", fetch, guess)
        network = GraphFile(made, sizes, kind.name, ())
        try:
            _shape_of(network, (1, sizes[1] or _SIDE, sizes[2] or _SIDE, sizes[3] or 3))
            return network
        except Exception as error:  # Whatever TensorFlow says of a graph that does not fit.
            reasons.append(first_line(error))
    raise damaged(graph.path, reasons[0])


def _layout(shape: list[int | None]) -> str:
    return "NHWC" if shape[-3] not in (1, 3) or shape[-1] in (1, 3) else "NCHW"


def _sizes(shape: list[int | None]) -> tuple[int | None, ...]:
    sizes = dict(zip(_layout(shape)[-len(shape) :], shape))
    return None, sizes["H"], sizes["W"], sizes["C"]


def _importer(nodes, feed: str, fetch: str, shape) -> Callable:
    """The graph as a TensorFlow function of one picture with channels last, of a batch of 1."""
    layout = _layout(shape)

    def upscale(x):
        channels = x.shape[-1]
        given = tf.transpose(x, TO_FIRST) if layout == "NCHW" else x
        given = tf.squeeze(given, 0) if len(shape) == 3 else given
        (answer,) = tf.import_graph_def(
            nodes, input_map={feed: given}, return_elements=[fetch], name=""
        )
        if answer.shape.rank == 3:
            answer = tf.expand_dims(answer, 0)
        sizes = answer.shape.as_list() if answer.shape.rank == 4 else [None] * 4
        if sizes[1] == channels != sizes[3]:
            answer = tf.transpose(answer, TO_LAST)
        return answer

    return traced_by_shape(upscale)
