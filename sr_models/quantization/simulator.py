"""The int8 file simulated in float: fake quantization of activations, weights and biases.

Follows TFLite's 8-bit specification: activations per tensor on the grid of their range; kernels of
convolutions per output channel, symmetric, -127..127, the channel's largest weight at 127; biases
in 32 bits, in steps of input scale times kernel scale. Gradients pass straight through all rounding
(Bengio et al., arXiv 1308.3432), so that the simulation can be trained. Where every code must be
that of the file, `sr_models.quantization.integer_network` computes in integers and trains nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tf_keras

from sr_models.ground.errors import CalibrationError
from sr_models.networks.graph import points, rebuild
from sr_models.networks.layers import ClipByValue, NeighboursToChannels, convolve
from sr_models.networks.quick_layers import ShapedLayer
from sr_models.networks.value_layers import ResizeToPicture
from sr_models.quantization.fake_quantization import FakeQuantization, require_ranges
from sr_models.quantization.grids import Grid
from sr_models.quantization.integer_kernels import (
    FRACTION_BITS,
    HIGHEST,
    LARGEST_WEIGHT_CODE,
    LEAKY_UNIT,
    LEAST_WEIGHT_BOUND,
    LOWEST,
    xnnpack_leaky_factors,
)
from sr_models.quantization.ranges import TensorRange, TensorRanges
from sr_models.quantization.weight_grids import GridConvolution


def _half_away(x):
    """The nearest integers, halves away from zero."""
    return tf.sign(x) * tf.floor(tf.abs(x) + 0.5)


def _multiply(x, factor):
    """`x * factor` in fixed point, rounded twice: integers in float64, factor a float64 scalar."""
    exponent = tf.floor(tf.math.log(factor) / tf.math.log(tf.constant(2.0, tf.float64))) + 1.0
    # A logarithm may err by one at powers of two; the fraction then is 1 or less than a half.
    exponent += tf.cast(factor >= 2.0**exponent, tf.float64)
    exponent -= tf.cast(factor < 2.0 ** (exponent - 1.0), tf.float64)
    multiplier = tf.floor(factor * 2.0 ** (FRACTION_BITS - exponent) + 0.5)
    shifted = x * 2.0 ** tf.maximum(exponent, 0.0)
    product = tf.floor((shifted * multiplier + 2.0 ** (FRACTION_BITS - 1)) / 2.0**FRACTION_BITS)
    return _half_away(product / 2.0 ** tf.maximum(-exponent, 0.0))


def builtin_prelu(inputs, slopes, *, source: Grid, target: Grid):
    """What the operator writes, as real values.

    Args:
        inputs: float32 (N, H, W, C) on the grid `source`.
        slopes: float32 (1, 1, C), as they are before they are rounded.
        source: Grid of the input.
        target: Grid of the output.

    Returns:
        float32 (N, H, W, C) on the grid `target`, saturated.
    """
    single_source, single_target = (
        tf.constant(source.stored_scale),
        tf.constant(target.stored_scale),
    )
    largest = tf.maximum(tf.reduce_max(tf.abs(slopes)), LEAST_WEIGHT_BOUND)
    slope_scale = tf.cast(largest, tf.float64) / LARGEST_WEIGHT_CODE
    slope_codes = _half_away(tf.cast(slopes, tf.float64) / slope_scale)
    kept = single_source / single_target
    bent = single_source * tf.cast(slope_scale, tf.float32) / single_target
    steps = tf.round(tf.cast(inputs, tf.float64) / source.scale)
    codes = tf.where(
        steps >= 0.0,
        _multiply(steps, tf.cast(kept, tf.float64)),
        _multiply(steps * slope_codes, tf.cast(bent, tf.float64)),
    )
    lowest, highest = LOWEST - target.zero_point, HIGHEST - target.zero_point
    saturated = tf.clip_by_value(codes, float(lowest), float(highest))
    return tf.cast(saturated * target.scale, tf.float32)


FIXED_GRIDS = {"tanh": TensorRange(-1.0, 127 / 128), "sigmoid": TensorRange(0.0, 255 / 256)}
"""Grids that TFLite's kernels fix themselves, by the name of the activation."""


def _rounded(x):
    """The nearest integers, with the gradient of the identity."""
    return x + tf.stop_gradient(tf.round(x) - x)


def kernel_scales(kernel):
    """Scale of each output channel: float32 (..., C) -> (C,), the largest weight over 127.

    A channel without weights has scale 0.
    """
    axes = tuple(range(len(kernel.shape) - 1))
    return tf.reduce_max(tf.abs(kernel), axis=axes) / LARGEST_WEIGHT_CODE


