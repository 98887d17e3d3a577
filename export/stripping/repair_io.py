"""Give a file's input and output the scale of pixels, where that leaves the network what it is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from export.inspecting.audit import broken_by
from export.inspecting.clips import Path, is_clip, paths_to, store_of
from export.running.pixel_range import find_pixels
from export.tflite.editing import set_constant, set_grids
from export.tflite.operators import MOVES, name_of
from export.tflite.packing import repack
from export.tflite.steps import Obstacle, Step, full_step, greatest_difference
from sr_models.ground.pixel_range import Ends, PixelRange
from sr_models.quantization.grids import Grid
from sr_models.tflite.flatbuffer import OperatorInfo
from sr_models.tflite.unpacked import UnpackedModel, unpack

_ZERO_POINTS = {"uint8": 0, "int8": -128}
# Place of the picture and of the bias among the inputs of operators that add a bias.
_BIASED = {
    "CONV_2D": (0, 2),
    "DEPTHWISE_CONV_2D": (0, 2),
    "FULLY_CONNECTED": (0, 2),
    "TRANSPOSE_CONV": (2, 3),
}
_SCALE_FREE = ("ADD", "SUB", "MUL", "PRELU", "LEAKY_RELU")
_KEEPS_GRID = (*MOVES, "PAD", "MIRROR_PAD", "RESIZE_BILINEAR")


@dataclass(frozen=True)
class Repair:
    """An input or output whose codes are pixels now.

    Attributes:
        role: `input` or `output`.
        name: Name of the tensor.
        before: Its grid in the old file.
        after: Its grid in the new one.
        bound: Codes that an output can be away from the old one read as real values, rounded and
            saturated; for an input, 0: the same real picture gives the same result but for the
            rounding of biases.
        grids: Tensors that get another grid.
        biases: Bias tensors, and by what their codes are multiplied.
    """

    role: str
    name: str
    before: Grid
    after: Grid
    bound: int
    grids: Mapping[int, Grid] = field(repr=False)
    biases: Mapping[int, float] = field(repr=False)

    def to_json(self) -> dict[str, Any]:
        """Role, name, grids and bound."""
        return {
            "role": self.role,
            "name": self.name,
            "before": self.before.to_json(),
            "after": self.after.to_json(),
            "bound": self.bound,
        }


def plan_repairs(
    model: UnpackedModel, *, limit: int = 1, pixels: PixelRange | None = None
) -> tuple[list[Repair], list[str]]:
    """The repairs that a file needs and allows, and why others are not possible.

    Args:
        model: The file.
        limit: Codes that an output may be away from the old one, rounded to pixels.
        pixels: What black and white are for it; by its tables alone without it.
    """
    pixels = pixels or find_pixels(model.file, run=False).range
    repairs, obstacles = [], []
    if len(model.graph.inputs) != 1 or len(model.graph.outputs) != 1:
        return [], ["with several inputs or outputs nobody can tell which are pictures"]
    sides = (
        ("input", model.graph.inputs, _input, pixels.input_ends),
        ("output", model.graph.outputs, _output, pixels.output_ends),
    )
    for role, tensors, plan, ends in sides:
        for tensor in tensors:
            info = model.graph.tensors[tensor]
            if not broken_by(role, info, ends=ends):
                continue
            try:
                repairs.append(plan(model, tensor, limit=limit, ends=ends))
            except Obstacle as obstacle:
                obstacles.append(f"{role} {info.name} stays as it is: {obstacle}")
    return repairs, obstacles


def repairable_sides(model: UnpackedModel, pixels: PixelRange) -> list[str]:
    """Which of `input` and `output` can be repaired within a code."""
    return [one.role for one in plan_repairs(model, pixels=pixels)[0]]


def same_values(before: Grid, after: Grid, *, most: int = 16) -> tuple[list[int], list[int]]:
    """Codes of two grids that stand for nearly the same real values, dark to bright."""
    low, high = after.limits
    codes = np.arange(low, high + 1)
    exact = (codes - after.zero_point) * (after.scale / before.scale) + before.zero_point
    nearest = np.rint(exact).astype(int)
    held = (nearest >= before.limits[0]) & (nearest <= before.limits[1])
    order = np.argsort(np.where(held, np.abs(exact - nearest), np.inf), kind="stable")
    best = np.sort(order[: min(most, int(held.sum()))])
    return nearest[best].tolist(), codes[best].tolist()


def repair(model: UnpackedModel, repairs: list[Repair]) -> bytes:
    """Carry repairs out; the new file's content."""
    tables = unpack(model.file).tables
    for one in repairs:
        set_grids(tables, one.grids)
        for tensor, factor in one.biases.items():
            codes = np.rint(model.constant(tensor) * factor)
            scales = np.array(model.graph.tensors[tensor].scales) / factor
            set_constant(tables, tensor, codes.astype(model.constant(tensor).dtype), scales=scales)
    return repack(model, tables)


def _pixels(model: UnpackedModel, tensor: int, ends: Ends) -> tuple[Grid, Grid]:
    info, held = model.graph.tensors[tensor], model.grid(tensor)
    if info.dtype not in _ZERO_POINTS or held is None:
        raise Obstacle(f"it is {info.dtype}; only uint8 and int8 codes can be pixels")
    scale = float(np.float32(ends.width / 255.0))
    # Of -1..1, 0 lies between two codes; of the two, that one that the file has on its side.
    exact = _ZERO_POINTS[info.dtype] - 255.0 * ends.black / ends.width
    near = sorted({math.floor(exact), math.ceil(exact)}, key=lambda z: abs(z - held.zero_point))
    low, high = held.limits
    if not low <= near[0] <= high:
        raise Obstacle(f"0 lies outside of {ends}, and no code could stand for it")
    return held, Grid(info.dtype, scale, near[0])


