"""What a file says about its black and white: grids, scaling operators, bounds, metadata.

A grid says it by what it can hold. Between a float interface and the network stand operators that
scale (`MUL` by 1/255, `SUB` 1): they take the range of pictures to one that networks work on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from export.tflite.operators import MOVES, name_of
from sr_models.ground.pixel_range import (
    BYTE_ENDS,
    CENTRED_ENDS,
    SIGNED_ENDS,
    UNIT_ENDS,
    USUAL_ENDS,
    Ends,
)
from sr_models.quantization.grids import Grid
from sr_models.tflite.metadata import read_normalization

if TYPE_CHECKING:
    from sr_models.tflite.flatbuffer import OperatorInfo
    from sr_models.tflite.unpacked import UnpackedModel

# Networks end at 1 or at 255; the geometric mean tells them apart, however loose the range.
_BETWEEN_RANGES = 16.0
_WIDTHS = (1.0, 2.0, 255.0)
"""How far white is from black wherever networks work: 0..1, -1..1, 0..255 and their likes."""
_ALIKE = 0.02
_ONLY_SIGNED = 1.3
_HALF_A_CODE = 1 / 510
_LONGEST = 32
_PASSES = (*MOVES, "PAD", "PADV2", "MIRROR_PAD", "CAST", "QUANTIZE", "DEQUANTIZE", "ROUND", "FLOOR")
_UNBOUNDED = (-np.inf, np.inf)
_BOUNDED = {"LOGISTIC": (0.0, 1.0), "TANH": (-1.0, 1.0)}
_FUSED = {"RELU": (0.0, np.inf), "RELU_N1_TO_1": (-1.0, 1.0), "RELU_0_TO_1": (0.0, 1.0)}


@dataclass(frozen=True)
class Told:
    """What can stand for black and white on one side of a file.

    Attributes:
        candidates: All that the tables leave open, the likeliest first.
        how: What says so, in words; empty where nothing does.
    """

    candidates: tuple[Ends, ...]
    how: str = ""

    @property
    def sure(self) -> bool:
        """Whether nothing is left open."""
        return len(self.candidates) == 1


NOTHING_TOLD = Told(USUAL_ENDS)


def ends_of_grid(grid: Grid) -> Told:
    """What a picture on this grid can be: the range that it holds and fills."""
    low, high = grid.span
    if max(high, -low) > _BETWEEN_RANGES:
        return _sure(CENTRED_ENDS if _fills(grid, CENTRED_ENDS) else BYTE_ENDS, "its grid")
    if grid.dtype == "int16":
        return Told((UNIT_ENDS, SIGNED_ENDS), "its grid")
    for ends in (UNIT_ENDS, SIGNED_ENDS):
        if _fills(grid, ends):
            return _sure(ends, "its grid")
    if low > -1.5 * grid.scale:
        return _sure(UNIT_ENDS, "its grid")  # What is below black would be lost on it.
    # Networks of 0..1 overshoot by a part of their range, those of -1..1 go all the way down.
    signed = low < -high / 2 and high - low > _ONLY_SIGNED
    return Told((SIGNED_ENDS, UNIT_ENDS) if signed else (UNIT_ENDS, SIGNED_ENDS), "its grid")


def ends_of_input(model: UnpackedModel) -> Told:
    """What the tables say about the first input."""
    tensor = model.graph.inputs[0]
    if found := _of_tensor(model, tensor):
        return found
    chain, seen = _Chain(), set()
    for _ in range(_LONGEST):
        readers = model.consumers.get(tensor, [])
        op = _next(model, readers)
        if op is None or op.index in seen or len(op.outputs) != 1:
            break
        seen.add(op.index)
        if op.name == "QUANTIZE":
            grid = model.grid(op.outputs[0])
            return chain.before(ends_of_grid(grid), grid, op) if grid else chain.told_of_input()
        longer = chain.then(model, op)
        if longer is None:
            break
        chain, tensor = longer, op.outputs[0]
    return chain.told_of_input()


def declared_ends(model: UnpackedModel) -> Ends | None:
    """What the file's metadata says black and white of the first input are, if anything."""
    found = read_normalization(model.tables)
    return found.ends if found else None


