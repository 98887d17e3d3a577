"""How much each layer weighs in outlier-aware fine-tuning, and the loss that is weighted by it.

arXiv 2511.00682; formulas as in github:haiiling/OAQ-SR (src/trainer.py). A convolution's
sensitivity is the softmax, over the convolutions, of the spread of what it reads. The loss is
10 times the weighted distance of normalized block features plus 5 times the mean absolute
difference of the pictures, student against teacher; no ground truth.

Both are in units of pictures in 0..255 there. Networks here work in 0..1, where the softmax of the
same spreads would be next to flat, so they are multiplied by 255 first. The softmax subtracts its
maximum, without which a spread of 89 overflows.

The released code weighs features by the wrong layers: it joins those of all blocks along the batch
axis and gives the i-th entry, which is one sample of one block, the i-th convolution's sensitivity.
`align="released"` does that; `"paper"`, the default, gives a block the mean of its convolutions'.
What norm the features are divided by is unknown to us; it is each sample's own here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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
    """The softmax of the layers' spreads: greater than or equal to 0, adding up to 1.

    Args:
        spreads: Mean spread of what each layer reads, by its name.
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


def feature_weights(
    weights: Mapping[str, float],
    *,
    layers: Sequence[Sequence[str]],
    batch: int,
    align: str = "paper",
) -> np.ndarray:
    """What each entry of the features weighs: float32 (blocks, batch).

    Args:
        weights: Sensitivity of each convolution, in the order they are computed.
        layers: For each block, names of its convolutions.
        batch: Samples.
        align: One of `ALIGNMENTS`. Where the released one runs out of convolutions it starts over,
            which is ours.
    """
    require_known("an alignment", align, ALIGNMENTS)
    if align == "released":
        flat = np.resize(np.array(list(weights.values()), np.float32), len(layers) * batch)
        return flat.reshape(len(layers), batch)
    each = [np.mean([weights[name] for name in names]) for names in layers]
    return np.repeat(np.array(each, np.float32)[:, None], batch, axis=1)


def _normalized(features):
    shape = tf.shape(features)
    return tf.math.l2_normalize(tf.reshape(features, (shape[0], -1)), axis=-1)


def feature_loss(student: Sequence, teacher: Sequence, *, weights):
    """The weighted distance of normalized features, without its factor of 10; a scalar.

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
    return tf.reduce_sum(tf.stack(distances) * weights) / tf.cast(tf.size(weights), tf.float32)


def picture_loss(student, teacher):
    """The mean absolute difference of two pictures in units of 0..255; a scalar."""
    return PIXEL_RANGE * tf.reduce_mean(tf.abs(student - teacher))
