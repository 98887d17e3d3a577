"""The mean colour that a network takes off the picture, put back where its authors have it.

Reading a file writes `picture - mean` before a padded convolution as a further channel of ones,
whose taps are what the difference adds: exact in float, border included, and one operator less. The
papers' quantizers round the difference and a kernel of its own channels; beside that of a constant
their weights would share a scale with it.
"""

from __future__ import annotations

import numpy as np
import tf_keras

from sr_models.networks.graph import INPUT, points, rebuild
from sr_models.published.sites import is_convolution

TOLERANCE = 1e-4
"""Of taps that a shift does not explain, relative to the largest."""


def _adds_ones(layer) -> bool:
    """Whether a convolution gives its input back with a channel of ones behind it."""
    if not is_convolution(layer) or layer.kernel_size != (1, 1) or not layer.use_bias:
        return False
    kernel, bias = layer.get_weights()
    channels = kernel.shape[2]
    copied = kernel.shape[3] == channels + 1 and (kernel[0, 0] == np.eye(*kernel.shape[2:])).all()
    return bool(copied and (bias == np.eye(channels + 1)[channels]).all())


def _shift_of(layer) -> np.ndarray | None:
    """What is added to each channel before the kernel of all channels but the last: (C,)."""
    if not is_convolution(layer) or layer.groups > 1:
        return None
    kernel = np.float64(layer.get_weights()[0])
    own, ones = kernel[:, :, :-1], kernel[:, :, -1]
    taps = own.transpose(0, 1, 3, 2).reshape(-1, own.shape[2])
    shift, *_ = np.linalg.lstsq(taps, ones.ravel(), rcond=None)
    left = np.abs(taps @ shift - ones.ravel()).max()
    return shift if left <= TOLERANCE * np.abs(ones).max() else None


def with_colour_shift(model):
    """The same network with a shift of colours in place of a channel of ones.

    Args:
        model: Float functional network.

    Returns:
        A network of the same points, or `model` itself where there is no such channel.
    """
    graph = points(model)
    added = [p for p in graph.values() if p.inputs == [INPUT] and _adds_ones(p.layer)]
    if len(added) != 1:
        return model
    layers = [graph[name].layer for name in added[0].consumers]
    shifts = [_shift_of(layer) for layer in layers]
    if not shifts or any(s is None or not np.allclose(s, shifts[0], atol=1e-4) for s in shifts):
        return model
    channels = len(shifts[0])
    shift = tf_keras.layers.Conv2D(channels, 1, trainable=False, name=added[0].layer.name)
    made = {id(layer): tf_keras.layers.Conv2D.from_config(layer.get_config()) for layer in layers}
    made[id(added[0].layer)] = shift
    rebuilt = rebuild(
        model, lambda _, tensor: tensor, replace_layer=lambda layer: made.get(id(layer), layer)
    )
    shift.set_weights([np.eye(channels, dtype=np.float32)[None, None], np.float32(shifts[0])])
    for layer in layers:
        kernel, *rest = layer.get_weights()
        made[id(layer)].set_weights([kernel[:, :, :-1], *rest])
    return rebuilt
