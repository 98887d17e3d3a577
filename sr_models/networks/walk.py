"""A network computed tensor by tensor, so that a layer can still change before it is called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sr_models.networks.graph import INPUT, nodes, points


class Walk:
    """Computes a network's tensors when they are asked for, each once, and forgets used ones.

    Asking for the input of one layer after another costs one run of the network in all, where
    running it up to each layer costs half a run per layer. Weights are read when a layer is called:
    whoever changes a layer does so before asking for anything behind it, and asks in the order of
    computation.
    """

    def __init__(self, model, batches: Sequence[Any]):
        """Nothing is computed yet.

        Args:
            model: Functional Keras model with one input.
            batches: float32 (N, h, w, C), one after another; they need not be of one size.
        """
        self._points = points(model)
        self._calls = dict(zip([name for name in self._points if name != INPUT], nodes(model)))
        self._held: dict[str, list] = {INPUT: list(batches)}
        self._done = {INPUT}

    def tensors(self, name: str) -> list[Any]:
        """The tensor of a point for every batch: float32 (N, H, W, C) each.

        Raises:
            ValueError: It was forgotten, since all that read it was computed.
        """
        for needed in self._missing(name):
            point, call = self._points[needed], self._calls[needed]
            parts = zip(*(self._held[source] for source in point.inputs))
            keys = [str(id(self._points[source].tensor)) for source in point.inputs]
            self._held[needed] = [self._answer(call, keys, part) for part in parts]
            self._done.add(needed)
            self._forget(keep={name, needed})
        if name not in self._held:
            raise ValueError(f"expected points in the order of computation, found {name} again")
        return self._held[name]

    def _missing(self, name: str) -> list[str]:
        """What must be computed for a point, in order, itself included."""
        wanted, found = [name], set()
        while wanted:
            current = wanted.pop()
            if current not in self._done and current not in found:
                found.add(current)
                wanted += self._points[current].inputs
        return [point for point in self._points if point in found]

    @staticmethod
    def _answer(call, keys: list[str], tensors):
        # A tensor that a layer reads twice stands twice among its inputs.
        given = {key: [tensor] * keys.count(key) for key, tensor in zip(keys, tensors)}
        arguments, keywords = call.map_arguments(given)
        return call.layer(*arguments, **keywords)

    def _forget(self, *, keep: set[str]) -> None:
        for name in list(self._held):
            readers = self._points[name].consumers
            if readers and name not in keep and self._done.issuperset(readers):
                del self._held[name]
