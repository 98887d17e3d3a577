"""How many pixels each tensor of a network has for each pixel of its input, read from its layers.

Asking Keras for the shapes of all tensors, or for the network at a fixed size, takes as long as
calibrating a small network does.
"""

from __future__ import annotations

from math import prod

import tf_keras

from sr_models.networks.graph import Point, points
from sr_models.networks.layers import (
    ChannelSlice,
    ClipByValue,
    DepthToSpace,
    EdgePadding,
    MirrorPadding,
    NeighboursToChannels,
    RepeatChannels,
    SpaceToDepth,
)
from sr_models.networks.value_layers import KnownRange

_layers = tf_keras.layers
_KEEPING = (
    _layers.Conv2D,
    _layers.DepthwiseConv2D,
    _layers.Add,
    _layers.Multiply,
    _layers.Concatenate,
    _layers.ReLU,
    _layers.PReLU,
    _layers.LeakyReLU,
    _layers.Activation,
    _layers.Dropout,
    _layers.ZeroPadding2D,
    _layers.Cropping2D,
    ChannelSlice,
    ClipByValue,
    EdgePadding,
    KnownRange,
    MirrorPadding,
    NeighboursToChannels,
    RepeatChannels,
)
_STRIDING = (
    _layers.Conv2D,
    _layers.DepthwiseConv2D,
    _layers.MaxPooling2D,
    _layers.AveragePooling2D,
)


def densities(model) -> dict[str, float] | None:
    """Pixels for each pixel of the input: name of a point -> factor.

    Borders count as nothing: what padding adds, and what a convolution without it takes away.

    Args:
        model: Functional Keras network.

    Returns:
        `None` where a layer may do anything to the size.
    """
    found: dict[str, float] = {}
    for name, point in points(model).items():
        factor = _factor(point)
        if factor is None:
            return None
        found[name] = factor * (max(found[source] for source in point.inputs) if point.layer else 1)
    return found


def _factor(point: Point) -> float | None:
    layer = point.layer
    if layer is None:
        return 1.0
    if isinstance(layer, DepthToSpace):
        return float(layer.block_size**2)
    if isinstance(layer, SpaceToDepth):
        return 1.0 / layer.block_size**2
    if type(layer) is _layers.Conv2DTranspose:
        return float(prod(layer.strides))
    if type(layer) in _STRIDING:
        return 1.0 / prod(layer.strides)
    return 1.0 if type(layer) in _KEEPING else None


def multiply_adds_per_pixel(model) -> float | None:
    """Multiplications by weights of convolutions, for each pixel of the input.

    Returns:
        `None` where a layer may do anything to the size, or has weights and is no convolution.
    """
    found, graph = densities(model), points(model)
    if found is None:
        return None
    total = 0.0
    for name, point in graph.items():
        layer = point.layer
        if layer is None or not layer.weights or isinstance(layer, _layers.PReLU):
            continue
        if isinstance(layer, _layers.Conv2DTranspose):
            total += found[point.inputs[0]] * prod(layer.kernel.shape)
        elif isinstance(layer, _layers.DepthwiseConv2D):
            total += found[name] * prod(layer.depthwise_kernel.shape)
        elif isinstance(layer, _layers.Conv2D):
            total += found[name] * prod(layer.kernel.shape)
        else:
            return None
    return total


def is_of_any_size(model) -> bool:
    """Whether a file of the network for one size holds no other trace of it than its shapes.

    A transposed convolution's operator holds the size of its output; layers that are not known
    here may do so too.
    """
    kinds = [type(layer) for layer in model.layers]
    return densities(model) is not None and _layers.Conv2DTranspose not in kinds
