"""Networks of the corpus as ONNX graphs, in the spellings of PyTorch's two exporters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from runtime_bench.evidence.source_networks import SourceNetwork

TORCHSCRIPT, DYNAMO = "torchscript", "dynamo"
SPELLINGS = {TORCHSCRIPT: 17, DYNAMO: 18}
"""Spelling -> opset that its exporter writes by default."""


@dataclass(frozen=True)
class _Made:
    """A tensor: its name and its channels."""

    name: str
    channels: int


class OnnxPen:
    """Writes nodes; see `source_networks.Pen`.

    Args:
        weights_of: The weights of the layer of a name, as Keras has them.
        spelling: One of `SPELLINGS`.

    Attributes:
        nodes: In the order of computation.
        weights: Initializers.
    """

    def __init__(self, weights_of: Callable[[str], list[np.ndarray]], *, spelling: str):
        self.nodes, self.weights = [], []
        self._weights_of, self._spelling = weights_of, spelling
        self._layers = 0

    @property
    def _is_dynamo(self) -> bool:
        return self._spelling == DYNAMO

    def _next(self) -> list[np.ndarray]:
        self._layers += 1
        return self._weights_of(f"layer_{self._layers}")

    def held(self, values, dtype=np.float32) -> str:
        """A number or several: an initializer, or a `Constant` as TorchScript writes them."""
        tensor = numpy_helper.from_array(np.asarray(values, dtype), f"val_{len(self.weights)}")
        if not self._is_dynamo:
            return self._node("Constant", value=tensor)
        self.weights.append(tensor)
        return tensor.name

    def _node(self, kind: str, *inputs: str, outputs: int = 1, **attributes):
        number = len(self.nodes)
        word = kind.lower() if self._is_dynamo else f"/net/{kind}_output"
        made = [f"{word}_{number}_{place}" for place in range(outputs)]
        name = f"node_{kind}_{number}" if self._is_dynamo else f"/net/{kind}_{number}"
        self.nodes.append(helper.make_node(kind, list(inputs), made, name=name, **attributes))
        return made[0] if outputs == 1 else made

    def _step(self, x: _Made, kind: str, *others: str, channels: int | None = None, **attributes):
        name = self._node(kind, x.name, *others, **attributes)
        return _Made(name, channels or x.channels)

    def _weight(self, values: np.ndarray) -> str:
        name = f"net.{len(self.weights)}.weight"
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def conv(self, x, channels: int, size: int = 3, *, groups=1, stride=1, padding=None, bias=True):
        return self._conv(
            x, self._next(), groups=groups, stride=stride, padding=padding, order=None
        )

    def _conv(self, x, held, *, groups=1, stride=1, padding=None, order=None) -> _Made:
        kernel, *bias = (values if order is None else values[..., order] for values in held)
        size = kernel.shape[0]
        border = size // 2 if padding is None else padding
        given = [self._weight(kernel.transpose(3, 2, 0, 1)), *map(self._weight, bias)]
        usual = {"dilations": [1, 1], "group": groups, "kernel_shape": [size, size]}
        usual |= {"pads": [border] * 4, "strides": [stride, stride]}
        if self._is_dynamo:
            usual["auto_pad"] = "NOTSET"
        return self._step(x, "Conv", *given, channels=kernel.shape[3], **usual)

    def normalized(self, x):
        given = [self._weight(values) for values in self._next()]
        return self._step(x, "BatchNormalization", *given, epsilon=1e-3, momentum=0.9)

    def bent(self, x, kind: str, slope: float = 0.0):
        if kind == "prelu":
            (slopes,) = self._next()
            return self._step(x, "PRelu", self._weight(slopes.transpose(2, 0, 1)))
        if kind == "leaky":
            return self._step(x, "LeakyRelu", alpha=slope)
        return self._step(x, kind.capitalize())

    def combined(self, kind: str, *tensors):
        names = [tensor.name for tensor in tensors]
        if kind == "join":
            channels = sum(tensor.channels for tensor in tensors)
            return _Made(self._node("Concat", *names, axis=1), channels)
        word = {"add": "Add", "subtract": "Sub", "multiply": "Mul"}[kind]
        return _Made(self._node(word, *names), tensors[0].channels)

    def scaled(self, x, factor: float = 1.0, shift: Sequence[float] = ()):
        if factor != 1.0:
            x = self._step(x, "Mul", self.held(factor))
        return self._step(x, "Add", self._weight(_per_channel(shift))) if len(shift) else x

    def cut(self, x, widths: Sequence[int]):
        sizes = self.held(widths, np.int64)
        names = self._node("Split", x.name, sizes, outputs=len(widths), axis=1)
        return [_Made(name, width) for name, width in zip(names, widths)]

    def shuffled(self, x, channels: int, scale: int, kind: str = ""):
        # Keras' depth to space has the channels of one place together, PyTorch's shuffle apart.
        order = np.arange(channels * scale**2).reshape(-1, channels).T.reshape(-1)
        y = self._conv(x, self._next(), order=order)
        y = self.bent(y, kind) if kind else y
        return self._step(y, "DepthToSpace", channels=channels, mode="CRD", blocksize=scale)

    def grown(self, x, channels: int, size: int, scale: int):
        kernel, bias = self._next()
        before = max(size - scale, 0) // 2
        after = max(size - scale, 0) - before
        given = [self._weight(kernel.transpose(3, 2, 0, 1)), self._weight(bias)]
        usual = {"dilations": [1, 1], "group": 1, "kernel_shape": [size, size]}
        usual |= {"pads": [before, before, after, after], "strides": [scale, scale]}
        return self._step(x, "ConvTranspose", *given, channels=channels, **usual)

    def larger(self, x, scale: int, *, smooth: bool):
        scales = self.held([1.0, 1.0, scale, scale])
        places = "half_pixel" if smooth else "asymmetric"
        how = {"mode": "linear" if smooth else "nearest", "nearest_mode": "floor"}
        how |= {"coordinate_transformation_mode": places, "cubic_coeff_a": -0.75}
        return self._step(x, "Resize", "", scales, **how)

    def as_large(self, x, other):
        if self._is_dynamo:
            sides = [self._node("Shape", other.name, start=a, end=a + 1) for a in (2, 3)]
        else:
            shape, zero = self._node("Shape", other.name), self.held([0], np.int64)
            parts = [self.held(place, np.int64) for place in (2, 3)]
            found = [self._node("Gather", shape, place, axis=0) for place in parts]
            sides = [self._node("Unsqueeze", side, zero) for side in found]
        if self._is_dynamo:
            head = self.held([1, x.channels], np.int64)
        else:
            numbers = [self.held([n], np.int64) for n in (0, 2, 0)]
            head = self._node("Slice", self._node("Shape", x.name), *numbers)
        size = self._node("Concat", head, *sides, axis=0)
        places = "half_pixel" if self._is_dynamo else "pytorch_half_pixel"
        how = {"mode": "linear", "nearest_mode": "floor", "cubic_coeff_a": -0.75}
        return self._step(x, "Resize", "", "", size, coordinate_transformation_mode=places, **how)

    def pooled(self, x, size: int, stride: int):
        usual = {"kernel_shape": [size, size], "strides": [stride, stride], "pads": [0] * 4}
        return self._step(x, "MaxPool", ceil_mode=0, **usual)

    def mean(self, x):
        if self._is_dynamo:
            return self._step(x, "ReduceMean", self.held([-1, -2], np.int64), keepdims=1)
        return self._step(x, "GlobalAveragePool")

    def deviation(self, x):
        apart = replace(x, name=self._node("Sub", x.name, self._averaged(x).name))
        squares = self._step(apart, "Pow", self.held(2.0))
        return self._step(self._averaged(squares), "Pow", self.held(0.5))

    def _averaged(self, x) -> _Made:
        """A mean as IMDN's public code has it: two sums and a division by the picture's size."""
        total = x
        for axis in (3, 2):
            total = self._step(total, "ReduceSum", self.held([axis], np.int64), keepdims=1)
        whole = self._node("Shape", x.name)
        sides = [self._node("Gather", whole, self.held(a, np.int64), axis=0) for a in (2, 3)]
        count = self._node("Cast", self._node("Mul", *sides), to=TensorProto.FLOAT)
        return self._step(total, "Div", count)

    def clipped(self, x):
        return self._step(x, "Clip", self.held(0.0), self.held(1.0))


def _per_channel(values: Sequence[float]) -> np.ndarray:
    return np.reshape(np.asarray(values, np.float32), (1, -1, 1, 1))


def onnx_model(
    network: SourceNetwork,
    weights_of: Callable[[str], list[np.ndarray]],
    *,
    width: int,
    spelling: str = TORCHSCRIPT,
) -> onnx.ModelProto:
    """A network as an ONNX model, (1, 3, H, W) -> (1, 3, H s, W s), of free sizes.

    Args:
        network: Which.
        weights_of: The weights of each layer of its Keras model, by the layer's name.
        width: The width of that.
        spelling: One of `SPELLINGS`.
    """
    pen = OnnxPen(weights_of, spelling=spelling)
    made = network.write(pen, _Made("input", 3), width)
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, f"{word}h", f"{word}w"])
        for name, word in (("input", ""), (made.name, "out_"))
    ]
    graph = helper.make_graph(pen.nodes, "main_graph", ends[:1], ends[1:], pen.weights)
    opset = helper.make_opsetid("", SPELLINGS[spelling])
    return helper.make_model(graph, opset_imports=[opset], producer_name="pytorch", ir_version=10)
