"""Activations in a dense region and its tails, each on a grid of its own; weights clipped evenly.

"Outlier-Aware Post-Training Quantization for Image Super-Resolution", ICCV 2025 (arXiv 2511.00682);
formulas as in github:haiiling/OAQ-SR (src/model/quantize.py), built on PWLQ (github:jun-fang/PWLQ).
Values within a break point p, |x| < p, lie on a symmetric grid; those in [l, -p] and [p, u] on
grids anchored at -p and p. Where l >= -p, as behind a ReLU, the regions are [l, p] and [p, u].

Two readings of "b bits", as paper and code differ:

| reading | dense | each tail | one-sided, each | levels |
|---|---|---|---|---|
| `"released"` | b bits | b - 1 | b | 2^(b+1) - 1 |
| `"budgeted"` | b - 1 | b - 2 | b - 1 | 2^b - 1 |

The released code spends one bit more than it says; the published figures are its own, hence it is
the default, with its levels counted (`level_count`). The budgeted reading has the same form with
one bit less, so that 0 stays a level, which the endpoints of the paper's figure would not have; at
two bits its tails are one level each, in their middle. Both are our choice.

Two more have one region: `"single"`, ours, lies on the affine grid of a TFLite tensor, 0 being a
code, with which the same fine-tuning yields an int8 file; `"affine"` has 2^b levels from l to u,
ends included, as the min/max of the published tables (github:Cheeun/AdaBM, src/model/quantize.py).

Bounds that clip: in the released code the limits of the clip are plain numbers, so a bound learns
from steps and offsets alone (`learn_clipping=False`). By default they learn from what they clip,
too, which is ours. A value at an end of the clip has the gradient 1, as `torch.clamp` has it in
every version the released code runs on (1.7 of its environment, 1.10 and later of its
requirements); a weight at its bound has it too, for `torch.where` replaces only what is beyond.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf
import tf_keras

from sr_models.ground.errors import require_known
from sr_models.published.settings import largest_code, require_bits
from sr_models.published.student import QuantizedConvolution, straight_through_round

READINGS = ("released", "budgeted", "single", "affine")
ONE_REGION = ("single", "affine")
WEIGHT_GRIDS = ("even", "narrow")
QUANTILE = 0.99
EMA_DECAY = 0.9
SHRINKS = 90
LEAST_LENGTH = 1e-8


def require_reading(reading: str) -> str:
    """`reading` itself; raises `OptionError` for an unknown one."""
    return require_known("a reading", reading, READINGS)


def level_count(bits: int, *, reading: str) -> int:
    """How many values a quantized activation can take: at 4 bits 31, 15 or 16 by the reading."""
    require_bits(bits)
    if require_reading(reading) in ONE_REGION:
        return 2**bits
    return 2 ** (bits + 1) - 1 if reading == "released" else 2**bits - 1


def _length(start, end):
    """From `start` to `end`, of the same sign and never 0."""
    length = end - start
    sign = tf.where(length < 0.0, -1.0, 1.0)
    return tf.where(tf.abs(length) < LEAST_LENGTH, sign * LEAST_LENGTH, length)


def _in_regions(x, lower, upper, break_point, *, bits: int, learn_clipping: bool):
    """x on the levels of its region, in one formula for all of them.

    A region is where its codes start, its length and its steps; each value takes those of its own.
    A branch of the graph for each kind of region costs several times as much to build.
    """
    two_sided = lower < -break_point
    above = x >= break_point
    dense = two_sided & (tf.abs(x) < break_point)
    # |x| < p never reaches code -2^(b - 1), which the released code would allow.
    top = float(2 ** (bits - 1) - 1)
    last = tf.where(two_sided, max(top, 1.0), float(2**bits - 1))
    first = tf.where(two_sided, -break_point, lower)
    start = tf.where(dense, 0.0, tf.where(above, break_point, first))
    below_length = _length(first, tf.where(two_sided, lower, break_point))
    outer = tf.where(above, _length(break_point, upper), below_length)
    length = tf.where(dense, _length(-break_point, break_point), outer)
    steps = tf.where(dense, float(2**bits - 1), last)
    # Multiplied first, so that ties of round numbers are ties.
    codes = straight_through_round((x - start) * steps / length)
    clipped = tf.clip_by_value(codes, tf.where(dense, -last, 0.0), last)
    passed = codes + tf.stop_gradient(clipped - codes)
    clipped = tf.where(dense, passed, clipped) if learn_clipping else passed
    y = start + clipped * length / steps
    if top:
        return y
    # Tails of one level have it in their middle.
    end = tf.where(above, upper, lower)
    return tf.where(two_sided & ~dense, 0.5 * (start + end) + x - tf.stop_gradient(x), y)


def _single(x, lower, upper, *, bits: int):
    lower, upper = tf.minimum(lower, 0.0), tf.maximum(upper, 0.0)
    steps = 2**bits - 1
    scale = _length(lower, upper) / steps
    zero = straight_through_round(-lower / scale)
    codes = tf.clip_by_value(straight_through_round(x / scale) + zero, 0.0, float(steps))
    return (codes - zero) * scale


def _affine(x, lower, upper, *, bits: int):
    steps = float(2**bits - 1)
    length = _length(lower, upper)
    clipped = tf.minimum(tf.maximum(x, lower), upper)
    return straight_through_round((clipped - lower) * steps / length) * length / steps + lower


def quantized_activation(
    x,
    lower,
    upper,
    break_point,
    *,
    bits: int,
    reading: str = "released",
    learn_clipping: bool = True,
):
    """The activation on the grids of its regions; differentiable in the first four arguments.

    Args:
        x: float32, any shape.
        lower: l, a float32 scalar.
        upper: u, a float32 scalar greater than `lower`.
        break_point: p, a float32 scalar greater than 0; unused by readings of one region.
        bits: Width, 2 to 16.
        reading: One of `READINGS`.
        learn_clipping: Whether bounds get a gradient from the values that they clip.

    Returns:
        float32 in the shape of `x`; values beyond the bounds are clipped.
    """
    require_bits(bits)
    if require_reading(reading) == "single":
        return _single(x, lower, upper, bits=bits)
    if reading == "affine":
        return _affine(x, lower, upper, bits=bits)
    if not learn_clipping:
        x = tf.clip_by_value(x, tf.stop_gradient(lower), tf.stop_gradient(upper))
    width = bits if reading == "released" else bits - 1
    return _in_regions(x, lower, upper, break_point, bits=width, learn_clipping=learn_clipping)


def quantized_weights(kernel, bound, *, bits: int, grid: str = "even"):
    """The kernel on the grid of its bound; differentiable in the bound.

    `"even"` is the published one: 2^b levels from -u to u, of which 0 is none. `"narrow"` is ours:
    the symmetric grid of a TFLite kernel, with one bound for all or one per output channel.

    Args:
        kernel: float32 (..., C).
        bound: u, a float32 scalar, or (C,).
        bits: Width, 2 to 16.
        grid: One of `WEIGHT_GRIDS`.
    """
    clipped = tf.minimum(tf.maximum(kernel, -bound), bound)
    if grid == "narrow":
        q = float(largest_code(bits))
        return straight_through_round(clipped * q / bound) * bound / q
    steps = float(2 ** require_bits(bits) - 1)
    codes = straight_through_round((clipped + bound) / (2.0 * bound) * steps)
    return codes / steps * 2.0 * bound - bound


def least_error_bound(
    kernel: np.ndarray,
    *,
    bits: int,
    grid: str = "even",
    per_channel: bool = False,
    shrinks: int = SHRINKS,
) -> np.ndarray:
    """The bound u of the least squared error among 90 shares of the largest weight; ours.

    The released code searches otherwise (`published_bound`).

    Args:
        kernel: float32 (..., C).
        bits: Width, 2 to 16.
        grid: One of `WEIGHT_GRIDS`.
        per_channel: Whether each output channel has its own.
        shrinks: How many shares are tried, from 1 on in steps of a hundredth.

    Returns:
        float32 scalar, or (C,).
    """
    require_bits(bits)
    kernel = np.asarray(kernel, np.float32)
    flat = kernel.reshape(-1, kernel.shape[-1] if per_channel else 1)
    largest = np.maximum(np.abs(flat).max(axis=0), LEAST_LENGTH)
    best, least = largest, np.full(largest.shape, np.inf)
    # Without TensorFlow: ninety rounds of small operations for every layer.
    steps = 2 * largest_code(bits) if grid == "narrow" else 2**bits - 1
    for i in range(shrinks):
        bound = (largest * np.float32(1.0 - 0.01 * i)).astype(np.float32)
        share = (np.clip(flat, -bound, bound) / bound + 1.0) / 2.0
        error = np.square((2.0 * np.rint(share * steps) / steps - 1.0) * bound - flat).sum(axis=0)
        best, least = np.where(error < least, bound, best), np.minimum(error, least)
    return np.asarray(best if per_channel else best[0], np.float32)


def published_bound(kernel: np.ndarray, *, bits: int) -> np.float32:
    """The bound u that the released code starts with (`quantizer_w="omse"`).

    Among 90 shares of the range from the least to the greatest weight it takes the one whose grid
    of 2^b levels, which is that of neither tensor nor layer afterwards, errs least, and keeps of it
    the greatest weight's share alone. Negative weights beyond -u are cut whatever they carry. The
    released code asks for the body's width even where the layer then has 8 bits.

    Args:
        kernel: float32 (..., C).
        bits: Width of the body, 2 to 16.
    """
    steps = np.float32(2 ** require_bits(bits) - 1)
    kernel = np.asarray(kernel, np.float32)
    high, low = kernel.max(), kernel.min()
    found, least = high, np.inf
    for i in range(SHRINKS):
        upper, lower = (np.float32(end * np.float32(1.0 - 0.01 * i)) for end in (high, low))
        width = max(np.float32(upper - lower), np.float32(LEAST_LENGTH))
        share = (np.clip(kernel, lower, upper) - upper) / width
        error = np.square(kernel - (np.rint(share * steps) / steps * width + upper)).mean()
        if error < least:
            found, least = upper, error
    # A kernel without a weight above 0 leaves none; the released code divides by it.
    return np.float32(max(found, LEAST_LENGTH))


@tf_keras.saving.register_keras_serializable("sr_models.quantizers")
class DualRegionActivation(tf_keras.layers.Layer):
    """Rounds a tensor to the grids of its dense region and its tails.

    Args:
        bits: Width, 2 to 16.
        reading: One of `READINGS`.
        learn_clipping: See `quantized_activation`.
    """

    def __init__(
        self, bits: int = 8, reading: str = "released", learn_clipping: bool = True, **keywords
    ):
        super().__init__(**keywords)
        self.bits, self.reading = require_bits(bits), require_reading(reading)
        self.learn_clipping = learn_clipping

    def build(self, input_shape):
        for name, start in (("lower", -1.0), ("upper", 1.0), ("break_point", 0.5)):
            initial = tf_keras.initializers.Constant(start)
            setattr(self, name, self.add_weight(name, (), initializer=initial))
        super().build(input_shape)

    def call(self, inputs):
        return quantized_activation(
            inputs,
            self.lower,
            self.upper,
            self.break_point,
            bits=self.bits,
            reading=self.reading,
            learn_clipping=self.learn_clipping,
        )

    def get_config(self):
        own = {name: getattr(self, name) for name in ("bits", "reading", "learn_clipping")}
        return {**super().get_config(), **own}


@tf_keras.saving.register_keras_serializable("sr_models.quantizers")
class DualRegionConvolution(QuantizedConvolution):
    """A convolution whose kernel is clipped at a learned bound; bias and activation stay float.

    Args:
        bits: Width of the weights, 2 to 16.
        grid: One of `WEIGHT_GRIDS`; `"narrow"` has a bound per output channel.
    """

    def __init__(self, *arguments, bits: int = 8, grid: str = "even", **keywords):
        super().__init__(*arguments, **keywords)
        self.bits, self.grid = require_bits(bits), require_known("a grid", grid, WEIGHT_GRIDS)

    def build(self, input_shape):
        super().build(input_shape)
        shape = (self.filters,) if self.grid == "narrow" else ()
        self.bound = self.add_weight("bound", shape, initializer="ones")

    def quantized_kernel(self):
        return quantized_weights(self.kernel, self.bound, bits=self.bits, grid=self.grid)

    def get_config(self):
        return {**super().get_config(), "bits": self.bits, "grid": self.grid}
