"""What an operator costs a target: the products that its kernels compute, and a time by them.

The time is no forecast in milliseconds but one in instructions, to hold layers and forms of layers
against each other: the multiplications of all tiles, what each tap of each tile costs to begin
(pointers, the zero beyond the border, sums that are joined), what each output costs to be rounded
and stored, and what other operators cost for each value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from export.running.targets import Kernel, Target

TAP = 6.0
"""Instructions to begin one tap of one tile, for each of its rows."""
STORE = 3.0
"""Instructions to round and store one output, those included that a tile throws away."""
COPY = 0.5
"""For each value that is copied."""
VALUES = {
    "ADD": 1.5,
    "SUB": 1.5,
    "MUL": 1.5,
    "TANH": 1.3,
    "LOGISTIC": 1.3,
    "LEAKY_RELU": 1.0,
    "QUANTIZE": 5.5,
    "RESIZE_BILINEAR": 4.0,
}
"""For each value that other operators write."""
LEFT_BEHIND = {"PRELU": 47.0}
"""For each value of an operator that the interpreter's own kernels compute, where it is known."""
OTHERS_LEFT_BEHIND = 15.0

LEAST_GAIN = 0.02
"""Share of the whole cost that another form of a layer must save."""


@dataclass(frozen=True)
class Convolution:
    """The size of a convolution, for one picture.

    Attributes:
        pixels: Height times width of its output.
        taps: Height times width of its kernel.
        inputs: Channels that it reads, of all groups.
        outputs: Channels that it writes, of all groups.
        groups: Parts of the channels that know nothing of each other.
    """

    pixels: int
    taps: int
    inputs: int
    outputs: int
    groups: int = 1

    @property
    def useful(self) -> int:
        """Multiply-adds that the layer asks for."""
        return self.pixels * self.taps * self.inputs * self.outputs // self.groups

    @property
    def is_depthwise(self) -> bool:
        """Whether each channel is convolved by itself."""
        return 1 < self.groups == self.inputs == self.outputs

    def _depthwise_taps(self, kernel: Kernel) -> int | None:
        if not self.is_depthwise:
            return None
        return next((taps for taps in kernel.depthwise_taps if taps >= self.taps), None)

    def computed(self, kernel: Kernel) -> int:
        """Multiply-adds that the kernels take for it."""
        taps = self._depthwise_taps(kernel)
        if taps is not None:
            return self.pixels * taps * _whole(self.outputs, kernel.depthwise)
        # A single pixel stands for a file of any size.
        pixels = self.pixels if self.pixels == 1 else _whole(self.pixels, kernel.rows)
        reads = _whole(self.inputs // self.groups, kernel.inputs)
        return pixels * self.taps * reads * self._padded(kernel)

    def _padded(self, kernel: Kernel) -> int:
        return self.groups * _whole(self.outputs // self.groups, kernel.outputs)

    def instructions(self, kernel: Kernel) -> float:
        """What its time follows; see above."""
        if self._depthwise_taps(kernel) is not None:
            # One channel by one: no instruction that multiplies several and adds them up.
            channels = _whole(self.outputs, kernel.depthwise)
            return self.computed(kernel) / 4.0 + self.pixels * channels * STORE
        padded = self._padded(kernel)
        begun = TAP * self.taps * padded / kernel.outputs
        return self.computed(kernel) / kernel.products + self.pixels * (begun + STORE * padded)


def _whole(count: int, step: int) -> int:
    return math.ceil(count / step) * step


def values_cost(operator: str, *, values: int, target: Target) -> float:
    """Instructions of an operator that is no convolution, by the values that it writes."""
    if operator in target.left_behind:
        return LEFT_BEHIND.get(operator, OTHERS_LEFT_BEHIND) * values
    return VALUES.get(operator, COPY) * values


def clip_cost(*, values: int, target: Target) -> float:
    """Instructions of the clip that people ship, MINIMUM and RELU, of so many values."""
    return sum(
        values_cost(operator, values=values, target=target) for operator in ("MINIMUM", "RELU")
    )
