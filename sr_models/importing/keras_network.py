"""Plain operations written as a functional Keras network, as the other packages expect one."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import tf_keras

from sr_models.importing.keras_geometry import GEOMETRY_WRITERS
from sr_models.importing.operations import INPUT, RELU6, Network, Operation, strides_of
from sr_models.networks.layers import (
    MOST_JOINED,
    ChannelSlice,
    ClipByValue,
    DepthToSpace,
    EdgePadding,
    RepeatChannels,
    SpaceToDepth,
)
from sr_models.networks.leaky_relu import compute_leaky_relu_rightly
from sr_models.networks.value_layers import (
    Gelu,
    KnownRange,
    PictureMean,
    ResizeToPicture,
    SquareRoot,
)
from sr_models.quantization.weight_grids import GridConvolution

_layers = tf_keras.layers
_TAKEN = (
    "depth_to_space",
    "packed",
    "tail_relu",
    "tail_clip",
    "tail_complement",
    "tail_complement_low",
)
_MOST_DENSE = 16
"""Channels up to which an explicit scale and shift is one dense 1x1 convolution."""


def to_keras(network: Network, *, name: str):
    """A functional Keras model (N, H, W, C) -> (N, H s, W s, C), free in height and width.

    Args:
        network: Operations; see `sr_models.importing.operations`.
        name: Name of the model.
    """
    network = _named_apart(network)
    picture = tf_keras.Input((None, None, network[INPUT].channels), name=INPUT)
    tensors = {INPUT: picture}
    for operation in network:
        if operation.name != INPUT:
            inputs = [tensors[name] for name in operation.inputs]
            if operation.kind == "resize":
                inputs.append(picture)  # Of which it reads the size.
            tensors[operation.name] = _WRITERS[operation.kind](operation, *inputs)
    return tf_keras.Model(picture, tensors[network.output], name=name)


def _named_apart(network: Network) -> Network:
    """The network without the names that `sr_models.networks.tails` gives to what it attaches."""
    made, renamed = Network(), {}
    for operation in network:
        layer = operation.name
        if layer in _TAKEN or (layer.endswith("_relu") and layer[:-5] in network.operations):
            layer = f"{layer}_inside"
        inputs = tuple(renamed[name] for name in operation.inputs)
        renamed[operation.name] = made.add(replace(operation, layer=layer, inputs=inputs))
    made.output = renamed[network.output]
    return made


def packed(model, *, scale: int):
    """The trunk (N, H, W, C) -> (N, H, W, C s^2) of a whole network; see `networks.tails`."""
    if scale == 1:
        return model
    last = model.output.node.layer
    if isinstance(last, DepthToSpace) and last.block_size == scale:
        return tf_keras.Model(model.input, last.input, name=model.name)
    output = SpaceToDepth(scale, name="packed")(model.output)
    return tf_keras.Model(model.input, output, name=model.name)


def _convolution(operation: Operation, x):
    kind = _layers.Conv2D
    if "scales" in operation.values:
        kind = partial(GridConvolution, scales=operation["scales"].tolist())
    layer = kind(
        operation.channels,
        operation["kernel"].shape[:2],
        padding=operation["padding"],
        strides=strides_of(operation),
        dilation_rate=operation["dilation"],
        groups=operation["groups"],
        name=operation.name,
        trainable=not (operation.values.get("fixed", False) or "scales" in operation.values),
    )
    y = layer(x)
    layer.set_weights([operation["kernel"], _told_apart(operation["bias"])])
    return y


def _told_apart(bias: np.ndarray) -> np.ndarray:
    """A bias whose values are not all the same to the last bit.

    Of one number for all channels the TFLite converter of TensorFlow 2.21 makes one code, in the
    steps of the first channel; in those of the others it stands for something else, by percents.
    """
    bias = np.array(bias, np.float32)
    if bias.size > 1 and bias[0] and (bias == bias[0]).all():
        bias[0] = np.nextafter(bias[0], np.float32(0.0))
    return bias


def _affine(operation: Operation, x):
    channels = operation.channels
    groups = 1 if channels <= _MOST_DENSE else channels
    kernel = np.diag(operation["factor"]) if groups == 1 else operation["factor"][None]
    layer = _layers.Conv2D(channels, 1, groups=groups, trainable=False, name=operation.name)
    y = layer(x)
    layer.set_weights([kernel[None, None], _told_apart(operation["shift"])])
    return y


def _select(operation: Operation, x):
    """Channels in another order, as a 1x1 convolution: the operators that move them are none of
    XNNPACK's."""
    kernel = np.eye(x.shape[-1], dtype=np.float32)[:, operation["order"]][None, None]
    layer = _layers.Conv2D(operation.channels, 1, trainable=False, name=operation.name)
    y = layer(x)
    layer.set_weights([kernel, np.zeros(operation.channels)])
    return y


