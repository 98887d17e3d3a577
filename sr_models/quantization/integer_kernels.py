"""TFLite's builtin int8 operators in integer arithmetic, code for code.

Each function takes int8 codes and the grids of its tensors and returns the codes that the operator
of ai-edge-litert 2.3 writes without a delegate, on x86-64 and, where `arm64` is asked for, on
ARM64. Sources: tflite/kernels, namely add.cc,
activations.cc, kernel_util.cc and internal/optimized/integer_ops of github:google-ai-edge/LiteRT;
the roundings are those of `_multiplied` below. Scales are single precision, as files store them;
factors made of them are computed in double precision, but for ReLU and its kin, whose kernels
divide in single precision.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from sr_models.quantization.grids import LIMITS, Grid, half_away

FRACTION_BITS = 31
LEAST_EXPONENT = -31


@dataclass(frozen=True)
class FixedPoint:
    """Factors `multiplier * 2 ** (exponent - 31)`, one or one for each channel.

    Attributes:
        multiplier: int64, in 2^30 .. 2^31 - 1, or 0 for the factor 0.
        exponent: int64; positive where the factor is 1 or more.
    """

    multiplier: np.ndarray
    exponent: np.ndarray

    @classmethod
    def nearest(cls, factor) -> FixedPoint:
        """The nearest factor that can be written: float64 (...) -> (...), not negative.

        Factors below 2^-32 become 0, since a shift by more than 31 places leaves nothing.
        """
        fraction, exponent = np.frexp(np.asarray(factor, np.float64))
        # Halves go away from zero; NumPy's own rounding would take the even one.
        multiplier = np.floor(np.ldexp(fraction, FRACTION_BITS) + 0.5).astype(np.int64)
        carried = multiplier == 1 << FRACTION_BITS
        multiplier = np.where(carried, multiplier >> 1, multiplier)
        exponent = np.where(carried, exponent + 1, exponent).astype(np.int64)
        tiny = exponent < LEAST_EXPONENT
        return cls(np.where(tiny, 0, multiplier), np.where(tiny, 0, exponent))

    @property
    def value(self) -> np.ndarray:
        """The factors as float64."""
        return np.ldexp(self.multiplier.astype(np.float64), self.exponent - FRACTION_BITS)


def _high_product(x, factor: FixedPoint) -> tuple[np.ndarray, np.ndarray]:
    """The product after its first rounding, halves up, and how far it is still to be shifted."""
    shifted = np.asarray(x, np.int64) << np.maximum(factor.exponent, 0)
    product = (shifted * factor.multiplier + (1 << (FRACTION_BITS - 1))) >> FRACTION_BITS
    return product, np.maximum(-factor.exponent, 0)


def multiply_halves_up(x, factor: FixedPoint) -> np.ndarray:
    """`x * factor`, rounded twice, halves up: int32 values -> int64, as ruy does it."""
    product, places = _high_product(x, factor)
    return (product + ((1 << places) >> 1)) >> places


def multiply_halves_away(x, factor: FixedPoint) -> np.ndarray:
    """`x * factor`, rounded twice, halves away from zero: int32 values -> int64, as TFLite does."""
    product, places = _high_product(x, factor)
    # One less before a negative number is rounded up turns its halves down.
    return (product + ((1 << places) >> 1) - ((product < 0) & (places > 0))) >> places


def multiply_once(x, factor: FixedPoint) -> np.ndarray:
    """`x * factor`, rounded once, halves up: int32 values -> int64, as ruy does it on ARM64.

    There SQDMULH leaves the first rounding out (`MultiplyByQuantizedMultiplier` of
    ruy/apply_multiplier.cc, github:google/ruy at 0aa3f8b).
    """
    places = FRACTION_BITS - factor.exponent
    return (np.asarray(x, np.int64) * factor.multiplier + ((1 << places) >> 1)) >> places


LOWEST, HIGHEST = LIMITS["int8"]
LARGEST_WEIGHT_CODE = 127
LARGEST_BIAS_CODE = 2**30 - 1
LEAST_WEIGHT_BOUND = 5e-7
"""The converter takes smaller weights for as large as this, so that no scale is 0."""
SUM_SHIFT = 20
"""Places by which an addition lifts both operands, so that rescaling them loses nothing."""
EXACT_IN_SINGLE = 1 << 24
"""Integers below it are float32 values, and so are the sums of such that stay below it."""


def symmetric_scale(weights: np.ndarray, *, axis=None) -> np.ndarray:
    """The scale, in float64, by which the largest weight along `axis` gets code 127."""
    largest = np.abs(weights).max(axis=axis).astype(np.float64)
    return np.maximum(largest, LEAST_WEIGHT_BOUND) / LARGEST_WEIGHT_CODE


@dataclass(frozen=True)
class IntegerWeights:
    """Kernel and bias of a convolution as the file stores them.

    Attributes:
        kernel: int8 (h, w, input channels of a group, output channels).
        scales: float32 (output channels,), the largest weight over 127 where a method gave no
            others, or more where the bias would have more than `LARGEST_BIAS_CODE` steps.
        bias: int32 (output channels,), in steps of input scale times kernel scale.
    """

    kernel: np.ndarray
    scales: np.ndarray
    bias: np.ndarray

    @classmethod
    def of(cls, kernel, bias, *, source: Grid, scales=None) -> IntegerWeights:
        """What the converter makes of float32 weights; `bias` and given `scales` may be `None`."""
        bias = np.zeros(kernel.shape[-1]) if bias is None else bias.astype(np.float64)
        needed = np.abs(bias) / LARGEST_BIAS_CODE / source.scale
        if scales is None:
            given = symmetric_scale(kernel, axis=(0, 1, 2))
        else:
            # Passed on as the bounds of a fake quantization, and divided in single precision.
            bounds = LARGEST_WEIGHT_CODE * np.asarray(scales, np.float32)
            given = (bounds / np.float32(LARGEST_WEIGHT_CODE)).astype(np.float64)
        exact = np.maximum(given, needed)
        # The product is stored in single precision, and the bias divided by what is stored.
        steps = (source.scale * exact).astype(np.float32).astype(np.float64)
        codes = np.clip(half_away(bias / steps), -LARGEST_BIAS_CODE, LARGEST_BIAS_CODE)
        kernel_codes = np.clip(half_away(kernel / exact), -LARGEST_WEIGHT_CODE, LARGEST_WEIGHT_CODE)
        return cls(kernel_codes.astype(np.int8), exact.astype(np.float32), codes.astype(np.int32))


def convolve(
    codes: np.ndarray,
    weights: IntegerWeights,
    *,
    source: Grid,
    target: Grid,
    strides=(1, 1),
    padding: str = "SAME",
    dilations=(1, 1),
    rectified: bool = False,
    arm64: bool = False,
) -> np.ndarray:
    """CONV_2D: int8 (N, H, W, C) -> (N, H', W', output channels); groups as the kernel has them."""
    groups = codes.shape[-1] // weights.kernel.shape[2]
    reach = max(source.zero_point - LOWEST, HIGHEST - source.zero_point)
    most = np.abs(weights.kernel.astype(np.int64)).sum(axis=(0, 1, 2)).max() * reach
    # Sums of integers, which floating point computes exactly and TensorFlow fast.
    dtype = np.float32 if most < EXACT_IN_SINGLE else np.float64
    parts = zip(
        np.split(codes.astype(dtype) - dtype(source.zero_point), groups, axis=-1),
        np.split(weights.kernel.astype(dtype), groups, axis=-1),
    )
    sums = [tf.nn.conv2d(x, kernel, strides, padding, dilations=dilations) for x, kernel in parts]
    total = np.concatenate(sums, axis=-1).astype(np.int64) + weights.bias
    factor = FixedPoint.nearest(
        float(source.stored_scale) * weights.scales.astype(np.float64) / float(target.stored_scale)
    )
    # TFLite has no fast kernel for groups; its reference kernel rounds otherwise than ruy.
    ruy = multiply_once if arm64 else multiply_halves_up
    multiply = ruy if groups == 1 else multiply_halves_away
    return target.stored(multiply(total, factor), rectified=rectified)


def add(
    first: np.ndarray,
    second: np.ndarray,
    *,
    sources: tuple[Grid, Grid],
    target: Grid,
    rectified: bool = False,
) -> np.ndarray:
    """ADD of two tensors of one shape."""
    scales = [float(grid.stored_scale) for grid in sources]
    unit = 2.0 * max(scales)
    total = sum(
        multiply_halves_away(grid.centred(codes) << SUM_SHIFT, FixedPoint.nearest(scale / unit))
        for codes, grid, scale in zip((first, second), sources, scales)
    )
    factor = FixedPoint.nearest(unit / ((1 << SUM_SHIFT) * float(target.stored_scale)))
    return target.stored(multiply_halves_away(total, factor), rectified=rectified)


def multiply(
    first: np.ndarray, second: np.ndarray, *, sources: tuple[Grid, Grid], target: Grid
) -> np.ndarray:
    """MUL of two tensors, one of which may have a single pixel or channel for all."""
    scales = [float(grid.stored_scale) for grid in sources]
    factor = FixedPoint.nearest(scales[0] * scales[1] / float(target.stored_scale))
    products = sources[0].centred(first) * sources[1].centred(second)
    return target.stored(multiply_halves_away(products, factor))


def picture_mean(
    codes: np.ndarray, *, axes: tuple[int, ...], source: Grid, target: Grid
) -> np.ndarray:
    """MEAN over rows, over columns or over both, which are left with one pixel.

    For both there is a kernel of its own, which adds codes as they are and rounds the zero point
    apart; it computes its factors in single precision.
    """
    count = np.prod([codes.shape[axis] for axis in axes])
    if tuple(axes) == (1, 2):
        ratio = np.float32(source.zero_point) * source.stored_scale / target.stored_scale
        factor = FixedPoint.nearest(source.stored_scale / (np.float32(count) * target.stored_scale))
        sums = codes.astype(np.int64).sum(axis=axes, keepdims=True)
        return target.stored(multiply_halves_away(sums, factor) - int(half_away(ratio)))
    factor = FixedPoint.nearest(float(source.stored_scale) / float(target.stored_scale) / count)
    sums = source.centred(codes).sum(axis=axes, keepdims=True)
    return target.stored(multiply_halves_away(sums, factor))


def requantize(codes: np.ndarray, *, source: Grid, target: Grid) -> np.ndarray:
    """QUANTIZE from one int8 grid to another; nothing to do where both are one."""
    if source == target:
        return codes
    factor = FixedPoint.nearest(float(source.stored_scale) / float(target.stored_scale))
    return target.stored(multiply_halves_up(source.centred(codes), factor))


def average_pool(codes: np.ndarray, *, pool, strides, padding: str) -> np.ndarray:
    """AVERAGE_POOL_2D: the mean of the codes inside of the picture, halves away from zero."""
    ones = tf.ones((*pool, codes.shape[-1], 1))
    shape = (1, *codes.shape[1:])
    inside, counts = (
        tf.nn.depthwise_conv2d(x, ones, (1, *strides, 1), padding).numpy().astype(np.int64)
        for x in (codes.astype(np.float32), tf.ones(shape))
    )
    halves = (np.abs(inside) + counts // 2) // counts
    return (np.sign(inside) * halves).astype(np.int8)


def rectify(codes: np.ndarray, *, source: Grid, target: Grid) -> np.ndarray:
    """RELU as an operator of its own."""
    factor = FixedPoint.nearest(source.stored_scale / target.stored_scale)
    values = multiply_halves_away(source.centred(codes), factor)
    return target.stored(values, rectified=True)


def clip(codes: np.ndarray, *, maximum: float, source: Grid, target: Grid) -> np.ndarray:
    """MINIMUM with a constant on the input's grid, then RELU: a clip to 0..maximum."""
    bounded = np.minimum(codes, np.int8(source.code(maximum)))
    return rectify(bounded, source=source, target=target)


