"""A picture under any reshape and transpose, followed exactly by the factors of its axes.

A pixel shuffle written as reshape, transpose and reshape moves values and computes nothing. Each
axis of a tensor is therefore held as a row of factors: which axis of the picture each comes from,
how many places it has and how far apart they lie. Reshaping splits and joins factors, transposing
moves them, and repeating adds one that stays where it is. What comes out says which channel of the
source each value is, whatever the order of axes was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import prod

import numpy as np

C, H, W = "C", "H", "W"


@dataclass(frozen=True)
class Factor:
    """A part of an axis.

    Attributes:
        source: The picture's axis that it steps along.
        size: How many places it has, at least 2.
        stride: How far they lie apart on that axis; 0 for repeated values.
    """

    source: str
    size: int
    stride: int = 1


Axis = tuple[Factor, ...]


@dataclass(frozen=True)
class View:
    """The values of an operation, in the order in which a tensor of the file holds them.

    Attributes:
        operation: Name of the operation.
        channels: How many it has.
        height: Of its picture.
        width: Of its picture.
        axes: The tensor's axes, slowest factor first; an axis of size 1 has none.
        alone: Whether no other tensor reads the operation.
    """

    operation: str
    channels: int
    height: int
    width: int
    axes: tuple[Axis, ...] = field(default=())
    alone: bool = True

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the tensor."""
        return tuple(prod(factor.size for factor in axis) for axis in self.axes)

    @property
    def layout(self) -> str | None:
        """`"NCHW"` or `"NHWC"` where the tensor is the picture itself, else `None`."""
        for layout in ("NCHW", "NHWC"):
            if self.axes == whole_axes(layout, self.channels, self.height, self.width):
                return layout
        return None

    @property
    def size(self) -> tuple[int, int, int]:
        """Channels, height and width of the picture."""
        return self.channels, self.height, self.width


def whole_axes(layout: str, channels: int, height: int, width: int) -> tuple[Axis, ...]:
    """The axes of a picture itself."""
    sizes = {"N": 1, C: channels, H: height, W: width}
    return tuple((Factor(n, sizes[n]),) if sizes[n] > 1 else () for n in layout)


def reshaped(axes: Sequence[Axis], shape: Sequence[int]) -> tuple[Axis, ...] | None:
    """The axes under another shape of as many values; `None` where a factor would not divide."""
    waiting = [factor for axis in axes for factor in axis][::-1]
    if prod(shape) != prod(factor.size for factor in waiting):
        return None
    made = []
    for size in shape:
        axis: list[Factor] = []
        while size > 1:
            factor = waiting.pop()
            if size % factor.size == 0:
                axis.append(factor)
                size //= factor.size
            elif factor.size % size == 0:
                inner = factor.size // size
                axis.append(Factor(factor.source, size, factor.stride * inner))
                waiting.append(Factor(factor.source, inner, factor.stride))
                size = 1
            else:
                return None
        made.append(tuple(axis))
    return tuple(_joined(axis) for axis in made)


def unexpanded(view: View) -> View:
    """A view without axes along which one value is repeated, whose sizes then are 1."""
    axes = tuple(axis if any(factor.stride for factor in axis) else () for axis in view.axes)
    return replace(view, axes=axes)


def _joined(axis: Axis) -> Axis:
    """Neighbours that step evenly are one factor."""
    made: list[Factor] = []
    for factor in axis:
        last = made[-1] if made else None
        together = last and last.source == factor.source
        if together and last.stride == factor.stride * factor.size:
            made[-1] = Factor(factor.source, last.size * factor.size, factor.stride)
        else:
            made.append(factor)
    return tuple(made)


@dataclass(frozen=True)
class Rearrangement:
    """What makes a picture of a tensor that is none yet, in this order.

    Attributes:
        gathered: Side of the blocks of pixels that become channels first (space to depth), or 1.
        order: int (C',), which channel of that each channel is.
        spread: Side of the blocks of pixels that channels become then (depth to space), or 1.
        layout: Which axes the picture's are in the tensor.
    """

    gathered: int
    order: np.ndarray
    spread: int
    layout: str


def rearrangement(view: View, layouts: Sequence[str] = ("NCHW", "NHWC")) -> Rearrangement | None:
    """How a tensor is made of an operation's picture; `None` where it is no picture.

    Args:
        view: Of the operation.
        layouts: Orders that a picture's axes may have.
    """
    if len(view.axes) != 4 or view.axes[0]:
        return None
    for layout in layouts:
        axes = dict(zip(layout, view.axes))
        found = _spread(view, axes) or _gathered(view, axes)
        if found is not None:
            gathered, order, spread = found
            return Rearrangement(gathered, order, spread, layout)
    return None


def _spread(view: View, axes: dict[str, Axis]) -> tuple[int, np.ndarray, int] | None:
    """Channels that become pixels: each axis of the picture whole, channels behind it."""
    inner = []
    for name, size in ((H, view.height), (W, view.width)):
        whole = (Factor(name, size),) if size > 1 else ()
        if axes[name][: len(whole)] != whole:
            return None
        inner.append(axes[name][len(whole) :])
    rows, columns = inner
    if any(f.source != C for f in (*rows, *columns, *axes[C])):
        return None
    block, across = (prod(f.size for f in part) for part in inner)
    if block != across:
        return None
    return 1, _places((*rows, *columns, *axes[C]), {C: 1}), block


def _gathered(view: View, axes: dict[str, Axis]) -> tuple[int, np.ndarray, int] | None:
    """Pixels that become channels: the rest of each axis evenly apart."""
    block = view.height // max(1, prod(f.size for f in axes[H]))
    if block < 2 or view.height % block or view.width % block:
        return None
    for name, size in ((H, view.height), (W, view.width)):
        wanted = (Factor(name, size // block, block),) if size > block else ()
        if axes[name] != wanted:
            return None
    inside = axes[C]
    for name in (H, W):
        parts = [f for f in inside if f.source == name]
        if prod(f.size for f in parts) != block or any(f.stride >= block for f in parts):
            return None
    weights = {H: block * view.channels, W: view.channels, C: 1}
    return block, _places(inside, weights), 1


def _places(factors: Axis, weights: dict[str, int]) -> np.ndarray:
    """int (n,): what each place of an axis is, where a step along a source weighs so much."""
    places = np.zeros(1, np.int64)
    for factor in factors:
        steps = np.arange(factor.size) * factor.stride * weights[factor.source]
        places = (places[:, None] + steps).reshape(-1)
    return places
