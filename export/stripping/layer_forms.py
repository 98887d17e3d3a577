"""Convolutions of a file in the form that fills the kernels of the processors that run it.

What `export.methods.pack` does to networks before they are converted, done to a finished file.
Every sum stays the same integer, so that no code changes, whatever kernel computes it:

- Groups joined, with weights of code 0 between channels that know nothing of each other. The
  weights' zero point must be 0, so that such a code adds nothing.
- Neighbours to channels. A convolution of ones and zeros, of scale 1 and on the picture's own grid,
  puts each pixel's row of neighbours into its channels; the weights are only laid out anew.
- A PAD of zeros made part of the convolutions behind it, where those pad by just as much.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from export.running.kernel_cost import LEAST_GAIN
from export.tflite.additions import Additions
from export.tflite.editing import set_constant
from export.tflite.operators import name_of
from sr_models.tflite.flatbuffer import OperatorInfo
from sr_models.tflite.unpacked import UnpackedModel

_AXES = 4
_PADDINGS = (schema.Padding.SAME, schema.Padding.VALID)
_WIDEST = 64
"""Twice the widest tile: beyond it zeros only cost."""
_MOST_COLOURS = 4
"""A picture has no more channels; a wider tensor fills the kernels as it is."""


@dataclass(frozen=True)
class Form:
    """Another form of some operators.

    Attributes:
        operators: The operators, as messages call them.
        what: What is done, in words.
        apply: Changes tables; indices are those of the file that was asked.
        least_gain: Share of the whole file's cost that it must save.
    """

    operators: tuple[str, ...]
    what: str
    apply: Callable[[schema.ModelT], None]
    least_gain: float = LEAST_GAIN


def find_forms(model: UnpackedModel) -> Iterator[Form]:
    """Every other form of a file's operators, alike ones together."""
    convolutions = [op for op in model.graph.operators if _is_plain(model, op)]
    yield from _unpadded(model)
    readers: dict[tuple, list[OperatorInfo]] = {}
    groups: dict[tuple, list[OperatorInfo]] = {}
    for op in convolutions:
        shape, channels = _kernel_shape(model, op), _channels(model, op)
        across = model.graph.tensors[op.inputs[0]].shape[2]
        if channels == shape[3] and channels <= _MOST_COLOURS and 1 < shape[2] <= across:
            readers.setdefault((op.inputs[0], shape[2], _options(model, op).padding), []).append(op)
        elif channels > shape[3] and channels % shape[3] == shape[0] % (channels // shape[3]) == 0:
            groups.setdefault((shape, channels // shape[3]), []).append(op)
    for (_, width, _), ops in readers.items():
        yield Form(
            _named(ops),
            f"reads rows of {width} neighbours as channels",
            lambda tables, ops=ops: _gather(model, tables, ops),
        )
    for (shape, now), ops in groups.items():
        for count in _fewer(now, widest=max(shape[0] // now, shape[3])):
            yield Form(
                _named(ops),
                f"{now} groups become {count}",
                lambda tables, ops=ops, count=count: _join(model, tables, ops, count),
            )


def _fewer(groups: int, *, widest: int) -> list[int]:
    """Numbers of groups to join them to, so that none is wider than any kernel's tile.

    Not one: the interpreter's own kernels round a convolution without groups in another way.
    """
    return [
        count
        for count in range(2, groups)
        if groups % count == 0 and widest * (groups // count) <= _WIDEST
    ]


def _named(ops: list[OperatorInfo]) -> tuple[str, ...]:
    return tuple(name_of(op) for op in ops)


def _options(model: UnpackedModel, op: OperatorInfo):
    return model.tables.subgraphs[0].operators[op.index].builtinOptions


def _kernel_shape(model: UnpackedModel, op: OperatorInfo) -> tuple[int, ...]:
    return model.graph.tensors[op.inputs[1]].shape


def _channels(model: UnpackedModel, op: OperatorInfo) -> int:
    return model.graph.tensors[op.inputs[0]].shape[-1]


def _is_plain(model: UnpackedModel, op: OperatorInfo) -> bool:
    """Whether it is an int8 convolution of stride 1 whose weights are its own and centred on 0."""
    if op.name != "CONV_2D" or len(op.inputs) < 2 or min(op.inputs[:2]) < 0:
        return False
    source, weights = (model.graph.tensors[i] for i in op.inputs[:2])
    options, table = _options(model, op), model.tables.subgraphs[0].tensors[op.inputs[1]]
    if not isinstance(options, schema.Conv2DOptionsT) or options.padding not in _PADDINGS:
        return False
    if source.dtype != "int8" or weights.dtype != "int8" or model.grid(op.inputs[0]) is None:
        return False
    if not weights.scales:
        return False
    if not len(source.shape) == len(weights.shape) == _AXES or table.sparsity is not None:
        return False
    steps = (options.strideH, options.strideW, options.dilationHFactor, options.dilationWFactor)
    zero_points = np.asarray(
        table.quantization.zeroPoint if table.quantization.zeroPoint is not None else [0]
    )
    # Scales go by output channel, which both other forms leave where it is.
    by_output = len(weights.scales) == 1 or not table.quantization.quantizedDimension
    values = model.constant(op.inputs[1])
    own = len(model.consumers[op.inputs[1]]) == 1 and values is not None
    return (
        set(steps) == {1}
        and own
        and values.size == np.prod(weights.shape)
        and not zero_points.any()
        and by_output
        and min(weights.shape) > 0
    )


def _reshape(tables: schema.ModelT, tensor: int, values: np.ndarray) -> None:
    set_constant(tables, tensor, values, scales=np.array([]))
    tables.subgraphs[0].tensors[tensor].shape = np.array(values.shape, np.int32)


def _join(
    model: UnpackedModel, tables: schema.ModelT, ops: list[OperatorInfo], groups: int
) -> None:
    for op in ops:
        outputs, height, width, reads = _kernel_shape(model, op)
        kernel = model.constant(op.inputs[1]).reshape(outputs, height, width, reads)
        now = _channels(model, op) // reads
        together = now // groups
        wide = np.zeros((outputs, height, width, together * reads), np.int8)
        for channel, own in enumerate(kernel):
            place = channel // (outputs // now) % together * reads
            wide[channel, :, :, place : place + reads] = own
        _reshape(tables, op.inputs[1], wide)


def _gather(model: UnpackedModel, tables: schema.ModelT, ops: list[OperatorInfo]) -> None:
    graph, first = tables.subgraphs[0], ops[0]
    picture, grid = first.inputs[0], model.grid(first.inputs[0])
    width, colours = _kernel_shape(model, first)[2], _channels(model, first)
    batch, height, across = model.graph.tensors[picture].shape[:3]
    padding = _options(model, first).padding
    if padding == schema.Padding.VALID:
        across -= width - 1
    additions, name = Additions(tables), model.graph.tensors[picture].name
    rows = additions.tensor(
        f"{name}_neighbours{width}", shape=(batch, height, across, width * colours), grid=grid
    )
    _keep_open_sizes(graph, picture, rows)
    ones = np.eye(width * colours, dtype=np.int8).reshape(-1, 1, width, colours)
    weights = additions.constant(f"{name}_ones{width}", ones, np.ones(width * colours))
    bias = additions.constant(
        f"{name}_zeros{width}",
        np.zeros(width * colours, np.int32),
        np.full(width * colours, grid.scale),
    )
    operator = schema.OperatorT()
    operator.opcodeIndex = additions.code("CONV_2D", 3)
    operator.inputs = np.array([picture, weights, bias], np.int32)
    operator.outputs = np.array([rows], np.int32)
    operator.builtinOptionsType = schema.BuiltinOptions.Conv2DOptions
    operator.builtinOptions = options = schema.Conv2DOptionsT()
    options.padding, options.strideH, options.strideW = padding, 1, 1
    for op in ops:
        outputs, tall, _, _ = _kernel_shape(model, op)
        kernel = model.constant(op.inputs[1]).reshape(outputs, tall, 1, width * colours)
        _reshape(tables, op.inputs[1], kernel)
        _read_from(tables, op, rows)
    graph.operators.insert(min(op.index for op in ops), operator)


def _read_from(tables: schema.ModelT, op: OperatorInfo, picture: int) -> None:
    inputs = np.array([picture, *op.inputs[1:]], np.int32)
    tables.subgraphs[0].operators[op.index].inputs = inputs


def _keep_open_sizes(graph: schema.SubGraphT, source: int, target: int) -> None:
    open_sizes = graph.tensors[source].shapeSignature
    if open_sizes is not None and len(open_sizes) == _AXES:
        channels = graph.tensors[target].shape[-1]
        graph.tensors[target].shapeSignature = np.array([*open_sizes[:3], channels], np.int32)


def _unpadded(model: UnpackedModel) -> Iterator[Form]:
    for op in model.graph.operators:
        if op.name != "PAD" or len(op.inputs) < 2 or len(op.outputs) != 1 or min(op.inputs) < 0:
            continue
        source, target = op.inputs[0], op.outputs[0]
        paddings, readers = model.constant(op.inputs[1]), model.consumers[target]
        if paddings is None or paddings.size != 2 * _AXES or target in model.graph.outputs:
            continue
        if model.grid(source) is None or model.grid(source) != model.grid(target) or not readers:
            continue
        if all(_pads_alike(model, reader, target, paddings) for reader in readers):
            yield Form(
                _named([op]),
                f"is made part of {', '.join(_named(readers))}",
                lambda tables, op=op, readers=readers: _unpad(tables, op, readers),
                least_gain=0.0,
            )


def _pads_alike(model: UnpackedModel, op: OperatorInfo, picture: int, paddings: np.ndarray) -> bool:
    """Whether a convolution that pads itself would read the very zeros that stand there now."""
    if op.name not in ("CONV_2D", "DEPTHWISE_CONV_2D") or op.inputs.count(picture) != 1:
        return False
    options = _options(model, op)
    if op.inputs[0] != picture or len(op.inputs) < 2 or op.inputs[1] < 0:
        return False
    kernel = _kernel_shape(model, op)
    if len(kernel) != _AXES or not hasattr(options, "dilationWFactor"):
        return False
    if options.padding != schema.Padding.VALID or {options.strideH, options.strideW} != {1}:
        return False
    spare = [
        (size - 1) * (step or 1)
        for size, step in zip(kernel[1:3], (options.dilationHFactor, options.dilationWFactor))
    ]
    expected = [[0, 0], *([size // 2, size - size // 2] for size in spare), [0, 0]]
    return paddings.reshape(_AXES, 2).tolist() == expected


def _unpad(tables: schema.ModelT, op: OperatorInfo, readers: list[OperatorInfo]) -> None:
    operators = tables.subgraphs[0].operators
    for reader in readers:
        _read_from(tables, reader, op.inputs[0])
        operators[reader.index].builtinOptions.padding = schema.Padding.SAME
    del operators[op.index]
