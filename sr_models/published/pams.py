"""PAMS: activations clipped at a learned largest value, weights at their own.

Li et al., "PAMS: Quantized Super-Resolution via Parameterized Max Scale", ECCV 2020 (arXiv
2011.04212); formulas as in github:colorjam/PAMS (model/quant_ops.py). With q = 2^(b-1) - 1:

- activations: Q(x) = round(clip(x, -a, a) q / a) a / q, one learned a per tensor;
- weights: Q(W) = round(W q / m) m / q with m = max|W| + 1e-8, which no gradient reaches.

The gradient of a is what automatic differentiation makes of that: sign(x) outside of the clip and
(round(v) - v) / q inside of it, with v = x q / a; this is that of the released code. At the clip's
ends, |x| = a, it is sign(x) too, and x has none: the code writes `torch.max(torch.min(x, a), -a)`,
and PyTorch 1.1, which it names, gives the whole gradient of a tie to the second argument (from 1.9
on each has half of it). An alpha that starts at the largest value seen meets it in every batch that
holds that value. `tf.quantization.fake_quant_with_min_max_vars` has another gradient.

At 8 bits the grid is that of a TFLite int8 tensor with scale a / 127 and zero point 0.

Ours, and named so: `unsigned` puts the whole 2^b - 1 steps into [0, a] behind a ReLU, where half of
the signed codes are never used; `per_channel` gives each output channel its own m.
"""

from __future__ import annotations

import tensorflow as tf
import tf_keras

from sr_models.published.settings import largest_code, require_bits
from sr_models.published.student import QuantizedConvolution, straight_through_round

WEIGHT_EPSILON = 1e-8
EMA_DECAY = 0.9997
STARTING_ALPHA = 10.0
"""What the released code creates alpha with, in units of 0..255; it is overwritten at once."""
LEAST_ALPHA = 1e-6


def steps_of(bits: int, *, unsigned: bool = False) -> int:
    """Steps between 0 and alpha: 127 at 8 bits, 255 where the grid is unsigned."""
    return 2 ** require_bits(bits) - 1 if unsigned else largest_code(bits)


def quantized_activation(x, alpha, *, bits: int, unsigned: bool = False, clip: bool = True):
    """The activation on its grid, float32 in the shape of `x`; differentiable in both arguments.

    Args:
        x: float32, any shape.
        alpha: float32 scalar, greater than 0.
        bits: Width, 2 to 16.
        unsigned: Whether the grid spans [0, alpha], which is ours.
        clip: Whether values beyond alpha are clipped; the released code does not while it warms up.
    """
    steps = steps_of(bits, unsigned=unsigned)
    if clip:
        low = tf.zeros_like(alpha) if unsigned else -alpha
        # Chosen rather than `tf.minimum`, which gives x the gradient of a tie.
        x = tf.where(x >= alpha, alpha, tf.where(x <= low, low, x))
    return straight_through_round(x * float(steps) / alpha) * alpha / float(steps)


def quantized_weights(kernel, *, bits: int, per_channel: bool = False):
    """The kernel on its symmetric grid, float32 (..., C); the gradient is that of the identity.

    Args:
        kernel: float32 kernel, output channels last.
        bits: Width, 2 to 16.
        per_channel: Whether each output channel has its own scale, which is ours.
    """
    q = float(largest_code(bits))
    scale = tf.stop_gradient(weight_maximum(kernel, per_channel=per_channel))
    return straight_through_round(kernel * q / scale) * scale / q


def weight_maximum(kernel, *, per_channel: bool = False):
    """m of the weight grid: a scalar, or (C,) per channel."""
    axes = tuple(range(len(kernel.shape) - 1)) if per_channel else None
    return tf.reduce_max(tf.abs(kernel), axis=axes) + WEIGHT_EPSILON


def activation_statistic(x):
    """What alpha warms up on: each sample's greatest |x|, averaged over the batch; a scalar."""
    axes = tuple(range(1, len(x.shape)))
    return tf.reduce_mean(tf.reduce_max(tf.abs(x), axis=axes))


def averaged_statistic(average, statistic):
    """The exponential moving average that the paper describes, after one more batch.

    The released code holds it too, and never reaches it: during the first epoch, which is as long
    as it warms up by default, it takes the statistic itself.
    """
    return EMA_DECAY * average + (1.0 - EMA_DECAY) * statistic


@tf_keras.saving.register_keras_serializable("sr_models.quantizers")
class AtLeast(tf_keras.constraints.Constraint):
    """Keeps a variable from falling below a bound."""

    def __init__(self, bound: float):
        self.bound = bound

    def __call__(self, w):
        return tf.maximum(w, self.bound)

    def get_config(self):
        return {"bound": self.bound}


@tf_keras.saving.register_keras_serializable("sr_models.quantizers")
class PamsActivation(tf_keras.layers.Layer):
    """Rounds a tensor to the grid of a learned alpha.

    While `warm_up` is 1 and the layer trains, alpha is set to the statistic of each batch and
    nothing is clipped, as the released code does during its first epoch; set it to 0 to go on.

    Args:
        bits: Width, 2 to 16.
        unsigned: Whether the grid spans [0, alpha].
    """

    def __init__(self, bits: int = 8, unsigned: bool = False, **keywords):
        super().__init__(**keywords)
        self.bits, self.unsigned = require_bits(bits), unsigned

    def build(self, input_shape):
        # The mean over replicas: each of them sees the statistic of its own rows.
        self.alpha = self.add_weight(
            "alpha",
            (),
            initializer=tf_keras.initializers.Constant(STARTING_ALPHA),
            constraint=AtLeast(LEAST_ALPHA),
            aggregation=tf.VariableAggregation.MEAN,
        )
        self.warm_up = self.add_weight("warm_up", (), initializer="zeros", trainable=False)
        super().build(input_shape)

    def call(self, inputs, training=None):
        if not training:
            return quantized_activation(inputs, self.alpha, bits=self.bits, unsigned=self.unsigned)
        warming = self.warm_up > 0.0
        statistic = tf.maximum(tf.stop_gradient(activation_statistic(inputs)), LEAST_ALPHA)
        self.alpha.assign(tf.where(warming, statistic, self.alpha))

        def quantized(clip: bool):
            return quantized_activation(
                inputs, self.alpha, bits=self.bits, unsigned=self.unsigned, clip=clip
            )

        return tf.cond(warming, lambda: quantized(False), lambda: quantized(True))

    def get_config(self):
        return {**super().get_config(), "bits": self.bits, "unsigned": self.unsigned}


@tf_keras.saving.register_keras_serializable("sr_models.quantizers")
class PamsConvolution(QuantizedConvolution):
    """A convolution with a kernel on PAMS's symmetric grid; bias and activation stay float.

    Args:
        bits: Width of the weights, 2 to 16.
        per_channel: Whether each output channel has its own scale.
    """

    def __init__(self, *arguments, bits: int = 8, per_channel: bool = False, **keywords):
        super().__init__(*arguments, **keywords)
        self.bits, self.per_channel = require_bits(bits), per_channel

    def quantized_kernel(self):
        return quantized_weights(self.kernel, bits=self.bits, per_channel=self.per_channel)

    def get_config(self):
        return {**super().get_config(), "bits": self.bits, "per_channel": self.per_channel}
