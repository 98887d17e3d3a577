"""Changes to the tables of a `.tflite` file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from export.tflite.operators import name_of
from export.tflite.steps import Link, Obstacle
from sr_models.quantization.grids import Grid


def set_grids(tables: schema.ModelT, grids: Mapping[int, Grid]) -> None:
    """Give tensors of the main subgraph another scale and zero point.

    The range that calibration had seen (`min`, `max`) goes: it told of the old grid.
    """
    for tensor, grid in grids.items():
        quantization = tables.subgraphs[0].tensors[tensor].quantization
        quantization.scale = np.array([grid.scale], np.float32)
        quantization.zeroPoint = np.array([grid.zero_point], np.int64)
        quantization.min = quantization.max = None


def set_constant(
    tables: schema.ModelT, tensor: int, values: np.ndarray, *, scales: np.ndarray
) -> None:
    """Give a constant of the main subgraph other codes and scales.

    Its buffer becomes its own: other tensors that shared the old one keep that.
    """
    table = tables.subgraphs[0].tensors[tensor]
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(values.tobytes(), np.uint8)
    tables.buffers.append(buffer)
    table.buffer = len(tables.buffers) - 1
    if table.quantization is not None and len(scales):
        table.quantization.scale = scales.astype(np.float32)


def set_activations(tables: schema.ModelT, activations: Mapping[int, str]) -> None:
    """Fuse an activation into operators of the main subgraph, by index."""
    for index, name in activations.items():
        operator = tables.subgraphs[0].operators[index]
        number = getattr(schema.ActivationFunctionType, name)
        operator.builtinOptions.fusedActivationFunction = number


def drop_operators(tables: schema.ModelT, links: Iterable[Link]) -> None:
    """Take operators out of the main subgraph and join what stood before and behind them.

    Of the two tensors that become one, the one that the file's user knows by name is kept: an
    output or an input. What the operators alone used goes too (tensors, buffers, operator codes),
    because a runtime asks for a kernel for every operator code that a file lists, used or not, and
    some compilers stumble over tensors that nobody writes. What nobody used before stays.

    Raises:
        Obstacle: Both tensors are inputs or outputs of the file.
    """
    graph, before = tables.subgraphs[0], used(tables)
    dropped = {}
    for link in links:
        dropped[link.op.index] = True
        # An earlier join may have renamed either side.
        operator = graph.operators[link.op.index]
        position = list(link.op.inputs).index(link.source)
        source, target = int(operator.inputs[position]), int(operator.outputs[0])
        if target in graph.outputs:
            if source in graph.outputs or source in graph.inputs:
                raise Obstacle(
                    f"{name_of(link.op)} stands between two inputs or outputs of the file"
                )
            _rename(graph, source, target)
        else:
            _rename(graph, target, source)
    graph.operators = [op for index, op in enumerate(graph.operators) if index not in dropped]
    prune(tables, before)


def merge_tensors(tables: schema.ModelT, equal: Mapping[int, int]) -> None:
    """Let everybody read the earlier one of two equal tensors, and take out what nobody reads then.

    Args:
        tables: The file's tables, changed in place.
        equal: Tensor -> the earlier one that holds the same. Of the two, an output of the file
            keeps its name; then the earlier one must be neither input nor output.
    """
    graph, before = tables.subgraphs[0], used(tables)
    ends = {int(i) for i in _list(graph.outputs)}
    read = _read(graph)
    renamed: dict[int, int] = {}
    for copy, origin in equal.items():
        origin = renamed.get(origin, origin)
        graph.operators = [op for op in graph.operators if copy not in _list(op.outputs)]
        if copy in ends:
            renamed[origin] = copy
            _rename(graph, origin, copy)
        else:
            _rename(graph, copy, origin)
    # Who wrote for a reader that is gone goes, too; what nobody read before stays.
    while True:
        unread = read - _read(graph) - ends
        kept = [op for op in graph.operators if not {int(i) for i in _list(op.outputs)} <= unread]
        if len(kept) == len(graph.operators):
            break
        graph.operators = kept
    prune(tables, before)


def _read(graph: schema.SubGraphT) -> set[int]:
    return {int(i) for op in graph.operators for i in _list(op.inputs)}


def _rename(graph: schema.SubGraphT, old: int, new: int) -> None:
    for operator in graph.operators:
        for side in ("inputs", "outputs"):
            values = getattr(operator, side)
            if values is not None:
                setattr(operator, side, np.where(np.asarray(values) == old, new, values))


def used(tables: schema.ModelT) -> tuple[set[int], set[int], set[int]]:
    """Tensors of the main subgraph, buffers, and operator codes that something refers to."""
    graph = tables.subgraphs[0]
    tensors = {int(i) for i in [*_list(graph.inputs), *_list(graph.outputs)]}
    for operator in graph.operators:
        for values in (operator.inputs, operator.outputs, operator.intermediates):
            tensors |= {int(i) for i in _list(values)}
    for signature in _main_signatures(tables):
        tensors |= {m.tensorIndex for m in [*_list(signature.inputs), *_list(signature.outputs)]}
    buffers = {0, *(entry.buffer for entry in _list(tables.metadata))}
    buffers |= {int(i) for i in _list(tables.metadataBuffer)}
    codes = {op.opcodeIndex for sub in tables.subgraphs for op in _list(sub.operators)}
    return tensors, buffers, codes


def prune(tables: schema.ModelT, before: tuple[set[int], set[int], set[int]]) -> None:
    """Take out what was used `before` a change (see `used`) and is no longer."""
    graph, after = tables.subgraphs[0], used(tables)
    orphans = before[0] - after[0] - {-1}
    candidates = {graph.tensors[i].buffer for i in orphans}
    tensors = _kept(len(graph.tensors), orphans)
    graph.tensors = [graph.tensors[i] for i in tensors]
    graph.inputs = _mapped(graph.inputs, tensors)
    graph.outputs = _mapped(graph.outputs, tensors)
    for operator in graph.operators:
        operator.inputs = _mapped(operator.inputs, tensors)
        operator.outputs = _mapped(operator.outputs, tensors)
        operator.intermediates = _mapped(operator.intermediates, tensors)
    for signature in _main_signatures(tables):
        for entry in [*_list(signature.inputs), *_list(signature.outputs)]:
            entry.tensorIndex = tensors[entry.tensorIndex]

    codes = _kept(len(tables.operatorCodes), before[2] - after[2])
    tables.operatorCodes = [tables.operatorCodes[i] for i in codes]
    for sub in tables.subgraphs:
        for operator in _list(sub.operators):
            operator.opcodeIndex = codes[operator.opcodeIndex]

    held = {t.buffer for sub in tables.subgraphs for t in _list(sub.tensors)} | after[1]
    buffers = _kept(len(tables.buffers), candidates - held)
    tables.buffers = [tables.buffers[i] for i in buffers]
    for sub in tables.subgraphs:
        for tensor in _list(sub.tensors):
            tensor.buffer = buffers[tensor.buffer]
    for entry in _list(tables.metadata):
        entry.buffer = buffers[entry.buffer]
    tables.metadataBuffer = _mapped(tables.metadataBuffer, buffers)


def _kept(count: int, gone: set[int]) -> dict[int, int]:
    """Old index -> new index of what stays, in the old order."""
    return {old: new for new, old in enumerate(i for i in range(count) if i not in gone)}


def _mapped(values, places: Mapping[int, int]):
    if values is None:
        return None
    return np.array([places.get(int(value), int(value)) for value in values], np.int32)


def _main_signatures(tables: schema.ModelT) -> list[schema.SignatureDefT]:
    return [entry for entry in _list(tables.signatureDefs) if entry.subgraphIndex == 0]


def _list(values) -> list:
    return [] if values is None else list(values)
