"""Fourteen published architectures, small, of random weights, as PyTorch's exporters write them."""

from __future__ import annotations

import numpy as np

from tests.onnx_files import Graph


def shuffle(graph: Graph, x: str, scale: int, mode="CRD") -> str:
    return graph.node("DepthToSpace", x, blocksize=scale, mode=mode)


def nearest(graph: Graph, x: str, scale: int) -> str:
    """`F.interpolate(scale_factor=scale)` as the TorchScript exporter writes it."""
    scales = graph.held(np.array([1, 1, scale, scale], np.float32))
    usual = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    return graph.node("Resize", x, "", scales, mode="nearest", **usual)


def bilinear(graph: Graph, x: str, scale: int) -> str:
    """`F.interpolate(size=...)` from the picture's own size, as TorchScript writes it."""
    shape = graph.node("Shape", x)
    sizes = []
    for axis in (2, 3):
        side = graph.node("Gather", shape, graph.numbers(axis), axis=0)
        real = graph.node("Cast", side, to=1)
        wide = graph.node("Mul", real, graph.numbers(float(scale), dtype=np.float32))
        sizes.append(graph.node("Cast", graph.node("Floor", wide), to=7))
    start, end = graph.numbers(0), graph.numbers(2)
    head = graph.node("Slice", shape, start, end, graph.numbers(0))
    whole = graph.node("Concat", head, *sizes, axis=0)
    usual = {"coordinate_transformation_mode": "pytorch_half_pixel", "cubic_coeff_a": -0.75}
    return graph.node("Resize", x, "", "", whole, mode="linear", **usual)


def espcn(graph: Graph) -> str:
    y = graph.node("Tanh", graph.conv("input", 3, 8, 5))
    y = graph.node("Tanh", graph.conv(y, 8, 6))
    return shuffle(graph, graph.conv(y, 6, 27), 3)


def fsrcnn(graph: Graph) -> str:
    y = graph.conv("input", 3, 8, 5)
    for inputs, outputs, size in ((8, 4, 1), (4, 4, 3), (4, 8, 1)):
        y = graph.node("PRelu", y, graph.drawn(inputs, 1, 1))
        y = graph.conv(y, inputs, outputs, size)
    y = graph.node("PRelu", y, graph.drawn(1, 8, 1, 1))
    more = {"kernel_shape": [9, 9], "strides": [2, 2], "pads": [4] * 4, "output_padding": [1, 1]}
    return graph.node("ConvTranspose", y, graph.drawn(8, 3, 9, 9, spread=0.05), **more)


def srcnn(graph: Graph) -> str:
    y = graph.node("Relu", graph.conv(bilinear(graph, "input", 2), 3, 6, 9))
    y = graph.node("Relu", graph.conv(y, 6, 4, 1))
    return graph.conv(y, 4, 3, 5)


def vdsr(graph: Graph) -> str:
    large = nearest(graph, "input", 2)
    y = large
    for inputs in (3, 6, 6):
        y = graph.node("Relu", graph.conv(y, inputs, 6, bias=False))
    return graph.node("Add", graph.conv(y, 6, 3, bias=False), large)


def edsr(graph: Graph) -> str:
    mean = graph.held(np.array([0.45, 0.44, 0.4], np.float32).reshape(1, 3, 1, 1))
    head = graph.conv(graph.node("Sub", "input", mean), 3, 6)
    y = head
    for _ in range(2):
        inner = graph.conv(graph.node("Relu", graph.conv(y, 6, 6)), 6, 6)
        scaled = graph.node("Mul", inner, graph.numbers(0.1, dtype=np.float32))
        y = graph.node("Add", scaled, y)
    y = graph.node("Add", graph.conv(y, 6, 6), head)
    for _ in range(2):
        y = shuffle(graph, graph.conv(y, 6, 24), 2)
    return graph.node("Add", graph.conv(y, 6, 3), mean)


def rfdn(graph: Graph) -> str:
    x = graph.conv("input", 3, 8)
    y, kept = x, []
    for _ in range(3):
        kept.append(graph.node("LeakyRelu", graph.conv(y, 8, 4, 1), alpha=0.05))
        y = graph.node("LeakyRelu", graph.node("Add", graph.conv(y, 8, 8), y), alpha=0.05)
    kept.append(graph.node("LeakyRelu", graph.conv(y, 8, 4), alpha=0.05))
    y = graph.conv(graph.node("Concat", *kept, axis=1), 16, 8, 1)
    return shuffle(graph, graph.conv(graph.node("Add", y, x), 8, 12), 2)


def imdn(graph: Graph) -> str:
    x = graph.conv("input", 3, 8)
    y, kept, inputs = x, [], 8
    for _ in range(3):
        y = graph.node("LeakyRelu", graph.conv(y, inputs, 8), alpha=0.05)
        part, y = graph.node("Split", y, graph.numbers(2, 6), outputs=2, axis=1)
        kept.append(part)
        inputs = 6
    kept.append(graph.conv(y, 6, 2))
    y = graph.node("Add", graph.conv(graph.node("Concat", *kept, axis=1), 8, 8, 1), x)
    return shuffle(graph, graph.conv(y, 8, 12), 2)


