"""Sums of a tensor and its own positive and negative parts, which are all PReLUs.

Before there was an operator for it, a PReLU was spelt out: relu(x) - a relu(-x), or relu(x) +
a (x - |x|) / 2, or p x + q |x|. Each term is a times x above 0 and b times x below, and so is their
sum.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sr_models.importing.operations import Network, Operation, is_relu, is_shifted

_NEGATIVE = (-np.inf, 0.0)
_LONGEST = 8
"""Steps of a function that are looked through."""


@dataclass(frozen=True)
class Slopes:
    """A function of a tensor, channel by channel.

    Attributes:
        above: float32 (C,): what a value above 0 is multiplied by.
        below: The same for values below 0.
        bends: Whether it was computed by more than a multiplication.
    """

    above: np.ndarray
    below: np.ndarray
    bends: bool = False

    def then(self, operation: Operation) -> Slopes | None:
        """The function followed by an operation; `None` where the two are none of the kind."""
        if operation.kind == "affine" and not is_shifted(operation):
            factor = operation["factor"]
            return Slopes(self.above * factor, self.below * factor, self.bends)
        if operation.kind == "bound" and (operation["minimum"], operation["maximum"]) == _NEGATIVE:
            above = np.where(self.above > 0.0, np.float32(0.0), self.above)
            return Slopes(above, np.where(self.below < 0.0, np.float32(0.0), self.below), True)
        if operation.kind == "prelu":
            slope = operation["slope"]
        elif is_relu(operation):
            slope = np.float32(0.0)
        else:
            return None
        above = np.where(self.above < 0.0, self.above * slope, self.above)
        below = np.where(self.below > 0.0, self.below * slope, self.below)
        return Slopes(above, below, True)


def slopes_of_sum(network: Network, names: tuple[str, ...]) -> tuple[str, Slopes] | None:
    """What two tensors are functions of, and the slopes of their sum.

    Returns:
        `None` where they are functions of nothing common, or where none of them bends.
    """
    first, second = (_functions(network, name) for name in names)
    for base in first:
        if base in second:
            one, other = first[base], second[base]
            if not (one.bends or other.bends):
                return None
            return base, Slopes(one.above + other.above, one.below + other.below, True)
    return None


def _functions(network: Network, name: str) -> dict[str, Slopes]:
    """The tensors that a tensor is such a function of, the nearest first."""
    chain, found = [], {}
    while True:
        channels = network[name].channels
        slopes: Slopes | None = Slopes(np.ones(channels, np.float32), np.ones(channels, np.float32))
        for operation in reversed(chain):
            slopes = slopes.then(operation)
            if slopes is None:
                return found
        found[name] = slopes
        operation = network[name]
        if operation.kind not in ("affine", "bound", "prelu") or len(chain) == _LONGEST:
            return found
        chain.append(operation)
        name = operation.inputs[0]
