"""What folding may do around operations that pad, cut, mirror or pool."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sr_models.importing.geometry import is_same_padding
from sr_models.importing.operations import Operation, strides_of

if TYPE_CHECKING:
    from sr_models.importing.operations import Network

_KEEPS_VALUES = ("mirror_pad", "crop", "max_pool")
"""What a rectifier may be before or behind, all the same."""


class GeometryAbsorption:
    """Which factors and shifts may be moved before an operation."""

    def _absorbed_average_pool(self, operation: Operation, factor, shift) -> str | None:
        return self._moved(operation, factor, shift)

    _absorbed_mirror_pad = _absorbed_average_pool
    _absorbed_crop = _absorbed_average_pool

    def _absorbed_max_pool(self, operation: Operation, factor, shift) -> str | None:
        return None if (factor <= 0.0).any() else self._moved(operation, factor, shift)

    def _absorbed_pad(self, operation: Operation, factor, shift) -> str | None:
        """Zeros stay zeros under a factor, not under a shift."""
        return None if shift.any() else self._moved(operation, factor, shift)


class GeometryRewriting:
    """Operations put in another order, in which a convolution takes more of them in.

    Attributes:
        new: The network that is made.
        absorption: What looks for room in it.
    """

    new: Network

    def before_moves(self, bound: Operation) -> str | None:
        """A bound before what moves or pools, where a convolution may take it in; else `None`."""
        source = self.new[bound.inputs[0]]
        holds_zero = source.kind == "pad" and bound["minimum"] <= 0.0 <= bound["maximum"]
        moves = source.kind in _KEEPS_VALUES or holds_zero
        if not moves or source.name in self.absorption.shared:
            return None
        moved = self._bound(replace(bound, inputs=source.inputs, channels=source.channels))
        return self.new.add(replace(source, inputs=(moved,)))

    def _mirror_pad(self, operation: Operation) -> str:
        """A scale goes behind what mirrors or cuts, where a convolution may take it in."""
        source = self.new[operation.inputs[0]]
        if source.kind != "affine" or source.name in self.absorption.shared:
            return self.new.add(operation)
        moved = self.new.add(replace(operation, inputs=source.inputs))
        return self.new.add(replace(source, inputs=(moved,)))

    _crop = _mirror_pad

    def padded(self, padding: Operation | None, inputs: tuple[str, ...]) -> tuple[str, ...]:
        """The inputs, or zeros around them as another padding has them."""
        if padding is None:
            return inputs
        channels = self.new[inputs[0]].channels
        return (self.new.add(replace(padding, inputs=inputs, channels=channels)),)


def is_padding_of(pad: Operation, convolution: Operation) -> bool:
    """Whether zeros around a convolution without padding are those of `"same"`."""
    if convolution["padding"] != "valid":
        return False
    strides, pads = strides_of(convolution), (tuple(pad["rows"]), tuple(pad["columns"]))
    size = (0, 0)  # Without strides zeros do not depend on it.
    if max(strides) > 1:
        if "size" not in convolution.values:
            return False
        size = tuple(n - sum(side) for n, side in zip(convolution["size"], pads))
    kernel, dilation = convolution["kernel"].shape[:2], convolution["dilation"]
    return is_same_padding(pads, size, kernel=kernel, strides=strides, dilation=dilation)
