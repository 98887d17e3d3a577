"""Functions that a graph of TensorFlow calls, written out in the place of their calls.

Keras calls grouped convolutions so, and freezing leaves such calls as they are. Nothing is run:
nodes of the function's body are copied beside the caller's, under the call's name. What a body
reads is called `node:output:place` there and `node:place` in a graph.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tensorflow.core.framework import function_pb2, graph_pb2, node_def_pb2
from tensorflow.python.framework import op_def_registry

from sr_models.importing.plain_names import plain

_CALLS = ("PartitionedCall", "StatefulPartitionedCall")
_DEEPEST = 16
_MOST_IN_BODY = 10_000


def without_calls(graph: graph_pb2.GraphDef, *, most: int) -> graph_pb2.GraphDef:
    """The graph with the bodies of its functions in place of each call; itself without calls.

    Args:
        graph: Nodes, and functions in its library.
        most: Nodes that may be written out, calls among them.

    Raises:
        ValueError: A call of what the library lacks, functions that call each other in a circle,
            more nodes than `most`, or a body that reads what is not there.
    """
    functions = {function.signature.name: function for function in graph.library.function}
    if not any(_called(node, functions) for node in graph.node):
        return graph
    made = graph_pb2.GraphDef(versions=graph.versions)
    nodes, aliases = _written_out(graph.node, functions, left=[most], depth=0)
    made.node.extend(nodes)
    _rename(made.node, aliases)
    return made


def _called(node: node_def_pb2.NodeDef, functions: Mapping[str, object]) -> str | None:
    """The name of the function that a node calls; `None` for an operator."""
    if node.op in _CALLS:
        name = node.attr["f"].func.name
        if name not in functions:
            raise ValueError(f"{plain(node.name)} calls {plain(name)}, which is not there")
        return name
    return node.op if node.op in functions else None


def _written_out(
    nodes: Iterable[node_def_pb2.NodeDef],
    functions: Mapping[str, function_pb2.FunctionDef],
    *,
    left: list[int],
    depth: int,
) -> tuple[list[node_def_pb2.NodeDef], dict[str, str]]:
    """Nodes without calls, and for each tensor of a call the tensor that stands for it.

    `left` counts down what may still be written, so that a few functions that call each other many
    times do not become a graph without end.
    """
    if depth > _DEEPEST:
        raise ValueError("functions call each other without end")
    made: list[node_def_pb2.NodeDef] = []
    aliases: dict[str, str] = {}
    for node in nodes:
        left[0] -= 1
        if left[0] < 0:
            raise ValueError("too many nodes once functions are written out")
        name = _called(node, functions)
        if name is None:
            made.append(node)
        else:
            body, results = _body(node, functions[name], functions)
            body, inner = _written_out(body, functions, left=left, depth=depth + 1)
            made += body
            aliases |= inner
            aliases |= {f"{node.name}:{place}": tensor for place, tensor in enumerate(results)}
    return made, aliases


def _body(
    call: node_def_pb2.NodeDef,
    function: function_pb2.FunctionDef,
    functions: Mapping[str, function_pb2.FunctionDef],
) -> tuple[list[node_def_pb2.NodeDef], list[str]]:
    """Nodes of a function under its call's name, and the tensors that it returns."""
    given = [name for name in call.input if not name.startswith("^")]
    arguments = [argument.name for argument in function.signature.input_arg]
    if len(given) != len(arguments):
        raise ValueError(f"{plain(call.name)} gives {len(given)} of {len(arguments)} arguments")
    if len(function.node_def) > _MOST_IN_BODY:
        raise ValueError(f"{plain(call.name)} calls a function of more than {_MOST_IN_BODY} nodes")
    own = {node.name: node for node in function.node_def}
    known = dict(zip(arguments, given))

    def outside(name: str) -> str:
        if name in known:
            return known[name]
        node, output, place = (*name.split(":"), "0", "0")[:3]
        if node not in own:
            raise ValueError(f"{plain(call.name)} reads {plain(name)}, which its function lacks")
        place = _place(own[node], output, int(place), functions)
        return f"{call.name}/{node}:{place}"

    made = []
    for node in function.node_def:
        copy = node_def_pb2.NodeDef()
        copy.CopyFrom(node)
        copy.name = f"{call.name}/{node.name}"
        # What must merely run before reads and writes nothing in a frozen graph.
        reads = [outside(name) for name in node.input if not name.startswith("^")]
        del copy.input[:]
        copy.input.extend(reads)
        for key, value in node.attr.items():
            if value.placeholder:
                copy.attr[key].CopyFrom(call.attr["f"].func.attr[value.placeholder])
        made.append(copy)
    returned = [function.ret[output.name] for output in function.signature.output_arg]
    return made, [outside(name) for name in returned]


def _place(
    node: node_def_pb2.NodeDef,
    output: str,
    place: int,
    functions: Mapping[str, function_pb2.FunctionDef],
) -> int:
    """The number of a node's output, of which a body says the name and the place in it."""
    if node.op in functions:
        outputs = functions[node.op].signature.output_arg
    else:
        known = op_def_registry.get(node.op)
        outputs = () if known is None else known.output_arg
    before = 0
    for argument in outputs:
        if argument.name == output:
            return before + place
        if argument.number_attr:
            before += node.attr[argument.number_attr].i
        elif argument.type_list_attr:
            before += len(node.attr[argument.type_list_attr].list.type)
        else:
            before += 1
    raise ValueError(f"{plain(node.name)} has no output {plain(output)}")


def _rename(nodes: Iterable[node_def_pb2.NodeDef], aliases: Mapping[str, str]) -> None:
    """Let nodes read what stands for the tensors of calls."""
    called = {name.rpartition(":")[0] for name in aliases}
    for node in nodes:
        reads = []
        for name in node.input:
            if name.startswith("^"):
                reads += [] if name[1:] in called else [name]
                continue
            full = name if ":" in name else f"{name}:0"
            seen = 0
            while full in aliases:  # A function may return what another returned.
                full, seen = aliases[full], seen + 1
                full = full if ":" in full else f"{full}:0"
                if seen > len(aliases):
                    raise ValueError(f"{plain(node.name)} reads itself")
            reads.append(full.removesuffix(":0"))
        if list(node.input) != reads:
            del node.input[:]
            node.input.extend(reads)