def quantized_kernel(kernel):
    """The kernel on its int8 grid, in float; applying it again changes nothing.

    The scale follows the largest weight, which the grid holds exactly, so that a converter which
    is given the result finds the same scale and the same codes.
    """
    scales = tf.stop_gradient(kernel_scales(kernel))
    scales = tf.where(scales > 0.0, scales, tf.ones_like(scales))
    return _rounded(kernel / scales) * scales


def quantized_slope(slope):
    """The slopes of a PReLU on their int8 grid: one scale for all channels, symmetric."""
    scale = tf.stop_gradient(tf.reduce_max(tf.abs(slope)) / LARGEST_WEIGHT_CODE)
    scale = tf.where(scale > 0.0, scale, tf.ones_like(scale))
    return _rounded(slope / scale) * scale


class SimulatedConvolution(ShapedLayer):
    """A `Conv2D` with the kernel and the bias that its int8 operator has.

    Holds the layer it stands for: training it trains that layer's weights.
    """

    def __init__(self, convolution, *, input_scale: float | None):
        super().__init__(name=convolution.name)
        self.convolution = convolution
        self.input_scale = input_scale

    def compute_output_shape(self, input_shape):
        return self.convolution.compute_output_shape(input_shape)

    def call(self, inputs):
        layer = self.convolution
        y = convolve(layer, inputs, quantized_kernel(layer.kernel))
        return layer.activation(y + self._bias() if layer.use_bias else y)

    def _bias(self):
        bias = self.convolution.bias
        if self.input_scale is None:
            return bias
        steps = tf.stop_gradient(kernel_scales(self.convolution.kernel)) * self.input_scale
        safe = tf.where(steps > 0.0, steps, tf.ones_like(steps))
        return tf.where(steps > 0.0, _rounded(bias / safe) * safe, bias)


class SimulatedPrelu(ShapedLayer):
    """A PReLU with the slopes that its int8 operator has.

    Given the ranges of input and output, it also rounds as that operator does, which on every path
    is the builtin kernel; gradients are those of the PReLU, and none where the output saturates.
    """

    def __init__(
        self, prelu, *, source: TensorRange | None = None, target: TensorRange | None = None
    ):
        super().__init__(name=prelu.name)
        self.prelu, self.source, self.target = prelu, source, target

    def call(self, inputs):
        slope = quantized_slope(self.prelu.alpha)
        bent = tf.nn.relu(inputs) - slope * tf.nn.relu(-inputs)
        if self.source is None or self.target is None:
            return bent
        source, target = Grid.of(self.source), Grid.of(self.target)
        stored = builtin_prelu(inputs, self.prelu.alpha, source=source, target=target)
        bounds = self.target.on_grid
        bent = tf.clip_by_value(bent, bounds.minimum, bounds.maximum)
        return bent + tf.stop_gradient(stored - bent)


class SimulatedLeakyRelu(ShapedLayer):
    """A `LeakyReLU` that rounds as its int8 operator does, given the ranges of input and output.

    As XNNPACK does it, whose factors are multiples of 1/256: at a slope of 0.05 that is 1.6 % too
    steep. Where it leaves the operator to the builtin kernel, factors are nearly exact. Gradients
    are those of the `LeakyReLU`, and none where the output saturates.
    """

    def __init__(
        self, leaky, *, source: TensorRange | None = None, target: TensorRange | None = None
    ):
        super().__init__(name=leaky.name)
        self.leaky, self.source, self.target = leaky, source, target

    def call(self, inputs):
        bent = self.leaky(inputs)
        if self.source is None or self.target is None:
            return bent
        source, target = Grid.of(self.source), Grid.of(self.target)
        slope = float(self.leaky.alpha)
        factors = xnnpack_leaky_factors(slope, source=source, target=target)
        if factors is None:
            kept = source.scale / target.scale
            factors = LEAKY_UNIT * kept, LEAKY_UNIT * kept * slope
        steps = tf.round(tf.cast(inputs, tf.float64) / source.scale)
        above, below = (tf.constant(factor, tf.float64) for factor in factors)
        codes = tf.floor(tf.where(steps >= 0.0, steps * above, steps * below) / LEAKY_UNIT + 0.5)
        lowest, highest = LOWEST - target.zero_point, HIGHEST - target.zero_point
        stored = tf.clip_by_value(codes, float(lowest), float(highest)) * target.scale
        bounds = self.target.on_grid
        bent = tf.clip_by_value(bent, bounds.minimum, bounds.maximum)
        return bent + tf.stop_gradient(tf.cast(stored, tf.float32) - bent)


