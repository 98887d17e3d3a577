"""The receptive field of a `.tflite` file, from its operators.

`sr_models.networks.keras_windows` reads layers instead; one search adds up what both have read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from pathlib import Path
from typing import Any

import numpy as np

from export.tflite.layout import is_channels_first
from export.tflite.operators import PIXELWISE as PIXELWISE_OPERATORS
from export.tflite.operators import name_of
from sr_models.ground.errors import ModelFileError
from sr_models.networks.receptive_field import (
    PIXELWISE,
    Reading,
    ReceptiveField,
    Spread,
    Transposed,
    Untileable,
    Window,
    find_receptive_field,
)
from sr_models.tflite.files import ModelFile
from sr_models.tflite.flatbuffer import OperatorInfo
from sr_models.tflite.unpacked import UnpackedModel, unpack

_SLICES = ("SLICE", "STRIDED_SLICE")
_SAME = 0
"""`Padding.SAME` of the TFLite schema."""


@dataclass(frozen=True)
class _Site:
    """One operator with everything that its reach depends on, along one axis.

    Attributes:
        operator: The operator.
        options: Its table of options.
        kernel: Shape of its constant weights, where it has some.
        paddings: Its constant paddings (4, 2), where it has some.
        begin: Where a slice begins, on each axis; `None` where it is computed, or from the end.
        steps: Its steps.
        ratio: Output size over input size, where that is whole; 0 otherwise.
        axis: 0 for rows, 1 for columns.
    """

    operator: OperatorInfo
    options: Any
    kernel: tuple[int, ...]
    paddings: np.ndarray | None
    begin: np.ndarray | None
    steps: tuple[int, ...]
    ratio: int
    axis: int

    def option(self, rows: str, columns: str) -> int:
        """An option that has one name for each axis."""
        return int(getattr(self.options, (rows, columns)[self.axis]))


def _convolution(site: _Site) -> Reading:
    size = site.kernel[1 + site.axis]
    stride = site.option("strideH", "strideW")
    dilation = site.option("dilationHFactor", "dilationWFactor")
    if site.options.padding == _SAME:
        return Window.same(size, stride=stride, dilation=dilation)
    return Window(size, stride, dilation)


def _transposed(site: _Site) -> Reading:
    size, stride = site.kernel[1 + site.axis], site.option("strideH", "strideW")
    same = site.options.padding == _SAME
    return Transposed.same(size, stride=stride) if same else Transposed(size, stride)


def _pooling(site: _Site) -> Reading:
    size = site.option("filterHeight", "filterWidth")
    stride = site.option("strideH", "strideW")
    same = site.options.padding == _SAME
    return Window.same(size, stride=stride) if same else Window(size, stride)


def _resizing(margin: int) -> Callable[[_Site], Reading]:
    def reading(site: _Site) -> Reading:
        if site.ratio < 1 or site.options.alignCorners:
            raise Untileable(f"{name_of(site.operator)} depends on the size of the picture")
        return Spread(site.ratio, margin)

    return reading


def _padding(site: _Site) -> Reading:
    if site.paddings is None:
        raise Untileable(f"{name_of(site.operator)} computes its paddings")
    return Window(before=int(site.paddings[1 + site.axis, 0]))


def _everywhere(site: _Site) -> Reading:
    raise Untileable(f"{name_of(site.operator)} takes a mean over the whole picture")


def _cropping(site: _Site) -> Reading:
    if site.begin is None or set(site.steps) != {1}:
        if site.ratio == 1:
            return PIXELWISE
        raise Untileable(f"{name_of(site.operator)} changes the size of the picture")
    place = 1 + site.axis
    free = getattr(site.options, "beginMask", 0) >> place & 1
    return Window(before=0 if free else -int(site.begin[place]))


_READINGS: dict[str, Callable[[_Site], Reading]] = {
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _convolution,
    "TRANSPOSE_CONV": _transposed,
    "MAX_POOL_2D": _pooling,
    "AVERAGE_POOL_2D": _pooling,
    "DEPTH_TO_SPACE": lambda site: Spread(site.options.blockSize),
    "SPACE_TO_DEPTH": lambda site: Window(site.options.blockSize, site.options.blockSize),
    "RESIZE_NEAREST_NEIGHBOR": _resizing(0),
    "RESIZE_BILINEAR": _resizing(1),
    "PAD": _padding,
    "PADV2": _padding,
    "MIRROR_PAD": _padding,
    "MEAN": _everywhere,
    "SLICE": _cropping,
    "STRIDED_SLICE": _cropping,
}


def read_receptive_field(source: str | Path | bytes | ModelFile) -> ReceptiveField:
    """How far a file looks.

    Raises:
        ModelFileError: No whole TFLite file, or one that looks at the whole picture, or holds an
            operator whose reach is not known here.
    """
    model = unpack(source)
    graph = model.graph
    try:
        if len(graph.inputs) != 1 or not graph.outputs:
            raise Untileable("it has not one input")
        return find_receptive_field(
            [dict(_steps(model, axis)) for axis in (0, 1)],
            source=str(graph.inputs[0]),
            target=str(graph.outputs[0]),
        )
    except (Untileable, AttributeError, IndexError, ZeroDivisionError) as error:
        why = error if isinstance(error, Untileable) else "an operator lacks its options"
        raise ModelFileError(
            f"expected a file that looks at a neighbourhood of each pixel, found that {why} in "
            f"{model.file.name}; give it whole pictures, without tiles"
        ) from error


def looks_everywhere(source: str | Path | bytes | ModelFile) -> bool:
    """Whether what a file makes of a pixel depends on the picture's size, or on all of its pixels.

    No border may be added to such a picture: a mean is taken over the whole of it, or it is resized
    by what is no whole factor.
    """
    model = unpack(source)
    return any(
        _READINGS.get(op.name) is _everywhere or _is_resized_unevenly(model, op)
        for op in model.graph.operators
    )


def _is_resized_unevenly(model: UnpackedModel, operator: OperatorInfo) -> bool:
    """Whether a resizing to more has another factor than a whole one, alike on both axes."""
    if operator.name not in ("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"):
        return False
    shapes = (model.graph.tensors[i].shape[1:3] for i in (operator.inputs[0], operator.outputs[0]))
    found = {divmod(after, before) for before, after in zip(*shapes) if before > 0}
    return len(found) > 1 or any(rest for factor, rest in found if factor)


def size_multiple(source: str | Path | bytes | ModelFile) -> int:
    """What height and width of a file's input must be multiples of, by its strides.

    1 for a file that never works on a smaller picture, and for one that is not understood.
    """
    found = [1]
    try:
        model = unpack(source)
        for axis in (0, 1):
            ratios = {str(model.graph.inputs[0]): Fraction(1)}
            for made, read in _steps(model, axis):
                known = [ratios[name] * reading.ratio for name, reading in read if name in ratios]
                if known:
                    ratios[made] = known[0]
                    found.append(known[0].denominator)
    except (ModelFileError, Untileable, AttributeError, IndexError, ZeroDivisionError):
        return 1
    return lcm(*found)


def _steps(model: UnpackedModel, axis: int) -> Iterable[tuple[str, list[tuple[str, Reading]]]]:
    tensors = model.graph.tensors
    rows = _rows(model)
    for operator in model.graph.operators:
        pictures = [
            i
            for i in operator.inputs
            if i >= 0 and not tensors[i].constant and len(tensors[i].shape) == 4
        ]
        if not pictures:
            continue
        reading = _reading(model, operator, pictures[-1], axis, rows=rows)
        for made in operator.outputs:
            yield str(made), [(str(i), reading) for i in pictures]


def _rows(model: UnpackedModel) -> dict[int, int]:
    """Which axis of each picture holds its rows: 1, or 2 where channels come first."""
    graph = model.graph
    shape = graph.tensors[graph.inputs[0]].shape
    rows = {graph.inputs[0]: 2 if is_channels_first(shape) else 1}
    for operator in graph.operators:
        source = next((i for i in operator.inputs if i in rows), None)
        if source is None:
            continue
        place = rows[source]
        if operator.name == "TRANSPOSE":
            order = _order(model, operator)
            # Rows and columns stay together and in their order, or it is no picture any more.
            place = order.index(place) if place in order else 0
            if order[place : place + 2] != [rows[source], rows[source] + 1]:
                place = 0
        rows.update(dict.fromkeys(operator.outputs, place))
    return rows


def _order(model: UnpackedModel, operator: OperatorInfo) -> list[int]:
    values = model.constant(operator.inputs[1]) if len(operator.inputs) == 2 else None
    return [] if values is None else [int(value) for value in values]


def _reading(
    model: UnpackedModel,
    operator: OperatorInfo,
    picture: int,
    axis: int,
    *,
    rows: dict[int, int],
) -> Reading:
    tensors = model.graph.tensors
    before, after = tensors[picture].shape, tensors[operator.outputs[0]].shape
    if len(after) != 4:
        raise Untileable(f"{name_of(operator)} leaves the shape of a picture")
    place, target = rows.get(picture, 1), rows.get(operator.outputs[0], 1)
    if operator.name == "TRANSPOSE" and place and target:
        return PIXELWISE
    # Of any size, both may be told as 1x1: where a slice begins counts.
    is_slice = operator.name in _SLICES and place == 1
    if operator.name in PIXELWISE_OPERATORS and place and not is_slice:
        if before[place : place + 2] != after[place : place + 2]:
            raise Untileable(f"{name_of(operator)} changes the size of the picture")
        return PIXELWISE
    if operator.name not in _READINGS or place != 1:
        raise Untileable(f"the reach of {name_of(operator)} is not known")
    ratio, rest = divmod(after[1 + axis], before[1 + axis])
    constants = [i for i in operator.inputs if i >= 0 and tensors[i].constant]
    vectors = [model.constant(i) for i in constants if tensors[i].shape == (4,)]
    slices = is_slice and len(vectors) >= 2
    begin = vectors[0] if slices and (vectors[0] >= 0).all() else None
    steps = tuple(vectors[2].tolist()) if slices and len(vectors) == 3 else (1,)
    site = _Site(
        operator,
        model.tables.subgraphs[0].operators[operator.index].builtinOptions,
        kernel=next((s for i in constants if len(s := tensors[i].shape) == 4), ()),
        paddings=next(
            (model.constant(i).reshape(4, 2) for i in constants if tensors[i].shape == (4, 2)), None
        ),
        begin=begin,
        steps=steps,
        ratio=0 if rest else ratio,
        axis=axis,
    )
    return _READINGS[operator.name](site)
