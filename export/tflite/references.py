"""Whether every index in a file's tables names something that is there."""

from __future__ import annotations

from collections.abc import Iterable

from ai_edge_litert import schema_py_generated as schema


class BadReference(Exception):
    """An index that names nothing, or an order in which the graph cannot be run."""


def check_references(tables: schema.ModelT) -> None:
    """Check indices of tensors, buffers, operator codes and subgraphs, and the order of operators.

    A file lists its operators in the order in which they run; one that reads what only a later one
    writes, itself included, is a cycle.

    Raises:
        BadReference: With what is wrong.
    """
    buffers = len(_list(tables.buffers))
    graphs = _list(tables.subgraphs)
    if not graphs:
        raise BadReference("it has no graph")
    for graph in graphs:
        _check_graph(graph, buffers=buffers, codes=len(_list(tables.operatorCodes)))
    _require((entry.buffer for entry in _list(tables.metadata)), buffers, "metadata", "buffer")
    _require(_list(tables.metadataBuffer), buffers, "metadata", "buffer")
    for signature in _list(tables.signatureDefs):
        _require([signature.subgraphIndex], len(graphs), "a signature", "graph")
        count = len(_list(graphs[signature.subgraphIndex].tensors))
        maps = [*_list(signature.inputs), *_list(signature.outputs)]
        _require((entry.tensorIndex for entry in maps), count, "a signature", "tensor")


def _check_graph(graph: schema.SubGraphT, *, buffers: int, codes: int) -> None:
    tensors, operators = _list(graph.tensors), _list(graph.operators)
    _require((tensor.buffer for tensor in tensors), buffers, "a tensor", "buffer")
    _require(_list(graph.inputs), len(tensors), "the graph", "tensor")
    _require(_list(graph.outputs), len(tensors), "the graph", "tensor")
    written_by: dict[int, int] = {}
    for place, operator in enumerate(operators):
        who = f"operator {place}"
        _require([operator.opcodeIndex], codes, who, "operator code")
        _require(_list(operator.inputs), len(tensors), who, "tensor", absent=True)
        _require(_list(operator.outputs), len(tensors), who, "tensor")
        _require(_list(operator.intermediates), len(tensors), who, "tensor", absent=True)
        for tensor in _list(operator.outputs):
            if int(tensor) in written_by:
                raise BadReference(f"{who} writes tensor {tensor}, and so does another operator")
            written_by[int(tensor)] = place
    for place, operator in enumerate(operators):
        for tensor in _list(operator.inputs):
            if written_by.get(int(tensor), -1) >= place:
                raise BadReference(
                    f"operator {place} reads tensor {tensor} before operator "
                    f"{written_by[int(tensor)]} writes it"
                )


def _require(
    indices: Iterable[int], count: int, who: str, what: str, *, absent: bool = False
) -> None:
    for index in indices:
        if not (-1 if absent else 0) <= index < count:
            raise BadReference(f"{who} names {what} {index} of {count}")


def _list(values) -> list:
    return [] if values is None else list(values)
