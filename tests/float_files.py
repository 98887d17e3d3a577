"""Float `.tflite` files written table by table, as converters write them that we do not have."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tests.tiny_files import TinyFile

HEIGHT, WIDTH = 6, 8


class FloatFile(TinyFile):
    """A file in the making whose first tensor is the picture."""

    def __init__(self, shape: Sequence[int] = (1, HEIGHT, WIDTH, 3), seed: int = 0):
        super().__init__()
        self._rng = np.random.default_rng(seed)
        self.picture = self.tensor("picture", shape, dtype="float32")

    def held(self, values, dtype: str = "float32") -> int:
        """A constant."""
        values = np.asarray(values)
        return self.tensor(f"held{len(self.graph.tensors)}", values.shape, dtype=dtype, data=values)

    def drawn(self, *shape: int) -> int:
        """A constant of random numbers."""
        return self.held(self._rng.normal(0.0, 0.4, shape))

    def numbers(self, *values: int) -> int:
        """A constant list of whole numbers."""
        return self.held(values, "int32")

    def shape(self, tensor: int) -> tuple[int, ...]:
        return tuple(int(n) for n in self.graph.tensors[tensor].shape)

    def made(self, name: str, inputs, shape, *, activation="NONE", version=1, **options) -> int:
        """Add an operator with one output; its index."""
        index = len(self.graph.operators)
        result = self.tensor(f"net/layer_{index}/{name};net/other", shape, dtype="float32")
        if activation != "NONE":
            number = getattr(schema.ActivationFunctionType, activation)
            options["fusedActivationFunction"] = number
        self.operator(name, inputs, [result], version=version, **options)
        return result

    def same(self, name: str, *inputs: int, **options) -> int:
        """Add an operator whose output has the shape of its first input."""
        return self.made(name, inputs, self.shape(inputs[0]), **options)

    def conv(self, source: int, channels: int, side: int = 3, *, padding=0, **options) -> int:
        """Add a convolution; padding is 0 for the same size, 1 for none."""
        _, height, width, depth = self.shape(source)
        weights = self.drawn(channels, side, side, depth), self.drawn(channels)
        less = (side - 1) * padding
        shape = (1, height - less, width - less, channels)
        strides = {"strideH": 1, "strideW": 1, "padding": padding}
        return self.made("CONV_2D", [source, *weights], shape, **strides, **options)

    def moved(self, source: int, *order: int) -> int:
        """Add a transpose."""
        shape = [self.shape(source)[i] for i in order]
        return self.made("TRANSPOSE", [source, self.numbers(*order)], shape)

    def reshaped(self, source: int, *shape: int) -> int:
        """Add a reshape."""
        return self.made("RESHAPE", [source, self.numbers(*shape)], shape)

    def larger(self, source: int, block: int = 2) -> int:
        """Add a depth to space."""
        _, height, width, depth = self.shape(source)
        shape = (1, height * block, width * block, depth // block**2)
        return self.made("DEPTH_TO_SPACE", [source], shape, blockSize=block)

    def content(self, *outputs: int) -> bytes:
        """The file."""
        return self.finished([self.picture], list(outputs))


def shuffled_nhwc(file: FloatFile) -> int:
    """PyTorch's pixel shuffle as onnx2tf writes it."""
    y = file.conv(file.picture, 12)
    y = file.moved(file.reshaped(y, 1, HEIGHT, WIDTH, 3, 2, 2), 0, 1, 4, 2, 5, 3)
    return file.reshaped(y, 1, 2 * HEIGHT, 2 * WIDTH, 3)


def shuffled_nchw(file: FloatFile) -> int:
    """A network of PyTorch's own order as litert-torch writes it."""
    y = file.conv(file.moved(file.picture, 0, 2, 3, 1), 6, activation="RELU")
    y = file.moved(file.conv(y, 12), 0, 3, 1, 2)
    y = file.moved(file.reshaped(y, 1, 3, 2, 2, HEIGHT, WIDTH), 0, 1, 4, 2, 5, 3)
    return file.reshaped(y, 1, 3, 2 * HEIGHT, 2 * WIDTH)


