"""Grids that a network was trained for: ranges of tensors and steps of kernels.

Quantization-aware training leaves fake quantization in a graph, or pairs of QuantizeLinear and
DequantizeLinear in an ONNX file. A tensor's range becomes a `grid` operation, which computes
nothing; a kernel's steps become its `scales`. Both go into the file as they are, as long as folding
leaves them right: a factor that differs by channel ends a tensor's range, and weights that are on
their grid no more are rounded as any others.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from sr_models.importing.operations import INPUT, Network, Operation
from sr_models.importing.output_rounding import LOOKED_THROUGH

LARGEST_CODE = 127
_ON_GRID = 1e-2
"""How far from a code, in steps, a weight may be that float32 has brought off it."""
_FIXED = ("tanh", "sigmoid")
"""What TFLite fixes the grid of by itself."""
_LOOKED_THROUGH = (*LOOKED_THROUGH, "slice", "grid")
"""What may stand between the last computing layer and the picture."""


def grid_values(minimum: float, maximum: float, *, narrow: bool = False) -> dict[str, Any] | None:
    """The values of a `grid` operation; `None` where no such range can be."""
    low, high = min(float(minimum), 0.0), max(float(maximum), 0.0)
    if not (np.isfinite(low) and np.isfinite(high)) or high - low < 1e-6:
        return None
    return {"minimum": low, "maximum": high, "narrow": bool(narrow)}


def kernel_steps(minimum: np.ndarray, maximum: np.ndarray, *, narrow: bool) -> np.ndarray:
    """The steps of a kernel's fake quantization of eight bits, one or one for each channel."""
    span = np.asarray(maximum, np.float64) - np.asarray(minimum, np.float64)
    return (span / (254 if narrow else 255)).astype(np.float32).reshape(-1)


def with_steps(values: dict[str, Any], steps: np.ndarray | None) -> dict[str, Any]:
    """The values of a convolution of one group, with the steps of its kernel where they are known.

    Args:
        values: Its kernel and the rest.
        steps: float32 (1,) or (output channels,); `None` where the kernel is on no grid.
    """
    outputs = values["kernel"].shape[3]
    if steps is None or values["groups"] > 1 or steps.size not in (1, outputs):
        return values
    made = {**values, "scales": np.broadcast_to(steps, (outputs,)).astype(np.float32)}
    return made if _is_on_grid(made) else values


def scaled_grid(operation: Operation, factor: np.ndarray, shift: np.ndarray) -> dict | None:
    """A tensor's range under a factor; `None` where it says nothing any more."""
    if shift.any() or (factor != factor[0]).any() or factor[0] <= 0.0:
        return None
    ends = {name: operation[name] * float(factor[0]) for name in ("minimum", "maximum")}
    return {**operation.values, **ends}


class GridRules:
    """Rules of a rewriting for `grid` operations.

    Attributes:
        new: The network that is made.
        absorption: What looks for room in it.
    """

    new: Network

    def _grid(self, operation: Operation) -> str:
        source = self.new[operation.inputs[0]]
        if source.kind in _FIXED:
            return source.name
        if source.kind == "grid" and source.name not in self.absorption.shared:
            return self.new.add(replace(operation, inputs=source.inputs))
        return self.new.add(operation)

    def before_grid(self, bound: Operation) -> str | None:
        """A bound before a range, so that the convolution takes it in; `None` for another order."""
        source = self.new[bound.inputs[0]]
        if source.kind != "grid" or source.name in self.absorption.shared:
            return None
        low, high = bound["minimum"], bound["maximum"]
        ends = (max(source["minimum"], low), min(source["maximum"], high))
        values = grid_values(*ends, narrow=source["narrow"])
        moved = self._bound(replace(bound, inputs=source.inputs))
        return (
            moved
            if values is None
            else self.new.add(replace(source, inputs=(moved,), values=values))
        )


class GridAbsorption:
    """Which factors and shifts may be moved before a `grid`."""

    def _absorbed_grid(self, operation: Operation, factor, shift) -> str | None:
        values = scaled_grid(operation, factor, shift)
        if values is not None:
            return self._moved(replace(operation, values=values), factor, shift)
        return self.of(operation.inputs[0], factor, shift)


def without_grids_of_pixels(network: Network) -> Network:
    """The network without the ranges of its input and its output, which the pixel contract says."""
    uses, dropped, name = network.uses(), set(), network.output
    while network[name].kind in _LOOKED_THROUGH and uses[name] == 1:
        if network[name].kind == "grid":
            dropped.add(name)
        (name,) = network[name].inputs
    dropped |= {op.name for op in network if op.kind == "grid" and op.inputs == (INPUT,)}
    made, renamed = Network(), {}
    for operation in network:
        inputs = tuple(renamed[source] for source in operation.inputs)
        left = operation.name in dropped
        renamed[operation.name] = inputs[0] if left else made.add(replace(operation, inputs=inputs))
    made.output = renamed[network.output]
    return made


def with_checked_steps(network: Network) -> Network:
    """The network with steps for the kernels alone that are still on them."""
    made, renamed = Network(), {}
    for operation in network:
        values = operation.values
        if "scales" in values and not _is_on_grid(values):
            values = {name: value for name, value in values.items() if name != "scales"}
        inputs = tuple(renamed[source] for source in operation.inputs)
        renamed[operation.name] = made.add(replace(operation, inputs=inputs, values=values))
    made.output = renamed[network.output]
    return made


def _is_on_grid(values: dict[str, Any]) -> bool:
    scales = values["scales"]
    if not (np.isfinite(scales).all() and (scales > 0.0).all()):
        return False
    codes = values["kernel"] / scales
    largest = np.abs(codes).max()
    return bool(largest < LARGEST_CODE + 0.5 and np.abs(codes - np.rint(codes)).max() < _ON_GRID)


def counts(network: Network) -> dict[str, int]:
    """How many ranges of tensors and how many kernels' steps came from the source."""
    joined = {name for op in network if op.kind == "concatenate" for name in op.inputs}
    ranges = [op for op in network if op.kind == "grid" and op.name not in joined]
    return {
        "tensor_ranges": len(ranges),
        "kernel_grids": sum("scales" in operation.values for operation in network),
    }
