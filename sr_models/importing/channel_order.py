"""Channels in another order (`x[..., ::-1]`, pixel shuffles of other frameworks), at no cost.

A `select` costs a pass over a tensor, and XNNPACK has no operator for it. It is free where a
convolution before it makes its channels in that order, or where one behind it reads them so.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sr_models.importing.operations import POINTWISE, Network, Operation

_EVERY_CHANNEL_ALIKE = frozenset(
    POINTWISE - {"affine", "prelu"}
    | {"mean", "bilinear", "pad", "mirror_pad", "crop", "max_pool", "average_pool", "grid"}
)
_PER_CHANNEL = {"affine": ("factor", "shift"), "prelu": ("slope",)}


def is_permutation(order: np.ndarray, channels: int) -> bool:
    """Whether an order names each channel once."""
    return len(order) == channels and len(np.unique(order)) == channels


def selection(source: str, order: np.ndarray, *, channels: int, layer: str) -> Operation | None:
    """The plainest operation that makes an order of channels; `None` where nothing is to do.

    Args:
        source: Name of the operation whose channels are meant.
        order: int (C',), which of its channels each is.
        channels: How many it has.
        layer: What the source calls it.
    """
    order, first, count = np.asarray(order), int(order[0]), len(order)
    times, rest = divmod(count, channels)
    if not rest and np.array_equal(order, np.tile(np.arange(channels), times)):
        if times == 1:
            return None
        return Operation("", "repeat", (source,), count, {"times": times}, layer)
    if np.array_equal(order, np.arange(first, first + count)):
        places = {"start": first, "stop": first + count}
        return Operation("", "slice", (source,), count, places, layer)
    return Operation("", "select", (source,), count, {"order": order}, layer)


def chosen_channels(network: Network, name: str) -> tuple[str, np.ndarray]:
    """Of which operation a tensor holds channels, and which."""
    order = np.arange(network[name].channels)
    while (operation := network[name]).kind in ("slice", "select"):
        chosen = operation.values.get("order")
        order = order + operation["start"] if chosen is None else chosen[order]
        (name,) = operation.inputs
    return name, order


class Reordering:
    """Looks for operations of a network that can make their channels in another order.

    Attributes:
        network: Where they are looked for, and where the changed ones are added.
        shared: Operations that several others read, which must stay as they are.
    """

    def __init__(self, network: Network, shared: set[str]):
        self.network, self.shared = network, shared

    def of(self, name: str, order: np.ndarray) -> str | None:
        """An operation that makes these channels at no cost; `None` where there is none."""
        operation = self.network[name]
        if np.array_equal(order, np.arange(operation.channels)):
            return name
        if operation.kind == "select":
            return self.of_or_selected(operation.inputs[0], operation["order"][order], operation)
        if name in self.shared:
            return None
        if operation.kind in _EVERY_CHANNEL_ALIKE or operation.kind in _PER_CHANNEL:
            arrays = _PER_CHANNEL.get(operation.kind, ())
            values = {n: operation[n][order] for n in arrays}
            return self._of_all(operation, order, operation.inputs, values)
        rule = getattr(self, f"_of_{operation.kind}", None)
        return rule(operation, order) if rule else None

    def of_or_selected(self, name: str, order: np.ndarray, operation: Operation) -> str:
        """The same, by an operation of its own where there is none."""
        if (found := self.of(name, order)) is not None:
            return found
        channels = self.network[name].channels
        made = selection(name, order, channels=channels, layer=operation.layer)
        return name if made is None else self.network.add(made)

    def _of_all(self, operation: Operation, order, inputs, values=None) -> str | None:
        made = tuple(self.of(source, order) for source in inputs)
        if None in made:
            return None
        values = {**operation.values, **(values or {})}
        return self.network.add(replace(operation, inputs=made, channels=len(order), values=values))

    def _of_convolution(self, operation: Operation, order) -> str | None:
        if (
            operation["groups"] > 1
            or operation.values.get("fixed")
            or len(order) > len(operation["bias"])
        ):
            return None
        arrays = {n: v for n, v in operation.values.items() if n in ("kernel", "bias", "scales")}
        values = {n: np.ascontiguousarray(v[..., order]) for n, v in arrays.items()}
        values = {**operation.values, **values}
        return self.network.add(replace(operation, channels=len(order), values=values))

    def _of_add(self, operation: Operation, order) -> str | None:
        made = []
        for source in operation.inputs:
            spread = self.network[source].channels < operation.channels
            made.append(source if spread else self.of(source, order))
        if None in made:
            return None
        return self.network.add(replace(operation, inputs=tuple(made), channels=len(order)))

    _of_multiply = _of_add

    def _of_depth_to_space(self, operation: Operation, order) -> str | None:
        blocks = np.arange(operation["block"] ** 2)[:, None] * operation.channels
        made = self.of(operation.inputs[0], (blocks + order).reshape(-1))
        if made is None:
            return None
        return self.network.add(replace(operation, inputs=(made,), channels=len(order)))

    def _of_repeat(self, operation: Operation, order) -> str | None:
        channels = self.network[operation.inputs[0]].channels
        times = operation["times"]
        if len(order) % times:
            return None
        parts = order.reshape(times, -1) % channels
        if (parts != parts[0]).any():
            return None
        made = self.of(operation.inputs[0], parts[0])
        if made is None:
            return None
        return self.network.add(replace(operation, inputs=(made,), channels=len(order)))

    def _of_slice(self, operation: Operation, order) -> str | None:
        return self.of(operation.inputs[0], operation["start"] + order)


def read_in_order(network: Network, operation: Operation) -> Operation:
    """A convolution that reads what a `select` before it would have chosen.

    Args:
        network: Where its input is.
        operation: A convolution of one group, of a `select`.
    """
    select = network[operation.inputs[0]]
    kernel = operation["kernel"]
    channels = network[select.inputs[0]].channels
    moved = np.zeros((*kernel.shape[:2], channels, kernel.shape[3]), np.float32)
    np.add.at(moved, (slice(None), slice(None), select["order"]), kernel)
    values = {**operation.values, "kernel": moved}
    if not is_permutation(select["order"], channels):
        values.pop("scales", None)  # Sums of weights lie on no grid of theirs.
    return replace(operation, inputs=select.inputs, values=values)


def behind(network: Network, operation: Operation) -> tuple[Operation, np.ndarray] | None:
    """An operation on what a `select` before it reads, and the order that is left to do behind it.

    `None` where it would have more channels to work on than now.

    Args:
        network: Where its input is.
        operation: An `affine` or a `pad`.
    """
    select = network[operation.inputs[0]]
    order, channels = select["order"], network[select.inputs[0]].channels
    if not is_permutation(order, channels):
        return None
    back = np.argsort(order)
    arrays = _PER_CHANNEL.get(operation.kind, ())
    values = {**operation.values, **{n: operation[n][back] for n in arrays}}
    return replace(operation, inputs=select.inputs, values=values), order