def _output(model: UnpackedModel, tensor: int, *, limit: int, ends: Ends) -> Repair:
    held, pixels = _pixels(model, tensor, ends)
    grids: dict[int, Grid] = {}
    bound = 0
    for path in paths_to(model, tensor, reader=None):
        bound = max(bound, _bound(model, path, held=held, pixels=pixels, grids=grids))
    if bound > limit:
        raise Obstacle(
            f"its producer holds {held.span[0]:.4g} to {held.span[1]:.4g} in steps of "
            f"{held.scale:.4g}, so pixels could change by {bound} where {limit} is allowed"
        )
    name = model.graph.tensors[tensor].name
    return Repair("output", name, held, pixels, bound, grids, {})


def _bound(
    model: UnpackedModel, path: Path, *, held: Grid, pixels: Grid, grids: dict[int, Grid]
) -> int:
    old, new = [], []
    own = before = pixels.as_dtype(model.grid(path.tensor).dtype)
    if own is None:
        raise Obstacle(f"{name_of(path.producer)} writes codes of another width")
    grids[path.tensor] = own
    for link in path.links:
        if is_clip(model, link.op):
            raise Obstacle(f"{name_of(link.op)} clips on the old grid")
        after = pixels.as_dtype(model.grid(link.target).dtype)
        if after is None:
            raise Obstacle(f"{name_of(link.op)} writes codes of another width")
        grids[link.target] = after
        old += link.steps
        new.append(full_step(before, after))
        before = after
    # What a careful reader makes of the old codes: real values, rounded to pixels, saturated.
    old.append(Step(held, pixels, *pixels.limits))
    store = store_of(model, path.producer, path.tensor, grid=own)
    return greatest_difference((path.store, old), (store, new))


def _input(model: UnpackedModel, tensor: int, *, limit: int, ends: Ends) -> Repair:
    held, pixels = _pixels(model, tensor, ends)
    factor = held.scale / pixels.scale
    grids, biases = {tensor: pixels}, {}
    for op in model.graph.operators:
        touched = [i for i in op.inputs if i in grids]
        if not touched:
            continue
        if op.name in _BIASED:
            _rescale_bias(model, op, touched, factor=factor, biases=biases)
        elif op.name in _KEEPS_GRID:
            _pass_on(model, op, touched, grids)
        elif op.name == "QUANTIZE":
            _requantize(model, op, grids)
        elif op.name not in _SCALE_FREE:
            raise Obstacle(f"{name_of(op)} reads it and depends on its grid")
    if set(grids) & set(model.graph.outputs):
        raise Obstacle("it reaches an output without being computed with")
    name = model.graph.tensors[tensor].name
    return Repair("input", name, held, pixels, 0, grids, biases)


def _rescale_bias(
    model: UnpackedModel, op: OperatorInfo, touched: list[int], *, factor: float, biases: dict
) -> None:
    picture, bias = _BIASED[op.name]
    if touched != [op.inputs[picture]]:
        raise Obstacle(f"{name_of(op)} reads it as a weight")
    if len(op.inputs) <= bias or op.inputs[bias] < 0:
        return
    tensor = op.inputs[bias]
    codes = model.constant(tensor)
    if codes is None or codes.dtype.kind != "i" or len(model.consumers[tensor]) > 1:
        raise Obstacle(f"the bias of {name_of(op)} cannot be rescaled")
    if len(codes) and np.abs(codes * factor).max() >= np.iinfo(codes.dtype).max:
        raise Obstacle(f"the bias of {name_of(op)} would overflow")
    biases[tensor] = factor


def _pass_on(model: UnpackedModel, op: OperatorInfo, touched: list[int], grids: dict) -> None:
    if op.name == "CONCATENATION" and len(touched) < len(op.inputs):
        raise Obstacle(f"{name_of(op)} joins it with others on its grid")
    _like(model, op, grids[touched[0]], grids)


def _requantize(model: UnpackedModel, op: OperatorInfo, grids: dict[int, Grid]) -> None:
    source, target = op.inputs[0], op.outputs[0]
    before, after = model.grid(source), model.grid(target)
    if before is None or after is None:
        raise Obstacle(f"{name_of(op)} reads it and has no single grid")
    if before.as_dtype(after.dtype) == after:
        _like(model, op, grids[source].as_dtype(after.dtype), grids)
        return
    new = grids[source].span
    if new[0] < after.span[0] - after.scale or new[1] > after.span[1] + after.scale:
        raise Obstacle(
            f"{name_of(op)} holds {after.span[0]:.4g} to {after.span[1]:.4g}, so black or white "
            "would be lost"
        )


def _like(model: UnpackedModel, op: OperatorInfo, grid: Grid, grids: dict[int, Grid]) -> None:
    for target in op.outputs:
        if model.grid(target) is None or model.grid(target).dtype != grid.dtype:
            raise Obstacle(f"{name_of(op)} reads it and writes no single grid")
        grids[target] = grid
