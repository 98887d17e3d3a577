"""Activations whose output grid TFLite fixes itself, and the convolutions around them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tf_keras

from export.quantizing.channels import channel_sensitivities
from sr_models.networks.graph import points

ROWS = 20_000
LEAST_END = 1e-3
LARGEST_END = 8.0
ENDS = 40
CODES = 255


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


def saturation_costs(
    model, found: BoundedActivation, pictures: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """What each channel's error costs the output, by the end of the range.

    Args:
        model: Float network.
        found: The activation.
        pictures: float32 (N, h, w, 3) in 0..1.

    Returns:
        Ends a of ranges -a..a: float64 (ENDS,), and squared errors of the output to first order:
        float64 (C, ENDS).
    """
    graph = points(model)
    values = tf_keras.Model(model.input, graph[found.source].tensor)(pictures).numpy()
    values = values.reshape(-1, values.shape[-1])
    values = values[:: max(1, len(values) // ROWS)]
    activation = graph[found.name].layer.activation
    expected = activation(values).numpy()
    widest = max(LEAST_END, min(LARGEST_END, float(np.abs(values).max())))
    ends = np.geomspace(widest / 16.0, widest, ENDS)
    errors = []
    for end in ends:
        step = 2.0 * end / CODES
        stored = np.clip(np.rint(values / step) * step, -end, end)
        errors.append(np.square(activation(stored).numpy() - expected).mean(axis=0))
    weight = channel_sensitivities(model, [found.name], pictures)[found.name]
    return ends, weight[:, None] * np.stack(errors, axis=1)