def ends_of_output(model: UnpackedModel) -> Told:
    """What the tables say about the first output."""
    tensor = model.graph.outputs[0]
    own = _of_tensor(model, tensor)
    if own is not None and own.sure:
        return own
    backwards: list[OperatorInfo] = []
    while len(backwards) < _LONGEST:
        op = model.producers.get(tensor)
        if op is None or op in backwards:
            break
        backwards.append(op)
        source = _source(model, op)
        if source is None:
            break
        tensor = source
    told = _told_of_output(model, backwards[::-1])
    if own is None:
        return told
    # Bounds of integers tell more than a loose grid does, and no more than it can hold.
    return told if told.sure and told.candidates[0] in own.candidates else own


@dataclass(frozen=True)
class _Chain:
    """`scale * x + offset`, and the bounds on the way as values of x.

    Attributes:
        scale: Factor so far.
        offset: Sum so far, the mean over channels where they differ.
        low: Greatest bound from below.
        high: Least bound from above.
        ops: The operators that scale or bound.
    """

    scale: float = 1.0
    offset: float = 0.0
    low: float = -np.inf
    high: float = np.inf
    ops: tuple[OperatorInfo, ...] = ()

    @property
    def how(self) -> str:
        """The operators in words."""
        return " and ".join(name_of(op) for op in self.ops[:3])

    @property
    def scales(self) -> bool:
        """Whether anything on the way is more than a bound."""
        return (self.scale, self.offset) != (1.0, 0.0)

    def of(self, value: float) -> float:
        """What becomes of a value."""
        return self.scale * value + self.offset

    def then(self, model: UnpackedModel, op: OperatorInfo) -> _Chain | None:
        """The chain with one more operator; `None` for one that computes."""
        if _computes(model, op):
            return None
        scale, offset = _affine(model, op) or (1.0, 0.0)
        longer = replace(self, scale=self.scale * scale, offset=self.offset * scale + offset)
        found = _bounds(model, op) or _FUSED.get(op.activation) or _UNBOUNDED
        low, high = sorted((value - longer.offset) / longer.scale for value in found)
        says = (scale, offset) != (1.0, 0.0) or found != _UNBOUNDED
        return replace(
            longer,
            low=max(self.low, low),
            high=min(self.high, high),
            ops=(*self.ops, op) if says else self.ops,
        )

    def told_of_input(self) -> Told:
        """Which pictures such a chain is made for."""
        found = _between(self.low, self.high)
        if self.scale != 1.0:
            fits = [ends for ends in found if _is_usual(abs(self.scale) * ends.width)]
        elif abs(self.offset) > _BETWEEN_RANGES:
            fits = [ends for ends in found if ends == BYTE_ENDS]
        else:
            fits = [ends for ends in found if ends != BYTE_ENDS or not self.offset]
        return Told(tuple(fits or found), self.how)

    def results(self) -> tuple[Ends, ...]:
        """Which pictures such a chain can end in."""
        found = _between(*sorted((self.of(self.low), self.of(self.high))))
        widths = [abs(self.scale) * width for width in _WIDTHS]
        if self.scale == 1.0 or np.isfinite(self.high - self.low):
            return found
        return tuple(ends for ends in found if _same(ends.width, widths)) or found

    def before(self, told: Told, grid: Grid, op: OperatorInfo) -> Told:
        """Which pictures, where the grid of a `QUANTIZE` stands behind the chain."""
        how = " and ".join(filter(None, (self.how, f"the grid of {name_of(op)}")))
        if not self.ops:
            return replace(told, how=how)
        own = self.told_of_input()
        if own.sure:
            return own
        low, high = grid.span
        fits = [
            ends
            for ends in own.candidates
            if max(abs(self.of(ends.black) - low), abs(self.of(ends.white) - high))
            < (high - low) / 2
        ]
        return Told(tuple(fits), how) if fits else own


def _told_of_output(model: UnpackedModel, ahead: Sequence[OperatorInfo]) -> Told:
    """What the operators before an output say, in order of execution."""
    begin = max((i for i, op in enumerate(ahead) if _computes(model, op)), default=-1)
    chain = _Chain()
    if begin >= 0:
        first = ahead[begin]
        low, high = _BOUNDED.get(first.name) or _FUSED.get(first.activation) or _UNBOUNDED
        chain = _Chain(low=low, high=high, ops=(first,) if (low, high) != _UNBOUNDED else ())
    grid_told = None
    for op in ahead[begin + 1 :]:
        grid = model.grid(op.inputs[0]) if op.name == "DEQUANTIZE" else None
        if grid and not chain.scales:
            grid_told = replace(ends_of_grid(grid), how=f"the grid before {name_of(op)}")
        chain = chain.then(model, op)
    candidates = chain.results()
    if len(candidates) == 1 or grid_told is None or chain.scales:
        return Told(candidates, chain.how if candidates != USUAL_ENDS else "")
    both = tuple(ends for ends in grid_told.candidates if ends in candidates)
    return replace(grid_told, candidates=both) if both else grid_told


