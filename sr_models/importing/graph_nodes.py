"""The nodes of a frozen graph of TensorFlow, as data: what depends on what, what may be imported.

Importing runs nothing, but TensorFlow computes shapes as it does it. So the part between picture
and output is cut out first, and every operator in it must be one that reads and writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import prod
from pathlib import Path

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.framework import graph_pb2, node_def_pb2

from sr_models.ground.errors import LayerError, NetworkError
from sr_models.importing.ends import place_of, shown
from sr_models.importing.graph_functions import without_calls
from sr_models.importing.plain_names import plain
from sr_models.importing.protobuf_wire import FROZEN_GRAPH, require_moderate
from sr_models.importing.reading import read_types

LARGEST = 512 << 20
MOST_NODES = 50_000
_MOST_NUMBERS = 1 << 27
_SCALARS_KNOWN = 24
"""Version of graphs from which on a placeholder without axes is one number."""
_PICTURES = ("Placeholder", "PlaceholderV2", "PlaceholderWithDefault", "IteratorGetNext")
_INPUTS = ("input", "inputs", "input_image", "lr", "lr_image", "iteratorgetnext")
_OUTPUTS = ("output", "outputs", "nchw_output", "nhwc_output", "sr", "sr_image")
"""Names that tell, where there are several."""
_NO_ENDS = ("Const", "NoOp", "Placeholder", "Assert", "Print", "PrintV2", "SaveV2", "RestoreV2")
_REFUSED_BY_READERS_NAMES = """
    Softmax LogSoftmax Mean Sum Max Min Prod MatMul BatchMatMul BatchMatMulV2 BatchMatMulV3
    Einsum Erf Erfc Exp Log Log1p Softplus Softsign Elu Selu SquaredDifference MaxPool
    AvgPool MirrorPad ResizeBicubic ResizeArea LRN Sign Abs Conv3D Select SelectV2 Greater
    GreaterEqual Less LessEqual Equal L2Loss ReverseV2 SplitV Unpack Conv1D
    FakeQuantWithMinMaxVars FakeQuantWithMinMaxVarsPerChannel FakeQuantWithMinMaxArgs
