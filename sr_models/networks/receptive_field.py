"""How far a network looks: which input pixels an output pixel is made of, as exact arithmetic.

Along one axis every operator reads a run of its input's indices for a run of its output's. Walking
from the output back to the input gives the run that one input pixel's share of the output needs.
What lies beyond it cannot change a bit of that share, so a picture may be computed in tiles.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from typing import Protocol

Run = tuple[int, int]
"""First and last index, both included."""


class Reading(Protocol):
    """How an operator reads one input along one axis.

    Attributes:
        ratio: Output indices for each input index.
    """

    @property
    def ratio(self) -> Fraction: ...

    def needed(self, run: Run) -> Run:
        """The input indices that output indices `run` are made of."""


@dataclass(frozen=True)
class Window:
    """A convolution or a pooling; with its defaults, an operator that works pixel by pixel.

    Attributes:
        size: Elements of the kernel.
        stride: Input indices from one window to the next.
        dilation: Input indices from one element to the next.
        before: Padding in front; the negative of how far the first window starts inside.
    """

    size: int = 1
    stride: int = 1
    dilation: int = 1
    before: int = 0

    @classmethod
    def same(cls, size: int, *, stride: int = 1, dilation: int = 1) -> Window:
        """A window padded as TensorFlow's `SAME`, at sizes that are multiples of the stride."""
        span = (size - 1) * dilation + 1
        return cls(size, stride, dilation, before=max(span - stride, 0) // 2)

    @property
    def ratio(self) -> Fraction:
        """One output index for each stride."""
        return Fraction(1, self.stride)

    def needed(self, run: Run) -> Run:
        """See `Reading`."""
        first, last = (index * self.stride - self.before for index in run)
        return first, last + (self.size - 1) * self.dilation


@dataclass(frozen=True)
class Spread:
    """Every input index becomes `times` of them: depth-to-space, resizing.

    Attributes:
        times: Output indices of one input index.
        margin: Neighbours that are read too: 1 for bilinear resizing.
    """

    times: int
    margin: int = 0

    @property
    def ratio(self) -> Fraction:
        """As many output indices as `times`."""
        return Fraction(self.times)

    def needed(self, run: Run) -> Run:
        """See `Reading`."""
        first, last = (index // self.times for index in run)
        return first - self.margin, last + self.margin


@dataclass(frozen=True)
class Transposed:
    """A transposed convolution.

    Attributes:
        size: Elements of the kernel.
        stride: Output indices from one input index to the next.
        before: Output indices cut off in front.
    """

    size: int
    stride: int
    before: int = 0

    @classmethod
    def same(cls, size: int, *, stride: int) -> Transposed:
        """As TensorFlow's `SAME` cuts it."""
        return cls(size, stride, before=max(size - stride, 0) // 2)

    @property
    def ratio(self) -> Fraction:
        """As many output indices as the stride."""
        return Fraction(self.stride)

    def needed(self, run: Run) -> Run:
        """See `Reading`."""
        first, last = run[0] + self.before, run[1] + self.before
        return -((self.size - 1 - first) // self.stride), last // self.stride


PIXELWISE = Window()

Steps = Mapping[str, Sequence[tuple[str, Reading]]]
"""Tensor -> what it is made of, in the order of computation; the input has no entry."""


class Untileable(Exception):
    """A network that no fixed neighbourhood explains; the message says why."""


@dataclass(frozen=True)
class ReceptiveField:
    """How far a super-resolution network looks.

    Attributes:
        radius: Input pixels that an output pixel depends on, counted from its own input pixel in
            the direction where there are most of them.
        alignment: Input pixels that a tile's place and size must be multiples of; above 1 where
            the network reduces its input inside.
        scale: Output pixels for each input pixel.
    """

    radius: int
    alignment: int
    scale: int

    @property
    def least_tile(self) -> int:
        """The smallest tile side with a pixel in the middle that no inner edge of it can change."""
        margin = -(-self.radius // self.alignment) * self.alignment
        return 2 * margin + self.alignment

    def to_json(self) -> dict[str, int]:
        """The attributes."""
        return {"radius": self.radius, "alignment": self.alignment, "scale": self.scale}


def find_receptive_field(axes: Sequence[Steps], *, source: str, target: str) -> ReceptiveField:
    """The receptive field of a network, the largest over its axes.

    Args:
        axes: For each axis, what every tensor reads; see `Steps`.
        source: Name of the input.
        target: Name of the output.

    Raises:
        Untileable: Tensors of different sizes meet, or the output is not s times as large.
    """
    found = [_along_axis(steps, source, target) for steps in axes]
    scales = {field.scale for field in found}
    if len(scales) != 1:
        raise Untileable(f"its axes are scaled differently: {sorted(scales)}")
    return ReceptiveField(
        radius=max(field.radius for field in found),
        alignment=lcm(*(field.alignment for field in found)),
        scale=scales.pop(),
    )


def _along_axis(steps: Steps, source: str, target: str) -> ReceptiveField:
    ratios = {source: Fraction(1)}
    for name, readings in steps.items():
        sizes = {ratios[read] * reading.ratio for read, reading in readings if read in ratios}
        if len(sizes) > 1:
            raise Untileable(f"tensors of different sizes meet in {name}")
        if sizes:
            ratios[name] = sizes.pop()
    if target not in ratios or ratios[target].denominator != 1:
        raise Untileable("its output is no whole number of times as large as its input")
    period = lcm(*(ratio.denominator for ratio in ratios.values()))
    scale = int(ratios[target])
    needed: dict[str, Run] = {target: (0, period * scale - 1)}
    for name in reversed(steps):
        if name not in needed:
            continue
        for read, reading in steps[name]:
            first, last = reading.needed(needed[name])
            known = needed.get(read, (first, last))
            needed[read] = min(first, known[0]), max(last, known[1])
    first, last = needed.get(source, (0, 0))
    return ReceptiveField(max(0, -first, last - (period - 1)), period, scale)
