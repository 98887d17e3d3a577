"""Where a file clips its picture, and what stands between each clip and the producer before it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from export.tflite.operators import BOUNDS, MOVES, PRODUCERS, RECTIFIERS, name_of
from export.tflite.steps import (
    Link,
    Obstacle,
    Step,
    Store,
    activation_range,
    clamp_step,
    full_step,
    rounding_slack,
)
from sr_models.quantization.grids import Grid
from sr_models.tflite.flatbuffer import OperatorInfo
from sr_models.tflite.unpacked import UnpackedModel

MAX_PATHS = 32
_MAX_LINKS = 64
_AFFINE = ("MUL", "ADD", "SUB")


class Inside(Obstacle):
    """The network computes with what a clip writes: it is no clip of the picture."""


@dataclass(frozen=True)
class Path:
    """The way of an element from the producer that stores it to some tensor of the tail.

    Attributes:
        producer: Operator that rounds and stores the element first.
        tensor: Tensor that it writes.
        store: How it rounds and saturates.
        links: The operators behind it, in order of execution.
    """

    producer: OperatorInfo
    tensor: int
    store: Store
    links: tuple[Link, ...]

    def then(self, link: Link) -> Path:
        """The same path, one operator longer."""
        return Path(self.producer, self.tensor, self.store, (*self.links, link))


def is_clip(model: UnpackedModel, op: OperatorInfo) -> bool:
    """Whether a stand-alone operator does nothing but bound its one input."""
    inputs = dict.fromkeys(RECTIFIERS, 1) | dict.fromkeys(BOUNDS, 2)
    if inputs.get(op.name) != len(op.inputs) or len(op.outputs) != 1:
        return False
    return min(op.inputs) >= 0 and len(_varying(model, op)) == 1


def affine_of(model: UnpackedModel, op: OperatorInfo) -> tuple[float, float] | None:
    """Factor and summand of an operator on one tensor and a constant, alike for each element.

    `None` for any other, and for what turns bright into dark.
    """
    if op.name not in _AFFINE or op.activation != "NONE":
        return None
    if len(op.inputs) != 2 or min(op.inputs) < 0:
        return None
    constants = [i for i in op.inputs if model.graph.tensors[i].constant]
    if len(constants) != 1 or (op.name == "SUB" and op.inputs[0] == constants[0]):
        return None
    values, grid = model.constant(constants[0]), model.grid(constants[0])
    if values is None or grid is None or len(np.unique(values)) != 1:
        return None
    value = (int(values[0]) - grid.zero_point) * grid.scale
    if op.name == "MUL":
        return (value, 0.0) if value > 0 else None
    return 1.0, value if op.name == "ADD" else -value


def link_of(model: UnpackedModel, op: OperatorInfo, source: int) -> Link:
    """What a clip, a move or a `QUANTIZE` does to the elements of one of its inputs.

    Raises:
        Obstacle: It cannot be told from the file.
    """
    if len(op.outputs) != 1:
        raise Obstacle(f"{name_of(op)} has {len(op.outputs)} outputs")
    target = op.outputs[0]
    before, after = model.grid(source), model.grid(target)
    if before is None or after is None:
        where = model.graph.tensors[source if before is None else target]
        raise Obstacle(f"{name_of(op)} works on {where.dtype} without one scale and zero point")
    shapes = [model.graph.tensors[i].shape for i in (source, target)]
    if op.name not in MOVES and shapes[0] != shapes[1]:
        raise Obstacle(f"{name_of(op)} broadcasts {list(shapes[0])} to {list(shapes[1])}")
    if op.name == "QUANTIZE":
        return Link(op, source, target, (full_step(before, after),))
    if (affine := affine_of(model, op)) is not None:
        factor, summand = affine
        # Each code stands for another value behind it: as if it were read on another grid.
        scale, zero = before.scale * factor, before.zero_point - summand / before.scale
        seen = replace(before, scale=scale, zero_point=zero)
        slack = rounding_slack(_multipliers(model, op, after))
        return Link(op, source, target, (Step(seen, after, *after.limits, slack=slack),))
    if op.name in RECTIFIERS:
        low, high = activation_range(op.name, after)
        return Link(op, source, target, (Step(before, after, low, high),))
    if before != after:
        raise Obstacle(f"{name_of(op)} reads {before} and writes {after}")
    if op.activation != "NONE":
        raise Obstacle(f"{name_of(op)} has a fused {op.activation}")
    if op.name in BOUNDS:
        return Link(op, source, target, _bounds(model, op, before))
    return Link(op, source, target, (full_step(before, after),))


def _bounds(model: UnpackedModel, op: OperatorInfo, grid: Grid) -> tuple[Step, ...]:
    constants = [i for i in op.inputs if i >= 0 and model.graph.tensors[i].constant]
    if len(constants) != 1:
        raise Obstacle(f"{name_of(op)} has {len(constants)} constants in place of one")
    (constant,) = constants
    values = model.constant(constant)
    if values is None or len(values) == 0 or model.grid(constant) != grid:
        raise Obstacle(f"the constant of {name_of(op)} is not on the grid of its input")
    # Every step is monotone in the bound, so the extremes stand for all between them.
    extremes = sorted({int(values.min()), int(values.max())})
    if op.name == "MINIMUM":
        return tuple(clamp_step(grid, highest=value) for value in extremes)
    return tuple(clamp_step(grid, lowest=value) for value in extremes)


def paths_to(
    model: UnpackedModel, tensor: int, *, reader: OperatorInfo | None, longest: int = _MAX_LINKS
) -> list[Path]:
    """All paths from producers to a tensor of the tail that only `reader` reads.

    `None` as a reader is whoever reads the file's outputs. A `QUANTIZE` whose own input cannot be
    given another grid is a producer itself: it rounds and saturates like any other.

    Raises:
        Obstacle: Some producer, or a tensor on the way, cannot be given another grid.
    """
    graph, op = model.graph, model.producers.get(tensor)
    who = "the output" if reader is None else name_of(reader)
    if longest == 0:
        raise Obstacle(f"more than {_MAX_LINKS} operators stand before {who}")
    if op is None:
        kind = "an input" if tensor in graph.inputs else "a constant"
        raise Obstacle(f"{who} reads {kind} of the network directly")
    if others := [o for o in model.consumers[tensor] if reader is None or o.index != reader.index]:
        raise Obstacle(f"{name_of(others[0])} also reads what {name_of(op)} writes")
    if tensor in graph.outputs and reader is not None:
        raise Obstacle(f"what {name_of(op)} writes is an output of the file as well")
    if model.is_variable(tensor):
        raise Obstacle(f"{name_of(op)} writes a variable")
    if op.name in PRODUCERS:
        return [Path(op, tensor, store_of(model, op, tensor), ())]
    if op.name == "QUANTIZE":
        try:
            link = link_of(model, op, op.inputs[0])
            if link.steps[0].source.as_dtype(link.steps[0].target.dtype) is None:
                raise Obstacle(f"{name_of(op)} changes the width of the codes")
            before = paths_to(model, op.inputs[0], reader=op, longest=longest - 1)
            return [path.then(link) for path in before]
        except Obstacle:
            return [Path(op, tensor, store_of(model, op, tensor), ())]
    if op.name not in MOVES and not is_clip(model, op):
        raise Obstacle(f"{name_of(op)} cannot be given another output grid")
    found = []
    for source in data_inputs(model, op):
        link = link_of(model, op, source)
        before = paths_to(model, source, reader=op, longest=longest - 1)
        found += [path.then(link) for path in before]
        if len(found) > MAX_PATHS:
            raise Obstacle(f"more than {MAX_PATHS} paths lead to {name_of(op)}")
    return found


def store_of(
    model: UnpackedModel,
    op: OperatorInfo,
    tensor: int,
    *,
    grid: Grid | None = None,
    activation: str | None = None,
) -> Store:
    """How a producer rounds and saturates, as it is or with another grid or fused activation.

    Raises:
        Obstacle: Its output has no single grid, or its fused activation is none that bounds.
    """
    grid, activation = grid or model.grid(tensor), activation or op.activation
    if grid is None:
        raise Obstacle(f"the output of {name_of(op)} has no single scale and zero point")
    try:
        low, high = activation_range(activation, grid)
    except KeyError:
        raise Obstacle(f"{name_of(op)} has a fused {activation}") from None
    # Sixteen-bit sums are multiplied by 15 bits only (`MultiplyByQuantizedMultiplier` of int64).
    coarse = 1.0 if grid.dtype == "int16" else 0.0
    return Store(grid, low, high, max(coarse, rounding_slack(_multipliers(model, op, grid))))


def _multipliers(model: UnpackedModel, op: OperatorInfo, grid: Grid) -> np.ndarray:
    """By what the producer multiplies the integer that it rounds; none for additions.

    Additions work with twenty more bits (`left_shift` in TFLite's add.cc), so theirs is exact.
    """
    if op.name in ("ADD", "SUB"):
        return np.array([])
    if op.name in ("QUANTIZE", "PRELU", "LEAKY_RELU"):
        return np.array(model.graph.tensors[op.inputs[0]].scales) / grid.scale
    scales = [model.graph.tensors[i].scales for i in op.inputs[:2] if i >= 0]
    if op.name == "TRANSPOSE_CONV":
        scales = [model.graph.tensors[i].scales for i in op.inputs[1:3] if i >= 0]
    return np.array([np.prod(pair) for pair in itertools.product(*scales)]) / grid.scale


def data_inputs(model: UnpackedModel, op: OperatorInfo) -> tuple[int, ...]:
    """The inputs whose elements an operator of the tail passes on.

    Raises:
        Obstacle: One of them is a constant, or none is left.
    """
    inputs = op.inputs if op.name == "CONCATENATION" else _varying(model, op)
    if any(i < 0 or model.graph.tensors[i].constant for i in inputs) or not inputs:
        raise Obstacle(f"{name_of(op)} passes on a constant")
    if op.name != "CONCATENATION" and len(inputs) != 1:
        raise Obstacle(f"{name_of(op)} has {len(inputs)} inputs that vary")
    return tuple(dict.fromkeys(inputs))


def paths_from(
    model: UnpackedModel, tensor: int, *, longest: int = _MAX_LINKS
) -> Iterator[tuple[Link, ...]]:
    """All ways on from a tensor to the outputs; a way ends where codes become real values.

    Raises:
        Inside: Something computes with it or with what comes of it: no move, clip, `QUANTIZE`,
            scale or shift by a constant.
        Obstacle: A way on that cannot be followed.
    """
    if longest == 0:
        raise Obstacle(f"more than {_MAX_LINKS} operators stand behind the clip")
    if tensor in model.graph.outputs or not model.consumers[tensor]:
        yield ()
    for op in model.consumers[tensor]:
        if op.name == "DEQUANTIZE":
            _require_no_rectifier(model, op)
            yield ()
            continue
        passes = op.name in (*MOVES, "QUANTIZE") or affine_of(model, op) is not None
        if not passes and not is_clip(model, op):
            raise Inside(f"{name_of(op)} computes with what the clip writes")
        link = link_of(model, op, tensor)
        for rest in paths_from(model, link.target, longest=longest - 1):
            yield (link, *rest)


def _require_no_rectifier(model: UnpackedModel, op: OperatorInfo) -> None:
    for reader in model.consumers[op.outputs[0]]:
        if reader.name in (*BOUNDS, *RECTIFIERS):
            raise Obstacle(f"{name_of(reader)} works on real values behind {name_of(op)}")


def _varying(model: UnpackedModel, op: OperatorInfo) -> tuple[int, ...]:
    return tuple(i for i in op.inputs if i >= 0 and not model.graph.tensors[i].constant)