def _of_tensor(model: UnpackedModel, tensor: int) -> Told | None:
    """What a tensor of integers says of itself; `None` for one of real numbers."""
    grid, dtype = model.grid(tensor), model.graph.tensors[tensor].dtype
    if grid is not None:
        return ends_of_grid(grid)
    if dtype.startswith(("float", "bfloat")):
        return None
    return _sure(CENTRED_ENDS if dtype == "int8" else BYTE_ENDS, f"{dtype} without a scale")


def _next(model: UnpackedModel, readers: Sequence[OperatorInfo]) -> OperatorInfo | None:
    """The one reader of a picture that says something about it."""
    if len(readers) == 1:
        return readers[0]
    return next((op for op in readers if op.name == "QUANTIZE"), None)


def _source(model: UnpackedModel, op: OperatorInfo) -> int | None:
    """The one input that varies, of an operator with one output."""
    varying = [i for i in op.inputs if i >= 0 and not model.graph.tensors[i].constant]
    return varying[0] if len(dict.fromkeys(varying)) == 1 and len(op.outputs) == 1 else None


def _computes(model: UnpackedModel, op: OperatorInfo) -> bool:
    """Whether an operator does more than pass one picture on, scale and bound it."""
    if _source(model, op) is None:
        return True
    known = op.name in _PASSES or op.name in _FUSED
    return not known and _bounds(model, op) is None and _affine(model, op) is None


def _bounds(model: UnpackedModel, op: OperatorInfo) -> tuple[float, float] | None:
    if op.name in _FUSED:
        return _FUSED[op.name]
    if op.name not in ("MINIMUM", "MAXIMUM"):
        return None
    values = _constant(model, op)
    if values is None or _source(model, op) is None:
        return None
    if op.name == "MINIMUM":
        return -np.inf, float(values.max())
    return float(values.min()), np.inf


def _affine(model: UnpackedModel, op: OperatorInfo) -> tuple[float, float] | None:
    """Factor and summand of an operator on one tensor and a constant."""
    if op.name not in ("ADD", "SUB", "MUL", "DIV") or len(op.inputs) != 2:
        return None
    values = _constant(model, op)
    if values is None or _source(model, op) is None:
        return None
    first = model.graph.tensors[op.inputs[0]].constant
    value = float(values.mean())
    if op.name in ("ADD", "SUB"):
        if op.name == "SUB" and first:
            return None  # A negative; no picture is one.
        return 1.0, value if op.name == "ADD" else -value
    if value == 0.0 or np.ptp(values) > _ALIKE * abs(value) or (op.name == "DIV" and first):
        return None
    return (value if op.name == "MUL" else 1.0 / value), 0.0


def _constant(model: UnpackedModel, op: OperatorInfo) -> np.ndarray | None:
    """The real values of an operator's only constant."""
    constants = [i for i in op.inputs if i >= 0 and model.graph.tensors[i].constant]
    if len(constants) != 1:
        return None
    values, grid = model.constant(constants[0]), model.grid(constants[0])
    if values is None or not len(values):
        return None
    values = values.astype(np.float64)
    values = (values - grid.zero_point) * grid.scale if grid else values
    return values if np.isfinite(values).all() else None


def _between(low: float, high: float) -> tuple[Ends, ...]:
    """What pictures between these bounds can be; anything where no usual ones fit."""
    found = tuple(e for e in USUAL_ENDS if _meets(e.black, low) and _meets(e.white, high))
    if found == (SIGNED_ENDS,):
        return SIGNED_ENDS, UNIT_ENDS  # A network of 0..1 may have the wider bounds of a tanh.
    return found or USUAL_ENDS


def _meets(end: float, bound: float) -> bool:
    return not np.isfinite(bound) or abs(end - bound) <= 1e-3 * max(1.0, abs(end))


def _fills(grid: Grid, ends: Ends) -> bool:
    slack = ends.width * _HALF_A_CODE * 1.001
    return all(abs(held - wanted) <= slack for held, wanted in zip(grid.span, ends))


def _is_usual(width: float) -> bool:
    return _same(width, _WIDTHS)


def _same(value: float, others: Iterable[float]) -> bool:
    return any(abs(value / other - 1.0) < _ALIKE for other in others)


def _sure(ends: Ends, how: str) -> Told:
    return Told((ends,), how)