def prelu(codes: np.ndarray, slopes: np.ndarray, *, source: Grid, target: Grid) -> np.ndarray:
    """PRELU with float32 slopes (..., C), which are stored symmetric with one scale for all."""
    exact = symmetric_scale(slopes)
    slope_codes = half_away(slopes / exact).astype(np.int64)
    kept = FixedPoint.nearest(source.stored_scale / target.stored_scale)
    bent = FixedPoint.nearest(source.stored_scale * np.float32(exact) / target.stored_scale)
    values = source.centred(codes)
    below = multiply_halves_away(values * slope_codes, bent)
    return target.stored(np.where(values >= 0, multiply_halves_away(values, kept), below))


def leaky_relu(codes: np.ndarray, slope: float, *, source: Grid, target: Grid) -> np.ndarray:
    """LEAKY_RELU; its slope is no code but a part of the factor, of either sign."""
    kept = source.stored_scale / target.stored_scale
    bent = source.stored_scale * np.float32(slope) / target.stored_scale
    values = source.centred(codes)
    turned = values * (-1 if bent < 0 else 1)
    below = multiply_halves_away(turned, FixedPoint.nearest(abs(bent)))
    above = multiply_halves_away(values, FixedPoint.nearest(kept))
    return target.stored(np.where(values >= 0, above, below))


