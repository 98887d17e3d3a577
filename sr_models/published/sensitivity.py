"""How much each layer weighs in outlier-aware fine-tuning, and the loss that is weighted by it.

arXiv 2511.00682, equations 4 to 7; formulas as in github:haiiling/OAQ-SR (src/trainer.py). The loss
is 10 times the weighted distance of normalized block features plus 5 times the mean absolute
difference of the pictures, student against teacher; no ground truth. With K blocks and N samples
in a batch the first is

    10 / (K N) / N  sum over k, n of  s ||F / ||F||  -  F' / ||F'||||

where each sample of each block is divided by its own norm. The second division by N is the released
code's, which divides what is a mean over all K N entries by the batch once more.

What s is differs between paper and code; a sensitivity is the softmax of a spread in both:

- `align="paper"`, the default: s_k belongs to block k. The softmax is over the K compared features,
  of the spread of those features themselves.
- `align="released"`: the softmax is over all quantized convolutions, head and tail included, of the
  spread of what each reads, and the i-th entry of the features, joined along the batch axis, takes
  the i-th convolution's. So one sample of one block is weighed by some other layer, and the head,
  whose input spreads most, takes nearly all.

Both are in units of pictures in 0..255 there. Networks here work in 0..1, where the softmax of the
same spreads would be next to flat, so they are multiplied by 255 first. The softmax subtracts its
maximum, without which a spread of 89 overflows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from sr_models.ground.errors import CalibrationError, require_known

PIXEL_RANGE = 255.0
FEATURE_WEIGHT = 10.0
PICTURE_WEIGHT = 5.0
ALIGNMENTS = ("paper", "released")


def spread(values: np.ndarray) -> float:
    """The mean over a batch of each sample's standard deviation: float32 (N, H, W, C)."""
    flat = np.asarray(values, np.float64).reshape(len(values), -1)
    # Bessel's correction, as PyTorch's `std` has it.
    return float(flat.std(axis=1, ddof=1 if flat.shape[1] > 1 else 0).mean())


def sensitivities(spreads: Mapping[str, float], *, unit: float = PIXEL_RANGE) -> dict[str, float]:
    """The softmax of spreads: greater than or equal to 0, adding up to 1.

    Args:
        spreads: Mean spread of each compared feature, or of what each layer reads, by its name.
        unit: What pictures are multiplied by in the published formula.

    Raises:
        CalibrationError: There are none, or one is not finite.
    """
    values = np.array(list(spreads.values()), np.float64) * unit
    if not len(values) or not np.isfinite(values).all():
        raise CalibrationError(
            f"expected finite spreads of at least one layer, found {dict(spreads)}; check pictures "
            "and weights for NaN"
        )
    powers = np.exp(values - values.max())
    return dict(zip(spreads, (powers / powers.sum()).tolist()))


@dataclass(frozen=True)
class Sensitivities:
    """How much layers weigh, each kind adding up to 1.

    Attributes:
        features: Of each compared feature, in the order they are computed.
        convolutions: Of each quantized convolution, in that order.
    """

    features: dict[str, float]
    convolutions: dict[str, float]

    def weights(self, batch: int, *, align: str = "paper") -> np.ndarray:
        """What each entry of the features weighs: float32 (blocks, batch).

        Args:
            batch: Samples.
            align: One of `ALIGNMENTS`. Where the released one runs out of convolutions, which it
                does with an error, it starts over, which is ours.
        """
        require_known("an alignment", align, ALIGNMENTS)
        blocks = len(self.features)
        if align == "paper":
            each = np.array(list(self.features.values()), np.float32)
            return np.repeat(each[:, None], batch, axis=1)
        each = np.array(list(self.convolutions.values()), np.float32)
        return np.resize(each, (blocks, batch))


def _normalized(features):
    shape = tf.shape(features)
    return tf.math.l2_normalize(tf.reshape(features, (shape[0], -1)), axis=-1)


def feature_loss(student: Sequence, teacher: Sequence, *, weights):
    """The weighted distance of normalized features, without its factor of 10; a scalar.

    Divided by the number of entries, blocks times samples, and by the samples once more.

    Args:
        student: Features of each block, float32 (N, H, W, C).
        teacher: The same of the float network.
        weights: float32 (blocks, N).
    """
    distances = [
        # The root has no derivative at 0, where the features agree.
        tf.sqrt(tf.reduce_sum(tf.square(_normalized(s) - _normalized(t)), axis=-1) + 1e-12)
        for s, t in zip(student, teacher)
    ]
    entries, samples = tf.size(weights), tf.shape(weights)[1]
    return tf.reduce_sum(tf.stack(distances) * weights) / tf.cast(entries * samples, tf.float32)


def picture_loss(student, teacher):
    """The mean absolute difference of two pictures in units of 0..255; a scalar."""
    return PIXEL_RANGE * tf.reduce_mean(tf.abs(student - teacher))
