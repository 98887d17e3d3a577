"""The int8 file simulated in integers: the codes that builtin kernels compute, exactly.

`sr_models.quantization.simulator` computes the same network in float and can be trained; it leaves
open how a kernel rounds, and single codes then differ. Here every operator rounds as TFLite's
builtin ones do (`sr_models.quantization.integer_kernels`), so that not a code does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import tf_keras

from sr_models.ground.errors import CalibrationError
from sr_models.networks.graph import INPUT, Point, output_name, points
from sr_models.networks.layers import ClipByValue, NeighboursToChannels
from sr_models.networks.value_layers import Gelu, PictureMean, ResizeToPicture, SquareRoot
from sr_models.quantization import integer_kernels as kernels
from sr_models.quantization.fake_quantization import require_ranges
from sr_models.quantization.grids import Grid
from sr_models.quantization.integer_kernels import LOWEST, IntegerWeights
from sr_models.quantization.ranges import TensorRanges
from sr_models.quantization.simulator import stored_ranges
from sr_models.quantization.weight_grids import GridConvolution

ACTIVATIONS = {"tanh": np.tanh, "sigmoid": lambda x: 1.0 / (1.0 + np.exp(-x))}


@dataclass(frozen=True)
class IntegerOperator:
    """One operator: the codes of `inputs` go in, those of `name` come out."""

    name: str
    inputs: Sequence[str]
    compute: Callable[..., np.ndarray]


@dataclass(frozen=True)
class IntegerNetwork:
    """A network whose tensors are int8 codes, as its file has them.

    Attributes:
        steps: The operators in the order in which they are computed.
        output: Name of the point that is the output.
    """

    steps: Sequence[IntegerOperator]
    output: str

    def __call__(self, pictures: np.ndarray) -> np.ndarray:
        """uint8 (N, H, W, 3) -> uint8 (N, H s, W s, 3): the codes of input and output."""
        shifted = (np.asarray(pictures).astype(np.int16) + LOWEST).astype(np.int8)
        codes = {INPUT: shifted}
        for step in self.steps:
            codes[step.name] = step.compute(*(codes[name] for name in step.inputs))
        return (codes[self.output].astype(np.int16) - LOWEST).astype(np.uint8)


def simulate_builtin(model, ranges: TensorRanges, *, arm64: bool = False) -> IntegerNetwork:
    """The network as TFLite's builtin kernels compute its int8 file.

    Args:
        model: Float functional Keras model in its deployed form; its weights are copied.
        ranges: A range for each of `sr_models.networks.graph.quantized_points(model)`.
        arm64: Whether the processor is an ARM64 one, whose convolutions round otherwise than those
            of x86-64.

    Raises:
        CalibrationError: A range is missing, or a layer has no int8 operator here.
    """
    require_ranges(model, ranges)
    graph = points(model)
    grids = {name: Grid.of(value) for name, value in stored_ranges(model, ranges).items()}
    # What a fused activation swallows is computed by the step of that activation.
    stored = [p for p in graph.values() if p.name in grids and p.layer is not None]
    steps = [_step(point, graph, grids, arm64=arm64) for point in stored]
    return IntegerNetwork(steps, output_name(model))


def _step(
    point: Point, graph: dict[str, Point], grids: dict[str, Grid], *, arm64: bool
) -> IntegerOperator:
    """The operator that writes a stored tensor."""
    fused = _is_relu(point.layer) and point.inputs[0] not in grids
    maker = graph[point.inputs[0]] if fused else point
    sources = [grids[name] for name in maker.inputs if name in grids]
    if len(sources) < len(maker.inputs):
        raise _no_operator(point.layer)
    target = grids[point.name]
    compute = _operator(maker, sources, target, rectified=fused, arm64=arm64)
    if not _is_relu(point.layer) or point.layer.max_value is None:
        return IntegerOperator(point.name, maker.inputs, compute)
    most = np.int8(target.code(float(point.layer.max_value)))
    return IntegerOperator(
        point.name, maker.inputs, lambda *codes: np.minimum(compute(*codes), most)
    )


def _operator(
    point: Point, sources: list[Grid], target: Grid, *, rectified: bool, arm64: bool
) -> Callable[..., np.ndarray]:
    """The function from input codes to output codes of one layer."""
    layer = point.layer
    alone = {"source": sources[0], "target": target}
    convolves = type(layer) in (tf_keras.layers.Conv2D, GridConvolution, NeighboursToChannels)
    if convolves and _name(layer.activation) in ("linear", "relu"):
        rectified = rectified or _name(layer.activation) == "relu"
        return _convolution(layer, rectified=rectified, arm64=arm64, **alone)
    if isinstance(layer, tf_keras.layers.Add) and len(sources) == 2:
        return partial(kernels.add, sources=tuple(sources), target=target, rectified=rectified)
    if isinstance(layer, tf_keras.layers.Multiply) and len(sources) == 2:
        return partial(kernels.multiply, sources=tuple(sources), target=target)
    if isinstance(layer, PictureMean):
        return partial(kernels.picture_mean, axes=layer.axes, **alone)
    if isinstance(layer, SquareRoot):
        return partial(kernels.square_root, **alone)
    if isinstance(layer, ResizeToPicture):
        raise _no_operator(layer)
    if isinstance(layer, Gelu):
        return partial(kernels.look_up, function=lambda x: layer(x).numpy(), **alone)
    if point.concatenates:
        return _concatenation(layer, sources, target)
    if isinstance(layer, tf_keras.layers.AveragePooling2D):
        return _mean(layer, **alone)
    if point.repeats or point.passes_through:
        return _moved(layer, **alone)
    if isinstance(layer, tf_keras.layers.PReLU):
        return partial(kernels.prelu, slopes=layer.alpha.numpy(), **alone)
    if isinstance(layer, tf_keras.layers.LeakyReLU):
        return partial(kernels.leaky_relu, slope=float(layer.alpha), **alone)
    if _is_relu(layer):
        return partial(kernels.rectify, **alone)
    if isinstance(layer, ClipByValue) and layer.minimum == 0.0:
        return partial(kernels.clip, maximum=layer.maximum, **alone)
    if point.has_fixed_grid:
        return partial(kernels.look_up, function=ACTIVATIONS[_name(layer.activation)], **alone)
    raise _no_operator(layer)


def _no_operator(layer) -> CalibrationError:
    return CalibrationError(
        "expected layers that int8 files of super-resolution networks are made of, found "
        f"{type(layer).__name__} ({layer.name}); give the network in its deployed form"
    )


def _name(activation: Any) -> str:
    return getattr(activation, "__name__", "")


def _is_relu(layer) -> bool:
    """Whether a layer is ReLU or ReLU6, without slope or threshold."""
    return (
        isinstance(layer, tf_keras.layers.ReLU)
        and layer.max_value in (None, 6.0)
        and not layer.negative_slope
        and not layer.threshold
    )


def _convolution(layer, *, source: Grid, target: Grid, rectified: bool, arm64: bool):
    bias = layer.bias.numpy() if layer.use_bias else None
    scales = getattr(layer, "scales", None)
    return partial(
        kernels.convolve,
        weights=IntegerWeights.of(layer.kernel.numpy(), bias, source=source, scales=scales),
        source=source,
        target=target,
        rectified=rectified,
        arm64=arm64,
        strides=layer.strides,
        padding=layer.padding.upper(),
        dilations=layer.dilation_rate,
    )


def _moved(layer, *, source: Grid, target: Grid):
    """Codes that a layer moves, chooses or mirrors; zeros that it adds have the code of zero."""

    def move(codes):
        values = layer(codes.astype(np.float32) - source.zero_point).numpy()
        moved = (values + source.zero_point).astype(np.int8)
        return kernels.requantize(moved, source=source, target=target)

    return move


def _mean(layer, *, source: Grid, target: Grid):
    def mean(codes):
        found = kernels.average_pool(
            codes, pool=layer.pool_size, strides=layer.strides, padding=layer.padding.upper()
        )
        return kernels.requantize(found, source=source, target=target)

    return mean


def _concatenation(layer, sources: list[Grid], target: Grid):
    def concatenate(*parts):
        on_grid = [
            kernels.requantize(part, source=source, target=target)
            for part, source in zip(parts, sources)
        ]
        return np.concatenate(on_grid, axis=layer.axis)

    return concatenate
