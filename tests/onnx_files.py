"""ONNX files as exporters write them, built node by node with random weights."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


class Graph:
    """Collects nodes and weights.

    Attributes:
        nodes: In the order of computation.
        weights: Initializers.
    """

    def __init__(self, *, shape=(1, 3, "height", "width"), opset=17, seed=0, half=False):
        self.nodes, self.weights, self.opset = [], [], opset
        self.shape, self.rng = shape, np.random.default_rng(seed)
        self.type = TensorProto.FLOAT16 if half else TensorProto.FLOAT
        self.float = np.float16 if half else np.float32
        self._count = 0

    def name(self, word: str) -> str:
        self._count += 1
        return f"{word}_{self._count}"

    def node(self, kind: str, *inputs: str, outputs=1, named=None, **attributes):
        """Append a node; the name of its output, or the names of several."""
        made = [self.name(kind.lower()) for _ in range(outputs)]
        name = self.name(f"/{named or 'net'}/{kind}")
        self.nodes.append(helper.make_node(kind, list(inputs), made, name=name, **attributes))
        return made[0] if outputs == 1 else made

    def held(self, values) -> str:
        """An initializer of given numbers."""
        values = np.asarray(values)
        name = self.name("weights")
        self.weights.append(numpy_helper.from_array(values, name))
        return name

    def numbers(self, *values, dtype=np.int64) -> str:
        """A `Constant` node."""
        tensor = numpy_helper.from_array(np.array(values, dtype), "")
        return self.node("Constant", value=tensor)

    def drawn(self, *shape, spread=0.2) -> str:
        return self.held(self.rng.normal(0.0, spread, shape).astype(self.float))

    def conv(self, x, inputs, outputs, size=3, *, groups=1, dilation=1, bias=True, **attributes):
        """A `Conv` that keeps the size, as PyTorch writes one."""
        reach = dilation * (size - 1) // 2
        fan = size**2 * inputs // groups
        kernel = self.drawn(outputs, inputs // groups, size, size, spread=fan**-0.5)
        given = [x, kernel] + ([self.drawn(outputs)] if bias else [])
        usual = {
            "dilations": [dilation] * 2,
            "group": groups,
            "kernel_shape": [size] * 2,
            "pads": [reach] * 4,
            "strides": [1, 1],
        }
        every = {**usual, **attributes}
        return self.node("Conv", *given, **{n: v for n, v in every.items() if v is not None})

    def model(self, *outputs: str) -> onnx.ModelProto:
        free = (1, 3, "out_height", "out_width")
        graph = helper.make_graph(
            self.nodes,
            "main_graph",
            [helper.make_tensor_value_info("input", self.type, self.shape)],
            [helper.make_tensor_value_info(name, self.type, free) for name in outputs],
            self.weights,
        )
        opsets = [helper.make_opsetid("", self.opset)]
        return helper.make_model(graph, opset_imports=opsets, producer_name="pytorch")


def stranger_file(*, scale=2, clip=True, **given) -> onnx.ModelProto:
    """Two convolutions and a pixel shuffle that upscale a picture, sharpened a little."""
    graph = Graph(**given)
    both = np.zeros((6, 3, 3, 3), graph.float)
    back = np.zeros((3, scale**2, 6, 3, 3), graph.float)
    for c in range(3):
        both[c, c, 1, 1], both[3 + c, c, 1, 1] = 1.0, -1.0  # relu(x) and relu(-x)
        back[c, :, c, 1, 1], back[c, :, c, 1, 0], back[c, :, c, 1, 2] = 1.2, -0.1, -0.1
        back[c, :, 3 + c] = -back[c, :, c]
    pads = {"pads": [1, 1, 1, 1]}
    y = graph.node("Relu", graph.node("Conv", "input", graph.held(both), named="first", **pads))
    kernel = graph.held(back.reshape(3 * scale**2, 6, 3, 3))
    y = graph.node("Conv", y, kernel, named="last", **pads)
    y = graph.node("DepthToSpace", y, blocksize=scale, mode="CRD")
    if clip:
        ends = [graph.held(np.array(end, graph.float)) for end in (0.0, 1.0)]
        y = graph.node("Clip", y, *ends)
    return graph.model(y)