def activated(file: FloatFile) -> int:
    """Every activation, fused and alone."""
    y = file.conv(file.picture, 5, activation="RELU_N1_TO_1")
    y = file.same("LEAKY_RELU", file.conv(y, 5), alpha=0.2)
    y = file.same("PRELU", file.conv(y, 5), file.drawn(1, 1, 5))
    y = file.same("TANH", file.conv(y, 5))
    y = file.same("HARD_SWISH", file.conv(y, 5))
    y = file.same("RELU_0_TO_1", file.conv(y, 5))
    y = file.same("LOGISTIC", file.conv(y, 5, activation="RELU6"))
    y = file.same("MINIMUM", file.conv(y, 12), file.held(np.float32(0.8)))
    return file.larger(file.same("MAXIMUM", y, file.held(np.float32(-0.5))))


def channelled(file: FloatFile) -> int:
    """Splits, slices, a picture back to front, padding by hand."""
    y = file.conv(file.picture, 6)
    parts = [
        file.tensor(f"part{n}", (1, HEIGHT, WIDTH, width), dtype="float32")
        for n, width in enumerate((3, 3, 2, 4))
    ]
    file.operator("SPLIT", [file.numbers(3), y], parts[:2], numSplits=2)
    widths = file.numbers(2, -1), file.numbers(-1)
    file.operator("SPLIT_V", [y, *widths], parts[2:], numSplits=2)
    ends = [file.numbers(*numbers) for numbers in ((0, 0, 0, 1), (0, 0, 0, 3), (1, 1, 1, 1))]
    cut = file.made("STRIDED_SLICE", [y, *ends], (1, HEIGHT, WIDTH, 2), beginMask=7, endMask=7)
    back = [file.numbers(*numbers) for numbers in ((0, 0, 0, 0), (0, 0, 0, 0), (1, 1, 1, -1))]
    shape = file.shape(file.picture)
    bgr = file.made("STRIDED_SLICE", [file.picture, *back], shape, beginMask=15, endMask=15)
    places = file.numbers(0, 0, 0, 2), file.numbers(1, HEIGHT, WIDTH, -1)
    rest = file.made("SLICE", [y, *places], (1, HEIGHT, WIDTH, 4))
    joined = [file.conv(parts[0], 3), *parts[1:], cut, file.conv(bgr, 3), rest]
    y = file.made("CONCATENATION", joined, (1, HEIGHT, WIDTH, 21), axis=-1)
    border = file.held([[0, 0], [1, 1], [1, 1], [0, 0]], "int32")
    y = file.made("PAD", [y, border], (1, HEIGHT + 2, WIDTH + 2, 21))
    return file.larger(file.conv(y, 12, padding=1))


