"""What a float network's int8 file will cost a target, from its layers."""

from __future__ import annotations

from math import prod

import tf_keras

from export.running.kernel_cost import Convolution, values_cost
from export.running.targets import Target
from sr_models.networks.graph import Point, output_name, points
from sr_models.networks.layers import DepthToSpace, RepeatChannels, SpaceToDepth

SIDES = (384, 640)
"""Of the picture that costs are given for, where a network takes any: multiples of its strides."""
PIXELS = prod(SIDES)


def network_cost(model, target: Target) -> float:
    """Instructions of all layers for one picture; see `export.running.kernel_cost`.

    Args:
        model: Float functional network in its deployed form.
        target: Whose kernels; they are known.
    """
    graph, pixels = points(model), _pixels_of(model)
    return sum(_cost(point, graph, pixels[name], target) for name, point in graph.items())


def output_values(model) -> int:
    """Values of the large picture."""
    name = output_name(model)
    return _pixels_of(model)[name] * points(model)[name].tensor.shape[-1]


def _pixels_of(model) -> dict[str, int]:
    graph = points(model)
    sides = [given or side for given, side in zip(model.input.shape[1:3], SIDES)]
    tensors = tf_keras.Model(model.input, [point.tensor for point in graph.values()])
    shapes = tensors.compute_output_shape((1, *sides, model.input.shape[-1]))
    return {name: prod(tuple(shape)[1:-1]) for name, shape in zip(graph, shapes)}


def convolution_of(layer, pixels: int) -> Convolution:
    """The size of a `Conv2D` that writes so many pixels."""
    taps = prod(layer.kernel_size)
    inputs = layer.kernel.shape[2] * layer.groups
    return Convolution(pixels, taps, inputs, layer.filters, layer.groups)


_OPERATORS = {
    tf_keras.layers.Add: "ADD",
    tf_keras.layers.Concatenate: "CONCATENATION",
    tf_keras.layers.PReLU: "PRELU",
    tf_keras.layers.LeakyReLU: "LEAKY_RELU",
    DepthToSpace: "DEPTH_TO_SPACE",
    SpaceToDepth: "SPACE_TO_DEPTH",
    RepeatChannels: "CONCATENATION",
}
_FUSES = (tf_keras.layers.Conv2D, tf_keras.layers.Add)


def _cost(point: Point, graph: dict[str, Point], pixels: int, target: Target) -> float:
    layer, values = point.layer, pixels * point.tensor.shape[-1]
    if layer is None or not point.consumers:
        # Codes of the file's ends are uint8 in all but the last of the layers.
        ends = values_cost("QUANTIZE", values=values, target=target)
        return ends + (0.0 if layer is None else _own_cost(point, graph, pixels, target))
    return _own_cost(point, graph, pixels, target)


def _own_cost(point: Point, graph: dict[str, Point], pixels: int, target: Target) -> float:
    layer, values = point.layer, pixels * point.tensor.shape[-1]
    if isinstance(layer, tf_keras.layers.Conv2D):
        return convolution_of(layer, pixels).instructions(target.kernel)
    if isinstance(layer, tf_keras.layers.ReLU):
        fused = isinstance(graph[point.inputs[0]].layer, _FUSES)
        return 0.0 if fused else values_cost("RELU", values=values, target=target)
    if point.has_fixed_grid:
        name = "TANH" if layer.activation is tf_keras.activations.tanh else "LOGISTIC"
        return values_cost(name, values=values, target=target)
    operator = next((name for kind, name in _OPERATORS.items() if isinstance(layer, kind)), None)
    return 0.0 if operator is None else values_cost(operator, values=values, target=target)