"""
_REFUSED_BY_READERS = frozenset(_REFUSED_BY_READERS_NAMES.split())
"""Pure operators that are imported so that the reader says what they are a part of."""


def read_graph(path: Path) -> graph_pb2.GraphDef:
    try:
        if path.stat().st_size > LARGEST:
            raise NetworkError(
                f"expected at most {LARGEST >> 20} MiB in a frozen graph, found more: {path}"
            )
        content = path.read_bytes()
    except OSError as error:
        raise NetworkError(
            f"expected a frozen graph, found none that can be read: {path} ({error.strerror}); "
            "check the path"
        ) from error
    if content[:1] == b"\x08":  # Begins with the number of a schema.
        raise NetworkError(
            f"expected a frozen graph, found the graph of a SavedModel: {path}; give its folder: "
            f"{path.parent}"
        )
    require_moderate(content, str(path), FROZEN_GRAPH)
    nodes = graph_pb2.GraphDef()
    try:
        nodes.ParseFromString(content)
    except (DecodeError, RecursionError) as error:
        raise damaged(path) from error
    if not nodes.node:
        raise damaged(path)
    if len(nodes.node) > MOST_NODES:
        raise NetworkError(
            f"expected at most {MOST_NODES} nodes, found {len(nodes.node)} in {path}; give a "
            "super-resolution network"
        )
    return nodes


def damaged(path: Path, why: str = "") -> NetworkError:
    why = f" ({why})" if why else ""
    return NetworkError(
        f"expected a whole frozen graph, found a damaged or another one: {path}{why}; freeze the "
        "network anew"
    )


def _said(name: str) -> str:
    return name.rpartition("/")[2].lower()


def name_of(tensor: str) -> str:
    return tensor.removeprefix("^").partition(":")[0]


class GraphNodes:
    """The nodes of a file by name, and what depends on what."""

    def __init__(self, nodes: graph_pb2.GraphDef, path: Path):
        try:
            nodes = without_calls(nodes, most=MOST_NODES)
        except (ValueError, TypeError) as error:
            raise damaged(path, str(error)) from error
        self.path, self.nodes = path, {node.name: node for node in nodes.node}
        if len(self.nodes) != len(nodes.node) or not all(self.nodes):
            raise damaged(path, "two nodes of one name, or one without")
        for node in nodes.node:
            texts = (node.name, node.op, *node.input, *node.attr)
            if not all(isinstance(text, str) for text in texts):
                raise damaged(path, "names that are no text")
            if missing := [name for name in node.input if name_of(name) not in self.nodes]:
                raise damaged(path, f"{plain(node.name)} reads {plain(missing[0])}, which is not")
        self.versions = nodes.versions
        self.readers: dict[str, list[str]] = {name: [] for name in self.nodes}
        for node in nodes.node:
            for name in node.input:
                self.readers[name_of(name)].append(node.name)

    def needed(self, *outputs: str) -> set[str]:
        """Names of all nodes that outputs depend on."""
        return self._found(outputs, lambda name: map(name_of, self.nodes[name].input))

    def reached(self, *sources: str) -> set[str]:
        """Names of all nodes that depend on some."""
        return self._found(sources, self.readers.__getitem__)

    def _found(self, names: Iterable[str], beside: Callable[[str], Iterable[str]]) -> set[str]:
        found, waiting = set(), list(map(name_of, names))
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += beside(name)
        return found

    def outputs(self, asked: str | None) -> list[str]:
        """Names of the nodes that nothing reads, or the one that is asked for.

        Raises:
            NetworkError: No such node, or none at all.
        """
        ends = [
            name
            for name, node in self.nodes.items()
            if not self.readers[name] and node.op not in _NO_ENDS and "Summary" not in node.op
        ]
        if asked is not None:
            if name_of(asked) in self.nodes:
                return [asked]
            return [ends[place_of(asked, ends, what="output")]]
        if not ends:
            raise damaged(self.path, "every node is read by another")
        sources = [name for name, node in self.nodes.items() if node.op in _PICTURES]
        reached = self.reached(*sources)
        pictures = [name for name in ends if name in reached]
        given = self.needed(*pictures).intersection(sources)
        if len(pictures) + len(given) > 2:
            # Of a graph with its loss, what people freeze for inference is called so.
            told = [n for n, node in self.nodes.items() if _said(n) in _OUTPUTS]
            told = [name for name in told if self.nodes[name].op not in _NO_ENDS]
            pictures = told if len(told) == 1 else pictures
        return pictures or ends

    def input(self, asked: str | None, outputs: list[str]) -> tuple[str, tuple[str, ...]]:
        """Name of the node that gives the picture, and what was taken, in sentences.

        Raises:
            NetworkError: None, or several that may be it.
        """
        needed = self.needed(*outputs)
        given = [n for n, node in self.nodes.items() if n in needed and node.op in _PICTURES]
        pictures = [name for name in given if self._may_be_picture(self.nodes[name])]
        if asked is not None:
            name = name_of(asked)
            if name not in self.nodes:
                name = given[place_of(asked, given, what="input")]
            return name, (f"took the input {name}",)
        if not pictures:
            raise NetworkError(
                f"expected a placeholder or an iterator that gives a picture, found "
                f"{shown(given)} in {self.path}; say which tensor it is with --input NAME"
            )
        told = [name for name in pictures if _said(name) in _INPUTS]
        if len(told) == 1:
            pictures = told
        if pictures[1:]:
            raise NetworkError(
                f"expected one input, found {len(pictures)} in {self.path}: {shown(pictures)}; say "
                "which takes the picture with --input NAME"
            )
        return pictures[0], (f"took the input {pictures[0]}",)

    def _may_be_picture(self, node: node_def_pb2.NodeDef) -> bool:
        kind, shape = self.declared(node)
        known = shape is None or len(shape) in (3, 4)
        return known and (kind.is_floating or kind in (tf.uint8, tf.int32))

    def between(self, source: str, output: str, place: int) -> list[node_def_pb2.NodeDef]:
        """Copies of the nodes between, each after its inputs; the source's inputs are cut off."""
        made, done, entered = [], set(), set()
        between = self.needed(name_of(output)) & self.reached(source)
        unread = sorted({plain(self.nodes[n].op) for n in between} - _importable())
        waiting = [(name_of(output), False)]
        while waiting:
            name, ready = waiting.pop()
            if ready:
                done.add(name)
                fed = name == source
                made.append(self._fed(name, place) if fed else self._copy(name, source, unread))
            elif name in entered and name not in done:
                raise damaged(self.path, f"a circle through {plain(name)}")
            elif name not in done:
                entered.add(name)
                waiting.append((name, True))
                if name != source:
                    before = map(name_of, self.nodes[name].input)
                    waiting += [(n, False) for n in before if n not in done]
        return made

    def _copy(self, name: str, source: str, others: Iterable[str]) -> node_def_pb2.NodeDef:
        node = node_def_pb2.NodeDef()
        node.CopyFrom(self.nodes[name])
        node.ClearField("device")
        for attribute in [key for key in node.attr if key.startswith("_")]:
            del node.attr[attribute]
        for place, given in enumerate(node.input):
            if name_of(given) == source and not given.startswith("^"):
                node.input[place] = source
        if node.op == "PlaceholderWithDefault":  # Of what no picture is: its default.
            kind = node.attr["dtype"].type
            inputs = list(node.input)
            node = node_def_pb2.NodeDef(name=name, op="Identity", input=inputs)
            node.attr["T"].type = kind
        elif node.op in _PICTURES:
            raise NetworkError(
                f"expected one input, found that the output depends on {plain(name)} too; freeze "
                "the network for inference, or say with --input and --output which part to take"
            )
        if node.op not in _importable():
            raise LayerError(
                f"expected layers that run in full integer, found {plain(node.op)} "
                f"({plain(name)}); take the layers that docs/networks.md lists in its place",
                [plain(node.op), *others],
            )
        _require_small(node, self.path)
        return node

    def _fed(self, name: str, place: int) -> node_def_pb2.NodeDef:
        """A placeholder in the place of what gives the picture."""
        node = node_def_pb2.NodeDef(name=name, op="Placeholder")
        node.attr["dtype"].type = self.declared(self.nodes[name], place)[0].as_datatype_enum
        return node

    def place_read(self, source: str, output: str) -> int:
        """Which of the tensors that a source gives is read."""
        reading = (name for n in self.needed(output) for name in self.nodes[n].input)
        places = {
            name.partition(":")[2] or "0"
            for name in reading
            if name_of(name) == source and not name.startswith("^")
        }
        if len(places) > 1 or not all(place.isdecimal() for place in places):
            raise NetworkError(
                f"expected one picture, found {len(places)} of {plain(source)} in {self.path}; "
                "give a network that takes one picture"
            )
        return int(*places)

    def declared(
        self, node: node_def_pb2.NodeDef, place: int = 0
    ) -> tuple[tf.DType, list[int | None] | None]:
        """Type and shape of a tensor that a source gives; float32 where it says none."""
        types = [node.attr[n].type for n in ("dtype", "T") if n in node.attr and node.attr[n].type]
        types = list(node.attr["output_types"].list.type) if "output_types" in node.attr else types
        shapes = [node.attr["shape"].shape] if "shape" in node.attr else []
        for name in ("output_shapes", "_output_shapes"):
            shapes = list(node.attr[name].list.shape) if name in node.attr else shapes
        try:
            kind = tf.as_dtype(types[place]) if types[place:] else tf.float32
        except TypeError:
            kind = tf.variant
        known = [s for s in shapes[place : place + 1] if not s.unknown_rank]
        # Older files write an unknown shape as one of no axes.
        if not known or (not known[0].dim and self.versions.producer < _SCALARS_KNOWN):
            return kind, None
        return kind, [d.size if d.size > 0 else None for d in known[0].dim]


def _importable() -> frozenset[str]:
    return read_types() | _REFUSED_BY_READERS


def _require_small(node: node_def_pb2.NodeDef, path: Path) -> None:
    """Raise `NetworkError` for a constant that claims more numbers than a network holds."""
    for tensor in _tensors(node):
        sizes = [dim.size for dim in tensor.tensor_shape.dim]
        if any(size < 0 for size in sizes) or prod(sizes) > _MOST_NUMBERS:
            raise NetworkError(
                f"expected weights of at most {_MOST_NUMBERS} numbers, found the shape "
                f"{sizes[:8]} ({plain(node.name)}) in {path}; freeze the network anew"
            )


def _tensors(node: node_def_pb2.NodeDef) -> Iterable:
    for value in node.attr.values():
        if value.HasField("tensor"):
            yield value.tensor
        yield from value.list.tensor