def dilated(file: FloatFile) -> int:
    """A dilation as TensorFlow spells it: a convolution of a picture spread over a batch."""
    y = file.conv(file.picture, 4)
    blocks, border = file.numbers(2, 2), file.held([[2, 2], [2, 2]], "int32")
    spread = (4, HEIGHT // 2 + 2, WIDTH // 2 + 2, 4)
    y = file.made("SPACE_TO_BATCH_ND", [y, blocks, border], spread)
    weights = [file.drawn(12, 3, 3, 4), file.drawn(12)]
    inner = (4, HEIGHT // 2, WIDTH // 2, 12)
    y = file.made("CONV_2D", [y, *weights], inner, strideH=1, strideW=1, padding=1)
    none = file.held([[0, 0], [0, 0]], "int32")
    y = file.made("BATCH_TO_SPACE_ND", [y, blocks, none], (1, HEIGHT, WIDTH, 12))
    return file.larger(y)


def enlarged(file: FloatFile) -> int:
    """Every way to enlarge, and arithmetic with numbers."""
    size, large = file.numbers(2 * HEIGHT, 2 * WIDTH), (1, 2 * HEIGHT, 2 * WIDTH, 3)
    centred = {"halfPixelCenters": True}
    smooth = file.made("RESIZE_BILINEAR", [file.picture, size], large, version=3, **centred)
    blocks = file.made("RESIZE_NEAREST_NEIGHBOR", [file.picture, size], large)
    deep = (1, HEIGHT, WIDTH, 6)
    kernel = file.drawn(1, 3, 3, 6)
    strides = {"strideH": 1, "strideW": 1, "padding": 0}
    weights = [kernel, file.drawn(6)]
    y = file.made("DEPTHWISE_CONV_2D", [file.picture, *weights], deep, **strides, depthMultiplier=2)
    weights = [file.drawn(6, 6), file.drawn(6)]
    y = file.made("FULLY_CONNECTED", [y, *weights], deep, keepNumDims=True, version=5)
    up = [file.numbers(*large), file.drawn(3, 4, 4, 6), y, file.drawn(3)]
    y = file.made("TRANSPOSE_CONV", up, large, version=3, strideH=2, strideW=2, padding=0)
    y = file.same("SUB", file.same("ADD", y, smooth), file.drawn(3))
    y = file.same(
        "DIV", file.same("MUL", y, file.held(np.float32(0.5))), file.held([2.0, 3.0, 4.0])
    )
    packed = file.made(
        "SPACE_TO_DEPTH", [file.same("ADD", y, blocks)], (1, *deep[1:3], 12), blockSize=2
    )
    return file.larger(file.conv(packed, 12))


def reduced(file: FloatFile) -> int:
    """Pooling, strides and a gate by the mean of the whole picture."""
    low, halves = (1, HEIGHT // 2, WIDTH // 2, 6), {"strideH": 2, "strideW": 2, "padding": 0}
    pools = {**halves, "filterHeight": 2, "filterWidth": 2}
    y = file.conv(file.picture, 6, activation="RELU")
    most = file.made("MAX_POOL_2D", [y], low, **pools)
    mean = file.made("AVERAGE_POOL_2D", [y], low, **{**pools, "padding": 1})
    weights = [file.drawn(6, 3, 3, 6), file.drawn(6)]
    strided = file.made("CONV_2D", [y, *weights], low, **halves)
    y = file.same("ADD", file.same("ADD", most, mean), strided)
    gate = file.made("MEAN", [y, file.numbers(1, 2)], (1, 1, 1, 6), keepDims=True)
    y = file.same("MUL", y, file.same("LOGISTIC", gate))
    size = file.numbers(HEIGHT, WIDTH)
    y = file.made("RESIZE_NEAREST_NEIGHBOR", [y, size], (1, HEIGHT, WIDTH, 6))
    return file.larger(file.conv(y, 12))


def contrasted(file: FloatFile) -> int:
    """A gate of IMDN's contrast, the mean and the deviation, one axis at a time as from PyTorch."""
    y = file.conv(file.picture, 6)

    def averaged(x):
        rows = file.made("SUM", [x, file.numbers(2)], (1, HEIGHT, 1, 6), keepDims=True)
        return file.same(
            "MUL",
            file.made("SUM", [rows, file.numbers(1)], (1, 1, 6), keepDims=False),
            file.held(np.float32(1.0 / (HEIGHT * WIDTH))),
        )

    apart = file.same("SUB", y, averaged(y))
    deviation = file.same("SQRT", averaged(file.same("MUL", apart, apart)))
    shape = (1, 1, 1, 6)
    deviation = file.made("RESHAPE", [deviation, file.numbers(*shape)], shape, newShape=shape)
    mean = file.made("MEAN", [y, file.numbers(1, 2)], (1, 6), keepDims=False)
    gate = file.same("LOGISTIC", file.same("ADD", deviation, mean))
    return file.larger(file.conv(file.same("MUL", y, gate), 12))


SPELLINGS = {
    "onnx2tf": shuffled_nhwc,
    "litert_torch": shuffled_nchw,
    "activations": activated,
    "channels": channelled,
    "dilation": dilated,
    "upscalings": enlarged,
    "reductions": reduced,
    "contrast": contrasted,
}


def spelled(name: str) -> bytes:
    """The file of one of `SPELLINGS`."""
    shape = (1, 3, HEIGHT, WIDTH) if name == "litert_torch" else (1, HEIGHT, WIDTH, 3)
    file = FloatFile(shape)
    return file.content(SPELLINGS[name](file))
