"""The receptive field of a Keras network, from its layers.

Readers of files (`.tflite`) stand with the exporter; one search adds up what both have read.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import lcm
from typing import Any

import tf_keras

from sr_models.ground.errors import OptionError
from sr_models.networks.graph import INPUT, Point, output_name, points
from sr_models.networks.layers import (
    ChannelSlice,
    ClipByValue,
    DepthToSpace,
    EdgePadding,
    MirrorPadding,
    RepeatChannels,
    SpaceToDepth,
)
from sr_models.networks.receptive_field import (
    PIXELWISE,
    Reading,
    ReceptiveField,
    Spread,
    Transposed,
    Untileable,
    Window,
    find_receptive_field,
)
from sr_models.networks.value_layers import (
    Gelu,
    KnownRange,
    PictureMean,
    ResizeToPicture,
    SquareRoot,
)

_layers = tf_keras.layers
_PIXELWISE = (
    _layers.ReLU,
    _layers.PReLU,
    _layers.LeakyReLU,
    _layers.ELU,
    _layers.Activation,
    _layers.Add,
    _layers.Subtract,
    _layers.Multiply,
    _layers.Maximum,
    _layers.Minimum,
    _layers.Concatenate,
    _layers.BatchNormalization,
    _layers.Dropout,
    _layers.Rescaling,
    ChannelSlice,
    ClipByValue,
    Gelu,
    KnownRange,
    RepeatChannels,
    SquareRoot,
)
_POOLINGS = (_layers.MaxPooling2D, _layers.AveragePooling2D)


def receptive_field_of(model) -> ReceptiveField:
    """How far a functional Keras network (N, H, W, C) looks.

    Raises:
        OptionError: It looks at the whole picture, or holds a layer that is not known here.
    """
    graph = points(model)

    def readings(axis: int) -> dict[str, list[tuple[str, Reading]]]:
        return {
            name: [(source, _reading(point.layer, axis)) for source in point.inputs]
            for name, point in graph.items()
            if point.layer is not None
        }

    try:
        return find_receptive_field(
            [readings(0), readings(1)], source=INPUT, target=output_name(model)
        )
    except Untileable as error:
        raise OptionError(
            f"expected a network that looks at a neighbourhood of each pixel, found that {error}; "
            "give it whole pictures"
        ) from error


def size_multiple(model) -> int:
    """What height and width of an input must be multiples of: the total stride of the network.

    1 for a network that never works on a smaller picture than it is given. Layers that are not
    known here are taken to keep the size. What is resized to the picture's own size may have had
    any before.

    Args:
        model: Functional Keras network (N, H, W, C).
    """
    found, graph = [1], points(model)
    counted = _counted(graph, output_name(model))
    for axis in (0, 1):
        ratios = {INPUT: Fraction(1)}
        for name, point in graph.items():
            if isinstance(point.layer, ResizeToPicture):
                ratios[name] = Fraction(point.layer.times, point.layer.parts)
            elif point.layer is not None:
                ratio = _known(point.layer, axis).ratio
                ratios[name] = ratios[point.inputs[0]] * ratio
        found += [ratio.denominator for name, ratio in ratios.items() if name in counted]
    return lcm(*found)


def _counted(graph: dict[str, Point], output: str) -> set[str]:
    """The points whose size the output's depends on."""
    found, waiting = set(), [output]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            if not isinstance(graph[name].layer, ResizeToPicture):
                waiting += graph[name].inputs
    return found


def _known(layer, axis: int) -> Reading:
    try:
        return _reading(layer, axis)
    except Untileable:
        return PIXELWISE


def _convolution(layer, axis: int) -> Reading:
    size, stride = layer.kernel_size[axis], layer.strides[axis]
    dilation = layer.dilation_rate[axis]
    if layer.padding == "same":
        return Window.same(size, stride=stride, dilation=dilation)
    return Window(size, stride, dilation)


def _transposed(layer, axis: int) -> Reading:
    size, stride = layer.kernel_size[axis], layer.strides[axis]
    return (
        Transposed.same(size, stride=stride)
        if layer.padding == "same"
        else Transposed(size, stride)
    )


def _pooling(layer, axis: int) -> Reading:
    size, stride = layer.pool_size[axis], layer.strides[axis]
    return Window.same(size, stride=stride) if layer.padding == "same" else Window(size, stride)


_READINGS: tuple[tuple[Any, Callable[[Any, int], Reading]], ...] = (
    # A transposed convolution is a convolution to Keras, so it comes first.
    (_layers.Conv2DTranspose, _transposed),
    ((_layers.Conv2D, _layers.DepthwiseConv2D), _convolution),
    (_POOLINGS, _pooling),
    (DepthToSpace, lambda layer, axis: Spread(layer.block_size)),
    (SpaceToDepth, lambda layer, axis: Window(layer.block_size, layer.block_size)),
    (
        _layers.UpSampling2D,
        lambda layer, axis: Spread(
            layer.size[axis], margin=0 if layer.interpolation == "nearest" else 1
        ),
    ),
    (_layers.ZeroPadding2D, lambda layer, axis: Window(before=layer.padding[axis][0])),
    (_layers.Cropping2D, lambda layer, axis: Window(before=-layer.cropping[axis][0])),
    # What is mirrored lies as far inside as it stands outside, so no further off.
    (MirrorPadding, lambda layer, axis: Window(before=(layer.rows, layer.columns)[axis][0])),
    (EdgePadding, lambda layer, axis: Window(before=1)),
    (_PIXELWISE, lambda layer, axis: PIXELWISE),
)


def _reading(layer, axis: int) -> Reading:
    if isinstance(layer, PictureMean):
        raise Untileable(f"{layer.name} takes a mean over the whole picture")
    if isinstance(layer, ResizeToPicture):
        raise Untileable(f"{layer.name} depends on the size of the picture")
    for kinds, reading in _READINGS:
        if isinstance(layer, kinds):
            return reading(layer, axis)
    raise Untileable(f"the reach of {type(layer).__name__} {layer.name} is not known")