def _bound(operation: Operation, x):
    low, high = operation["minimum"], operation["maximum"]
    if low == 0.0 and np.isinf(high):
        return _layers.ReLU(name=operation.name)(x)
    if low == 0.0 and high == RELU6:
        # Fused by the converter as ReLU is; any other bound is two operators left to the CPU.
        return _layers.ReLU(RELU6, name=operation.name)(x)
    return ClipByValue(low, high, name=operation.name)(x)


def _prelu(operation: Operation, x):
    slope = operation["slope"]
    if (slope == slope[0]).all():
        # One slope for all is an int8 operator that XNNPACK has; PRELU is none.
        compute_leaky_relu_rightly()
        return _layers.LeakyReLU(float(slope[0]), name=operation.name)(x)
    layer = _layers.PReLU(shared_axes=[1, 2], name=operation.name)
    y = layer(x)
    layer.set_weights([slope[None, None]])
    return y


def _concatenate(operation: Operation, *parts):
    """Nested where there are more parts than XNNPACK joins at once; the first are copied twice."""
    tensors, number = list(parts), 0
    while len(tensors) > MOST_JOINED:
        count = min(MOST_JOINED, len(tensors) - MOST_JOINED + 1)
        first = _layers.Concatenate(name=f"{operation.name}_first{number}")(tensors[:count])
        tensors, number = [first, *tensors[count:]], number + 1
    return _layers.Concatenate(name=operation.name)(tensors)


def _bilinear(operation: Operation, x):
    """Bilinear upscaling as a convolution on the small picture, whose border is repeated.

    `RESIZE_BILINEAR` would hold the large picture's size as a constant, so that a file could not be
    resized, and would work at full resolution.
    """
    factor, channels = operation["factor"], operation.channels
    taps = _bilinear_taps(factor)
    kernel = np.einsum("iy,jx,cd->yxcijd", taps, taps, np.eye(channels))
    width = channels * factor**2
    layer = _layers.Conv2D(
        width, 3, padding="valid", trainable=False, name=f"{operation.name}_taps"
    )
    y = layer(EdgePadding(name=f"{operation.name}_edge")(x))
    layer.set_weights([kernel.reshape(3, 3, channels, width), np.zeros(width)])
    return DepthToSpace(factor, name=operation.name)(y)


def _bilinear_taps(factor: int) -> np.ndarray:
    """float64 (s, 3): what each of s new pixels reads of its three old neighbours."""
    place = (np.arange(factor) + 0.5) / factor - 0.5
    return np.maximum(0.0, 1.0 - np.abs(place[:, None] - np.arange(-1, 2)))


_WRITERS = {
    "convolution": _convolution,
    "affine": _affine,
    "bound": _bound,
    "prelu": _prelu,
    **GEOMETRY_WRITERS,
    "bilinear": _bilinear,
    "tanh": lambda op, x: _layers.Activation("tanh", name=op.name)(x),
    "sigmoid": lambda op, x: _layers.Activation("sigmoid", name=op.name)(x),
    "add": lambda op, *x: _layers.Add(name=op.name)(list(x)),
    "multiply": lambda op, *x: _layers.Multiply(name=op.name)(list(x)),
    "concatenate": _concatenate,
    "depth_to_space": lambda op, x: DepthToSpace(op["block"], name=op.name)(x),
    "space_to_depth": lambda op, x: SpaceToDepth(op["block"], name=op.name)(x),
    "grid": lambda op, x: KnownRange(**op.values, name=op.name)(x),
    "gelu": lambda op, x: Gelu(op["approximate"], name=op.name)(x),
    "mean": lambda op, x: PictureMean(op["axes"], name=op.name)(x),
    "root": lambda op, x: SquareRoot(name=op.name)(x),
    "resize": lambda op, *x: ResizeToPicture(**op.values, name=op.name)(list(x)),
    "select": _select,
    "repeat": lambda op, x: RepeatChannels(op["times"], name=op.name)(x),
    "slice": lambda op, x: ChannelSlice(op["start"], op["stop"], name=op.name)(x),
}
