"""A float network as a `.tflite` file that returns any of its tensors, to be run on this machine.

Written operator by operator, in milliseconds, where TensorFlow's converter takes a second for a
small network and five for EDSR; a network is run in a dozen forms on its way to a file. What the
converter makes is what users get; this file is seen by nobody but `sr_models.observing.tensors`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import tf_keras
from ai_edge_litert import schema_py_generated as schema

from sr_models.networks.graph import Point, points
from sr_models.networks.layers import (
    MOST_JOINED,
    ChannelSlice,
    ClipByValue,
    DepthToSpace,
    EdgePadding,
    MirrorPadding,
    NeighboursToChannels,
    RepeatChannels,
    SpaceToDepth,
)
from sr_models.networks.value_layers import Gelu, KnownRange, PictureMean, SquareRoot
from sr_models.observing.float_tables import FloatTables, Shape, Unwritable

_PADDINGS = {"same": schema.Padding.SAME, "valid": schema.Padding.VALID}


def _require(holds: bool, layer) -> None:
    if not holds:
        raise Unwritable(f"{type(layer).__name__} {layer.name} of a form that is not written here")


def _activated(file: FloatTables, activation, x: int) -> int:
    name = getattr(activation, "__name__", None)
    operators = {"relu": "RELU", "tanh": "TANH", "sigmoid": "LOGISTIC"}
    if name == "linear":
        return x
    if activation is not getattr(tf_keras.activations, str(name), None) or name not in operators:
        raise Unwritable(f"the activation {name}")
    return file.operator(operators[name], [x], file.shape(x))


def _reached(layer, shape: Shape, *, window: Shape, steps: Shape = (1, 1)) -> Shape:
    """Height and width that a window makes of a tensor."""
    sides = []
    for size, side, stride, step in zip(shape[1:3], window, layer.strides, steps):
        left = size if layer.padding == "same" else size - (side - 1) * step
        sides.append(-(-left // stride))
    return tuple(sides)


def _convolved(layer, shape: Shape) -> Shape:
    return _reached(layer, shape, window=layer.kernel_size, steps=layer.dilation_rate)


def _sliding(layer) -> dict[str, int]:
    """Options that all convolutions have in common."""
    _require(layer.padding in _PADDINGS and layer.data_format == "channels_last", layer)
    return {
        "padding": _PADDINGS[layer.padding],
        "strideH": layer.strides[0],
        "strideW": layer.strides[1],
        "dilationHFactor": layer.dilation_rate[0],
        "dilationWFactor": layer.dilation_rate[1],
    }


def _biased(file: FloatTables, layer, x: int, *, bias: bool) -> int:
    """What stands behind a convolution: a bias that it does not have yet, and the activation."""
    if bias and layer.use_bias:
        constant = file.constant(layer.bias.numpy())
        x = file.operator("ADD", [x, constant], file.shape(x))
    return _activated(file, layer.activation, x)


def _products(file: FloatTables, layer, x: int, *, biased: bool) -> int:
    """A convolution without its activation, and without its bias where that is wanted."""
    shape = file.shape(x)
    kernel = layer.kernel.numpy()
    bias = layer.bias.numpy() if biased and layer.use_bias else np.zeros(kernel.shape[-1])
    inputs = [x, file.constant(kernel.transpose(3, 0, 1, 2)), file.constant(bias)]
    reached = (shape[0], *_convolved(layer, shape), kernel.shape[-1])
    return file.operator("CONV_2D", inputs, reached, **_sliding(layer))


def _convolution(file: FloatTables, layer, x: int) -> int:
    return _biased(file, layer, _products(file, layer, x, biased=True), bias=False)


def _depthwise(file: FloatTables, layer, x: int) -> int:
    shape, kernel = file.shape(x), layer.depthwise_kernel.numpy()
    count = kernel.shape[2] * kernel.shape[3]
    bias = layer.bias.numpy() if layer.use_bias else np.zeros(count)
    inputs = [x, file.constant(kernel.reshape(1, *kernel.shape[:2], count)), file.constant(bias)]
    options = {**_sliding(layer), "depthMultiplier": kernel.shape[3]}
    reached = (shape[0], *_convolved(layer, shape), count)
    made = file.operator("DEPTHWISE_CONV_2D", inputs, reached, version=2, **options)
    return _activated(file, layer.activation, made)


def _transposed(file: FloatTables, layer, x: int) -> int:
    _require(
        layer.padding == "same"
        and layer.output_padding is None
        and set(layer.dilation_rate) == {1}
        and layer.data_format == "channels_last",
        layer,
    )
    _, height, width, _ = file.shape(x)
    kernel = layer.kernel.numpy()
    shape = (1, height * layer.strides[0], width * layer.strides[1], kernel.shape[2])
    inputs = [file.constant(np.int32(shape)), file.constant(kernel.transpose(2, 0, 1, 3)), x]
    sliding = {"strideH": layer.strides[0], "strideW": layer.strides[1]}
    options = {"padding": schema.Padding.SAME, **sliding}
    made = file.operator("TRANSPOSE_CONV", inputs, shape, **options)
    return _biased(file, layer, made, bias=True)


def _sum(file: FloatTables, layer, *tensors: int) -> int:
    return _folded(file, "ADD", tensors)


def _product(file: FloatTables, layer, *tensors: int) -> int:
    return _folded(file, "MUL", tensors)


def _folded(file: FloatTables, name: str, tensors: Sequence[int]) -> int:
    first, *others = tensors
    for other in others:
        shape = np.broadcast_shapes(file.shape(first), file.shape(other))
        first = file.operator(name, [first, other], shape)
    return first


def _joined(file: FloatTables, tensors: Sequence[int]) -> int:
    shapes = [file.shape(tensor) for tensor in tensors]
    shape = (*shapes[0][:-1], sum(found[-1] for found in shapes))
    return file.operator("CONCATENATION", tensors, shape, axis=3)


def _concatenated(file: FloatTables, layer, *tensors: int) -> int:
    _require(layer.axis in (-1, 3), layer)
    return _joined(file, tensors)


def _repeated(file: FloatTables, layer, x: int) -> int:
    left = layer.times
    for factor in range(MOST_JOINED, 1, -1):
        while left % factor == 0:
            x, left = _joined(file, [x] * factor), left // factor
    return _joined(file, [x] * left) if left > 1 else x


def _rectified(file: FloatTables, layer, x: int) -> int:
    _require(not layer.threshold and not layer.negative_slope, layer)
    _require(layer.max_value in (None, 6.0), layer)
    name = "RELU" if layer.max_value is None else "RELU6"
    return file.operator(name, [x], file.shape(x))


def _bent(file: FloatTables, layer, x: int) -> int:
    slopes = layer.alpha.numpy()
    _require(set(slopes.shape[:-1]) <= {1}, layer)
    return file.operator("PRELU", [x, file.constant(slopes)], file.shape(x))


def _leaky(file: FloatTables, layer, x: int) -> int:
    return file.operator("LEAKY_RELU", [x], file.shape(x), alpha=float(layer.alpha))


def _spread(file: FloatTables, layer, x: int) -> int:
    (_, height, width, channels), size = file.shape(x), layer.block_size
    shape = (1, height * size, width * size, channels // size**2)
    return file.operator("DEPTH_TO_SPACE", [x], shape, blockSize=size)


def _gathered(file: FloatTables, layer, x: int) -> int:
    (_, height, width, channels), size = file.shape(x), layer.block_size
    shape = (1, height // size, width // size, channels * size**2)
    return file.operator("SPACE_TO_DEPTH", [x], shape, blockSize=size)


def _cut(file: FloatTables, layer, x: int) -> int:
    shape = (*file.shape(x)[:3], layer.stop - layer.start)
    begin, size = (file.constant(np.int32(v)) for v in ((0, 0, 0, layer.start), shape))
    return file.operator("SLICE", [x, begin, size], shape)


def _edged(file: FloatTables, layer, x: int) -> int:
    mode = schema.MirrorPadMode.SYMMETRIC
    return _bordered(file, "MIRROR_PAD", x, (1, 1), (1, 1), mode=mode)


def _mirrored(file: FloatTables, layer, x: int) -> int:
    mode = getattr(schema.MirrorPadMode, layer.mode)
    return _bordered(file, "MIRROR_PAD", x, layer.rows, layer.columns, mode=mode)


def _padded(file: FloatTables, layer, x: int) -> int:
    return _bordered(file, "PAD", x, *layer.padding)


def _bordered(file: FloatTables, name: str, x: int, rows, columns, **options) -> int:
    _, height, width, channels = file.shape(x)
    amounts = file.constant(np.int32([[0, 0], rows, columns, [0, 0]]))
    shape = (1, height + sum(rows), width + sum(columns), channels)
    return file.operator(name, [x, amounts], shape, **options)


def _pooled(name: str):
    def write(file: FloatTables, layer, x: int) -> int:
        _require(layer.padding in _PADDINGS and layer.data_format == "channels_last", layer)
        shape, (rows, columns) = file.shape(x), layer.pool_size
        reached = (1, *_reached(layer, shape, window=layer.pool_size), shape[3])
        options = {"strideH": layer.strides[0], "strideW": layer.strides[1]}
        options |= {"filterHeight": rows, "filterWidth": columns}
        return file.operator(name, [x], reached, padding=_PADDINGS[layer.padding], **options)

    return write


def _mean(file: FloatTables, layer, x: int) -> int:
    shape = tuple(1 if axis in layer.axes else size for axis, size in enumerate(file.shape(x)))
    return file.operator("MEAN", [x, file.constant(np.int32(layer.axes))], shape, keepDims=True)


def _gelu(file: FloatTables, layer, x: int) -> int:
    return file.operator("GELU", [x], file.shape(x), approximate=layer.approximate)


def _cropped(file: FloatTables, layer, x: int) -> int:
    (up, down), (left, right) = layer.cropping
    _, height, width, channels = file.shape(x)
    shape = (1, height - up - down, width - left - right, channels)
    begin, size = (file.constant(np.int32(v)) for v in ((0, up, left, 0), shape))
    return file.operator("SLICE", [x, begin, size], shape)


def _clipped(file: FloatTables, layer, x: int) -> int:
    for name, bound in (("MINIMUM", layer.maximum), ("MAXIMUM", layer.minimum)):
        if np.isfinite(bound):
            x = file.operator(name, [x, file.constant(np.float32([bound]))], file.shape(x))
    return x


_layers = tf_keras.layers
_WRITERS = {
    _layers.Conv2D: _convolution,
    _layers.DepthwiseConv2D: _depthwise,
    _layers.Conv2DTranspose: _transposed,
    _layers.Add: _sum,
    _layers.Multiply: _product,
    _layers.Concatenate: _concatenated,
    _layers.ReLU: _rectified,
    _layers.PReLU: _bent,
    _layers.LeakyReLU: _leaky,
    _layers.Activation: lambda file, layer, x: _activated(file, layer.activation, x),
    _layers.Dropout: lambda file, layer, x: x,
    _layers.ZeroPadding2D: _padded,
    _layers.Cropping2D: _cropped,
    _layers.MaxPooling2D: _pooled("MAX_POOL_2D"),
    _layers.AveragePooling2D: _pooled("AVERAGE_POOL_2D"),
    NeighboursToChannels: _convolution,
    PictureMean: _mean,
    Gelu: _gelu,
    SquareRoot: lambda file, layer, x: file.operator("SQRT", [x], file.shape(x)),
    KnownRange: lambda file, layer, x: x,
    DepthToSpace: _spread,
    SpaceToDepth: _gathered,
    RepeatChannels: _repeated,
    ChannelSlice: _cut,
    EdgePadding: _edged,
    MirrorPadding: _mirrored,
    ClipByValue: _clipped,
}
"""By exact class: what is derived from one of these may compute something else."""


def write_float_file(
    model,
    names: Sequence[str],
    *,
    height: int,
    width: int,
    products: Collection[str] = (),
) -> bytes:
    """The content of a file for one picture: float32 (1, h, w, C) -> one output for each name.

    Args:
        model: Functional Keras network with one input.
        names: Names of points, in the order of the outputs; the input is none.
        height: Of the picture, in pixels.
        width: Of the picture, in pixels.
        products: Convolutions that stand among the outputs, behind the points and in this order, as
            they are before bias and activation.

    Raises:
        Unwritable: A layer, or a form of one, that is not written here.
    """
    file, graph = FloatTables(), points(model)
    first, *others = graph
    held = {first: file.tensor((1, height, width, graph[first].tensor.shape[-1]))}
    apart: dict[str, int] = {}
    needed = _needed(graph, {*names, *products})
    for name in others:
        if name not in needed:
            continue
        layer, inputs = graph[name].layer, [held[source] for source in graph[name].inputs]
        if type(layer) not in _WRITERS:
            raise Unwritable(f"{type(layer).__name__} {name}")
        if name in products:
            apart[name] = _products(file, layer, *inputs, biased=False)
            held[name] = _biased(file, layer, apart[name], bias=True)
        else:
            held[name] = _WRITERS[type(layer)](file, layer, *inputs)
    seen, outputs = {held[first]}, []
    for output in [held[name] for name in names] + [apart[name] for name in products]:
        if output in seen:
            # A tensor with two names, of which an interpreter would return one.
            zero = file.constant(np.zeros(1))
            output = file.operator("ADD", [output, zero], file.shape(output))
        seen.add(output)
        outputs.append(output)
    return file.content([held[first]], outputs)


def _needed(graph: dict[str, Point], names: set[str]) -> set[str]:
    found, wanted = set(), list(names)
    while wanted:
        name = wanted.pop()
        if name not in found:
            found.add(name)
            wanted += graph[name].inputs
    return found
