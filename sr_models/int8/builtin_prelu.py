"""PReLU rounded as TFLite's builtin kernel rounds it, within a float network that is trained.

XNNPACK does not run int8 PReLU, so the builtin kernel computes it on every path, and its second
rounding shows in whatever a simulation is held against. The integers are the ones of
`sr_models.int8.builtin_kernels.prelu`, held in double precision, which is exact up to 2^53.
"""

from __future__ import annotations

import tensorflow as tf

from sr_models.int8.builtin_kernels import (
    HIGHEST,
    LARGEST_WEIGHT_CODE,
    LEAST_WEIGHT_BOUND,
    LOWEST,
    Grid,
)
from sr_models.int8.fixed_point import FRACTION_BITS


def _rounded(x):
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
    return _rounded(product / 2.0 ** tf.maximum(-exponent, 0.0))


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
    single_source, single_target = tf.constant(source.scale), tf.constant(target.scale)
    largest = tf.maximum(tf.reduce_max(tf.abs(slopes)), LEAST_WEIGHT_BOUND)
    slope_scale = tf.cast(largest, tf.float64) / LARGEST_WEIGHT_CODE
    slope_codes = _rounded(tf.cast(slopes, tf.float64) / slope_scale)
    kept = single_source / single_target
    bent = single_source * tf.cast(slope_scale, tf.float32) / single_target
    steps = tf.round(tf.cast(inputs, tf.float64) / source.exact_scale)
    codes = tf.where(
        steps >= 0.0,
        _multiply(steps, tf.cast(kept, tf.float64)),
        _multiply(steps * slope_codes, tf.cast(bent, tf.float64)),
    )
    lowest, highest = LOWEST - target.zero_point, HIGHEST - target.zero_point
    saturated = tf.clip_by_value(codes, float(lowest), float(highest))
    return tf.cast(saturated * target.exact_scale, tf.float32)
