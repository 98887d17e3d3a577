"""How products, means, bounds and channels in another order become fewer operations.

A factor on one of two tensors that are multiplied may go on to where it costs nothing; a mean takes
over what stands before it, since behind it one pixel is left to work on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from sr_models.importing.channel_order import (
    Reordering,
    behind,
    chosen_channels,
    is_permutation,
)
from sr_models.importing.operations import RELU6, Network, Operation, is_relu6, is_shifted


class ValueRules:
    """Rules of a rewriting, each named after the kind of operation that it rewrites.

    Attributes:
        new: The operations made so far.
        final: Whether nothing is put before the input or behind the output any more.
        only_reader: Of tensors that one operation reads, its kind.
        absorption: `simplification.Absorption`: what can take factors and shifts into itself.
        reordering: What can make its channels in another order.
    """

    new: Network
    final: bool
    only_reader: dict[str, str]
    absorption: Any
    reordering: Reordering
    _affine: Callable[[Operation], str]
    _source: Callable[[Operation], Operation]

    def _as_relu6(self, operation: Operation) -> str | None:
        """Bounds of 0..m by way of ReLU6, which convolutions take in, where one takes the scale."""
        high, none = operation["maximum"], np.zeros(operation.channels, np.float32)
        if self.only_reader.get(operation.name) not in ("convolution", "multiply"):
            return None  # Nothing would take the scale back.
        if operation["minimum"] != 0.0 or not 0.0 < high < np.inf or high == RELU6:
            return None
        factor = np.full(operation.channels, RELU6 / high, np.float32)
        wider = self.absorption.of(operation.inputs[0], factor, none)
        if wider is None:
            return None
        values = {"minimum": 0.0, "maximum": RELU6}
        bounded = self.new.add(replace(operation, inputs=(wider,), values=values))
        back = {"factor": 1.0 / factor, "shift": none}
        return self.new.add(replace(operation, kind="affine", inputs=(bounded,), values=back))

    def _is_of_relu6(self, operation: Operation) -> bool:
        """Whether an `affine` brings a ReLU6 to the bounds that a product wants."""
        multiplied = self.only_reader.get(operation.name) == "multiply"
        return multiplied and is_relu6(self._source(operation))

    def _multiply(self, operation: Operation) -> str:
        """A factor of one of the two goes on, where something takes it in at no cost."""
        for place, name in enumerate(operation.inputs):
            source = self.new[name]
            scales = source.kind == "affine" and not is_shifted(source)
            if not scales or source.channels != operation.channels:
                continue
            inputs = list(operation.inputs)
            inputs[place] = source.inputs[0]
            product = replace(operation, inputs=tuple(inputs))
            made = self.absorption.of_product(
                product, source["factor"], np.zeros_like(source["factor"])
            )
            if made is not None:
                return made
            if self.only_reader.get(operation.name) in ("convolution", "affine"):
                behind_it = replace(source, inputs=(self._multiply(product),))
                return self.new.add(replace(behind_it, layer=operation.layer))
        return self.new.add(operation)

    def _mean(self, operation: Operation) -> str:
        """A mean of a mean is one; scales go behind it, where there is one pixel."""
        source = self._source(operation)
        inner = replace(operation, inputs=source.inputs)
        if source.kind == "affine":
            return self._affine(replace(source, inputs=(self._mean(inner),)))
        if source.kind == "mean":
            axes = tuple(sorted({*source["axes"], *operation["axes"]}))
            return self._mean(replace(inner, values={"axes": axes}))
        return self.new.add(operation)

    # Channels in another order.

    def _select(self, operation: Operation) -> str:
        return self.reordering.of_or_selected(operation.inputs[0], operation["order"], operation)

    def _concatenate(self, operation: Operation) -> str:
        """Channels of one tensor put together again, where something makes them so at no cost."""
        parts = [chosen_channels(self.new, name) for name in operation.inputs]
        sources = {source for source, _ in parts}
        if len(sources) == 1:
            order, source = np.concatenate([places for _, places in parts]), sources.pop()
            if is_permutation(order, self.new[source].channels):
                return self.reordering.of_or_selected(source, order, operation)
            made = self.reordering.of(source, order)
            if made is not None:
                return made
        return self.new.add(operation)

    def _pad(self, operation: Operation) -> str:
        if self._source(operation).kind == "select":
            return self._before_selection(operation, self._pad)
        return self.new.add(operation)

    def _before_selection(self, operation: Operation, rule: Callable[[Operation], str]) -> str:
        found = behind(self.new, operation)
        if found is None:
            return self.new.add(operation)
        moved, order = found
        return self.reordering.of_or_selected(rule(moved), order, self._source(operation))
