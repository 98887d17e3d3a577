"""How much memory a network takes for each pixel, and how many pictures therefore run at once."""

from __future__ import annotations

from weakref import WeakKeyDictionary

import numpy as np
import tf_keras

from sr_models.ground.memory import budget_bytes
from sr_models.networks.density import densities
from sr_models.networks.graph import points
from sr_models.networks.keras_windows import size_multiple

_SIDE = 48
"""Pixels of the size that shapes are asked for, or more where strides do not divide it."""
_FLOAT = 4
_BESIDE = 2.0
"""What convolutions hold beside the tensors that they make, as a factor on these."""
_known: WeakKeyDictionary = WeakKeyDictionary()


def bytes_per_pixel(model) -> float:
    """Bytes that all tensors of a network take for each pixel of its input, float32.

    Args:
        model: Functional Keras network.
    """
    if model not in _known:
        _known[model] = _BESIDE * _FLOAT * _values_per_pixel(model)
    return _known[model]


def _values_per_pixel(model) -> float:
    graph, found = points(model), densities(model)
    if found is not None:
        return sum(found[name] * point.tensor.shape[-1] for name, point in graph.items())
    channels = model.input.shape[-1]
    side = _SIDE + -_SIDE % size_multiple(model)
    shape = (1, *(size or side for size in model.input.shape[1:3]), channels)
    tensors = [point.tensor for point in graph.values()]
    shapes = tf_keras.Model(model.input, tensors).compute_output_shape(shape)
    return sum(int(np.prod(tuple(found)[1:])) for found in shapes) / (shape[1] * shape[2])


def pixels_at_once(model, *, most: int) -> int:
    """Pixels that a network may be given together: `most`, or as many as memory has room for.

    Args:
        model: Functional Keras network; what is none tells nothing of its tensors and gets `most`.
        most: How many with room enough.
    """
    if not isinstance(model, tf_keras.Model):
        return most
    return max(1, min(most, int(budget_bytes() / bytes_per_pixel(model))))


def pictures_at_once(model, *, height: int, width: int, most: int) -> int:
    """Pictures of a size that a network may be given together, at least one."""
    return max(1, pixels_at_once(model, most=most * height * width) // (height * width))


def side_in_budget(model, *, side: int, least: int) -> int:
    """The side of a square picture that fits: `side`, or the next smaller multiple of 8."""
    room = int(np.sqrt(budget_bytes() / bytes_per_pixel(model)))
    return side if room >= side else max(least, room - room % 8)