def simulated_clip(clip: ClipByValue, grid: TensorRange) -> ClipByValue:
    """The clip that the file has: its bounds are codes of its input's grid, as 1 need not be."""

    def on_grid(value: float) -> float:
        return min(
            max(round(value / grid.scale) * grid.scale, grid.on_grid.minimum), grid.on_grid.maximum
        )

    return ClipByValue(on_grid(clip.minimum), on_grid(clip.maximum), name=clip.name)


def stored_ranges(model, ranges: TensorRanges) -> dict[str, TensorRange]:
    """The range that each tensor has in the file, tensors without a range of their own included.

    An input of a concatenation has the concatenation's (of several the last one's; the others then
    join it in steps of their own), moved or repeated values have those of what they repeat, and
    outputs of tanh and sigmoid TFLite's own. Tensors that a fused activation swallows are missing.
    """
    graph = points(model)
    found: dict[str, TensorRange] = {}

    def look_up(name: str) -> TensorRange | None:
        point = graph[name]
        joined = [graph[c] for c in point.consumers if graph[c].concatenates]
        if name in ranges:
            return ranges[name]
        if point.has_fixed_grid:
            return FIXED_GRIDS[point.layer.activation.__name__]
        if point.repeats or (point.passes_through and not point.knows_range):
            # Brought onto the grid of a concatenation, it is read there by all its readers.
            shared = 0 < len(joined) < len(point.consumers)
            return look_up(joined[-1].name if shared else point.inputs[0])
        if point.consumers and all(graph[c].knows_range for c in point.consumers):
            return look_up(point.consumers[0])
        return look_up(joined[-1].name) if joined else None

    for name in graph:
        value = look_up(name)
        if value is not None:
            found[name] = value
    return found


def simulate(
    model,
    ranges: TensorRanges,
    *,
    quantizer: Callable[[str, TensorRange], Any] = lambda name, value: None,
):
    """The network as its int8 file computes it, in float32 and differentiable.

    Args:
        model: Float functional Keras model in its deployed form. Its layers are shared: training
            the simulation trains them.
        ranges: A range for each of `sr_models.networks.graph.quantized_points(model)`.
        quantizer: Makes another layer in place of a tensor's `FakeQuantization`; `None` for that.

    Returns:
        Keras model with the shapes of `model`; its outputs lie on the output's grid.

    Raises:
        CalibrationError: A range is missing, or a layer has weights that cannot be simulated.
    """
    require_ranges(model, ranges)
    graph, grids = points(model), stored_ranges(model, ranges)
    fed = {id(p.layer): grids.get(p.inputs[0]) for p in graph.values() if p.inputs}
    own = {
        name: quantizer(name, value)
        for name, value in grids.items()
        if _is_rounded(graph[name], ranges, grids)
    }
    # Ranges that a quantizer of the caller's moves are no fixed grids.
    fixed = {name: value for name, value in grids.items() if own.get(name) is None}
    around = {
        id(p.layer): {"source": fixed.get(p.inputs[0]), "target": fixed.get(p.name)}
        for p in graph.values()
        if p.inputs
    }

    def replace_layer(layer):
        if type(layer) is tf_keras.layers.Conv2D:
            grid = fed[id(layer)]
            return SimulatedConvolution(layer, input_scale=grid.scale if grid else None)
        if isinstance(layer, tf_keras.layers.PReLU):
            return SimulatedPrelu(layer, **around[id(layer)])
        if isinstance(layer, tf_keras.layers.LeakyReLU):
            return SimulatedLeakyRelu(layer, **around[id(layer)])
        if isinstance(layer, ClipByValue) and fed[id(layer)]:
            return simulated_clip(layer, fed[id(layer)])
        if layer.weights and not isinstance(layer, (GridConvolution, NeighboursToChannels)):
            raise CalibrationError(
                f"expected convolutions and PReLU as the layers with weights, found "
                f"{type(layer).__name__} ({layer.name}); give the network in its deployed form"
            )
        return layer

    def quantize(name, tensor):
        if name not in own:
            return tensor
        value, layer = grids[name], own[name]
        if layer is None:
            layer_name = f"{name.replace(':', '_')}_range"
            layer = FakeQuantization(value.minimum, value.maximum, value.narrow, name=layer_name)
        return layer(tensor)

    return rebuild(model, quantize, replace_layer=replace_layer)


def _is_rounded(point, ranges, grids) -> bool:
    """Whether a tensor does not lie on its grid already, as what is only moved or joined does."""
    averaged = isinstance(point.layer, (tf_keras.layers.AveragePooling2D, ResizeToPicture))
    moved = point.shares_grid and point.name not in ranges and not averaged
    moved = moved and grids[point.name] == grids.get(point.inputs[0])
    joins_the_same = point.concatenates and all(
        grids.get(i) == grids[point.name] for i in point.inputs
    )
    return not moved and not joins_the_same