LEAKY_UNIT = 256
"""XNNPACK's factors of LEAKY_RELU are multiples of one part in so many."""


def xnnpack_leaky_factors(slope: float, *, source: Grid, target: Grid) -> tuple[int, int] | None:
    """What XNNPACK multiplies a positive and a negative code by, in parts of `LEAKY_UNIT`.

    `None` where one of the factors is too small or too large for its kernel, which then leaves the
    operator to the interpreter's own (src/operators/unary-elementwise-nc.c, github:google/XNNPACK).
    """
    kept = source.stored_scale / target.stored_scale
    bent = kept * np.float32(slope)
    least, most = 1.0 / LEAKY_UNIT, 128.0
    if not (least <= kept <= most and least <= abs(bent) < most):
        return None
    return int(np.rint(LEAKY_UNIT * kept)), int(np.rint(LEAKY_UNIT * bent))


def look_up(
    codes: np.ndarray, function: Callable[[np.ndarray], np.ndarray], *, source: Grid, target: Grid
) -> np.ndarray:
    """TANH and LOGISTIC: a table of all 256 codes, computed in single precision."""
    every = np.arange(LOWEST, HIGHEST + 1)
    values = function(source.stored_scale * source.centred(every).astype(np.float32))
    table = target.stored(half_away(values.astype(np.float32) / target.stored_scale))
    return table[codes.astype(np.int64) - LOWEST]


def square_root(codes: np.ndarray, *, source: Grid, target: Grid) -> np.ndarray:
    """SQRT: computed in single precision and cut down to a whole step, not rounded to one."""
    values = source.stored_scale * source.centred(codes).astype(np.float32)
    steps = np.sqrt(np.maximum(values, np.float32(0.0))) / target.stored_scale
    return target.stored(np.floor(steps).astype(np.int64))