def carn(graph: Graph) -> str:
    x = graph.conv("input", 3, 8)
    kept, y = [x], x
    for _ in range(2):
        inner = graph.node("Relu", graph.conv(y, 8, 8, groups=4))
        inner = graph.conv(graph.node("Relu", graph.conv(inner, 8, 8, groups=4)), 8, 8, 1)
        y = graph.node("Relu", graph.node("Add", inner, y))
        kept.append(y)
        y = graph.node("Relu", graph.conv(graph.node("Concat", *kept, axis=1), 8 * len(kept), 8, 1))
    for _ in range(1):
        y = shuffle(graph, graph.node("Relu", graph.conv(y, 8, 32)), 2)
    return graph.conv(y, 8, 3)


def srvgg(graph: Graph) -> str:
    """The compact network of Real-ESRGAN; the shuffle as the dynamo exporter writes it."""
    y = graph.conv("input", 3, 8)
    for _ in range(2):
        y = graph.conv(graph.node("PRelu", y, graph.drawn(8, 1, 1)), 8, 8)
    y = graph.conv(graph.node("PRelu", y, graph.drawn(8, 1, 1)), 8, 12)
    tail, first = graph.node("Shape", y, start=1), graph.node("Shape", y, end=1)
    flat = graph.node("Concat", graph.numbers(-1), tail, axis=0)
    moved = shuffle(graph, graph.node("Reshape", y, flat, allowzero=0), 2)
    final = graph.node("Concat", first, graph.node("Shape", moved, start=1), axis=0)
    y = graph.node("Reshape", moved, final, allowzero=1)
    return graph.node("Add", y, nearest(graph, "input", 2))


def wdsr(graph: Graph) -> str:
    def normalized(x, inputs, outputs, size=3):
        """Weight normalization, left in the graph: g v / |v|."""
        v = graph.drawn(outputs, inputs, size, size, spread=0.3)
        squares = graph.node("ReduceSum", graph.node("Mul", v, v), graph.numbers(1, 2, 3))
        length = graph.node("Sqrt", squares)
        kernel = graph.node("Mul", v, graph.node("Div", graph.drawn(outputs, 1, 1, 1), length))
        return graph.node("Conv", x, kernel, graph.drawn(outputs), pads=[size // 2] * 4)

    head = y = normalized("input", 3, 6)
    for _ in range(2):
        inner = graph.node("Relu", normalized(y, 6, 12, 1))
        y = graph.node("Add", normalized(normalized(inner, 12, 5, 1), 5, 6), y)
    assert head != y
    body = shuffle(graph, normalized(y, 6, 12), 2)
    return graph.node("Add", body, shuffle(graph, normalized("input", 3, 12, 5), 2))


def lapsrn(graph: Graph) -> str:
    def larger(x, channels, kernel):
        more = {"strides": [2, 2], "pads": [1] * 4, "kernel_shape": [4, 4]}
        return graph.node("ConvTranspose", x, kernel, **more, group=1)

    picture, y = "input", graph.node("LeakyRelu", graph.conv("input", 3, 6), alpha=0.2)
    for _ in range(2):
        y = graph.node("LeakyRelu", graph.conv(y, 6, 6), alpha=0.2)
        y = graph.node("LeakyRelu", larger(y, 6, graph.drawn(6, 6, 4, 4)), alpha=0.2)
        picture = larger(picture, 3, graph.drawn(3, 3, 4, 4))
        picture = graph.node("Add", picture, graph.conv(y, 6, 3))
    return picture


def bicubic_like(graph: Graph) -> str:
    """Bicubic++: a convolution with strides, and a pixel shuffle by twice the scale."""
    y = graph.node("LeakyRelu", graph.conv("input", 3, 8, strides=[2, 2]), alpha=0.1)
    for _ in range(2):
        y = graph.node("LeakyRelu", graph.conv(y, 8, 8, bias=False), alpha=0.1)
    y = shuffle(graph, graph.conv(y, 8, 108), 6)
    ends = {"min": graph.held(np.float32(0.0)), "max": graph.held(np.float32(1.0))}
    return graph.node("Clip", y, *ends.values())


def dncnn(graph: Graph) -> str:
    """A network that keeps the size: it takes noise away."""
    y = graph.node("Relu", graph.conv("input", 3, 6))
    y = graph.node("Relu", graph.conv(y, 6, 6))
    return graph.node("Sub", "input", graph.conv(y, 6, 3))


def small_unet(graph: Graph) -> str:
    """The same with a smaller picture inside; both pool and stride as PyTorch pads them."""
    a = graph.node("Relu", graph.conv("input", 3, 4))
    b = graph.node("MaxPool", a, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    b = graph.node("Add", graph.conv(b, 4, 6), graph.conv(a, 4, 6, strides=[2, 2]))
    more = {"kernel_shape": [2, 2], "strides": [2, 2]}
    up = graph.node("ConvTranspose", b, graph.drawn(6, 4, 2, 2), graph.drawn(4), **more)
    y = graph.conv(graph.node("Concat", up, a, axis=1), 8, 3)
    return graph.node(
        "Clip", graph.node("Add", y, "input"), *(graph.held(np.float32(end)) for end in (0.0, 1.0))
    )


ARCHITECTURES = (
    *(espcn, fsrcnn, srcnn, vdsr, edsr, rfdn, imdn),
    *(carn, srvgg, wdsr, lapsrn, bicubic_like, dncnn, small_unet),
)
