"""Activations whose output grid TFLite fixes itself, and the convolutions around them."""

from __future__ import annotations

from dataclasses import dataclass

import tf_keras

from sr_models.networks.graph import points


@dataclass(frozen=True)
class BoundedActivation:
    """A tanh or sigmoid whose input one convolution makes for it alone.

    Attributes:
        name: Its point.
        source: The point that it reads, a convolution without activation.
        readers: The convolutions that read it; empty where anything else does.
    """

    name: str
    source: str
    readers: tuple[str, ...]


def find_bounded(model) -> list[BoundedActivation]:
    """Activations of a fixed grid, in the order of computation."""
    graph = points(model)

    def is_plain(name: str) -> bool:
        layer = graph[name].layer
        return type(layer) is tf_keras.layers.Conv2D and layer.groups == 1

    found = []
    for name, point in graph.items():
        if not point.has_fixed_grid or graph[point.inputs[0]].consumers != [name]:
            continue
        (source,) = point.inputs
        if is_plain(source) and graph[source].layer.activation.__name__ == "linear":
            plain = all(is_plain(reader) for reader in point.consumers)
            found.append(BoundedActivation(name, source, tuple(point.consumers) if plain else ()))
    return found
