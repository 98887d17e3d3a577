"""DFSQ: each channel of each picture normalized, then moved to its own points.

"Distribution-Flexible Subset Quantization for Post-Quantizing Super-Resolution Networks", arXiv
2305.05888; as in github:zysxmu/DFSQ (model/setq_conv_quant_ops.py, model/setq/*.py). Before a
quantized convolution, for each picture and channel: subtract the mean (not behind a ReLU), divide
by the greatest magnitude, move to the nearest of the channel's 2^b points, and undo the rest. The
statistics are those of the picture at hand, which no static file of integers has: a simulation.
Zero padding comes after, so padded pixels are zeros.

Weights are quantized per output channel between their least and greatest value, with a zero point.
Only the convolutions of the body and RDN's global fusion are quantized, all others stay float.
Nothing is fine-tuned.

At 8 bits this is worse than a uniform grid on the same normalized values: 377 values are too few
for 256 points that differ.
"""

from __future__ import annotations

import itertools

import numpy as np
import tensorflow as tf
import tf_keras

from sr_models.ground.errors import OptionError
from sr_models.published.settings import require_bits

WORDS = (
    (1.0, 2.0**-1, 2.0**-5, 0.0),
    (1.0, 2.0**-2, 2.0**-6, 0.0),
    (1.0, 2.0**-3, 2.0**-7, 0.0),
    (1.0, 2.0**-4, 2.0**-8, 0.0),
)
RESOLUTION = 1024
"""All values are whole multiples of one over this."""


def _signed_sums() -> np.ndarray:
    positive = {sum(choice) / len(WORDS) for choice in itertools.product(*WORDS)}
    return np.array(sorted({-value for value in positive} | positive))


UNIVERSAL_SET = _signed_sums()
"""All values, ascending; float64 (377,)."""
UNIVERSAL_SET.flags.writeable = False


def snapped(values: np.ndarray) -> np.ndarray:
    """The nearest value of the universal set to each of `values`; of two the smaller one.

    The released code takes the one that comes first in a Python set's order of floats.
    """
    middles = (UNIVERSAL_SET[1:] + UNIVERSAL_SET[:-1]) / 2
    return UNIVERSAL_SET[np.searchsorted(middles, values, side="left")]


NORM_EPSILON = 1e-8
_CELLS = 4 * RESOLUTION
"""Points are multiples of 1/1024 and middles between them of 1/2048: within each of these cells of
[-1, 1] the nearest point is one and the same."""


def normalization(x, *, centred: bool):
    """Mean and greatest magnitude of each picture's channels: two tensors (N, 1, 1, C).

    Args:
        x: float32 (N, H, W, C).
        centred: Whether the mean is subtracted; where not, it is 0.
    """
    mean = tf.reduce_mean(x, axis=(1, 2), keepdims=True)
    mean = mean if centred else tf.zeros_like(mean)
    magnitude = tf.reduce_max(tf.abs(x - mean), axis=(1, 2), keepdims=True) + NORM_EPSILON
    return mean, magnitude


def nearest_points(points: np.ndarray) -> np.ndarray:
    """The nearest point for each cell of [-1, 1]: float32 (C, K) -> (C, 4097).

    Args:
        points: Ascending multiples of 1/1024 in [-1, 1] for each channel.

    Raises:
        OptionError: They are something else.
    """
    points = np.asarray(points, np.float64)
    whole = points * RESOLUTION
    if points.ndim != 2 or np.abs(points).max() > 1.0 or (whole != np.rint(whole)).any():
        raise OptionError(
            f"expected points in [-1, 1] that are multiples of 1/{RESOLUTION} for each channel, "
            f"found an array of shape {points.shape}; take those of `select_subset`"
        )
    # At its middle no cell has a tie. The last one is x = 1 alone.
    cells = (np.arange(_CELLS + 1) + 0.5) * 2.0 / _CELLS - 1.0
    table = [
        np.sort(each)[np.searchsorted((np.sort(each)[1:] + np.sort(each)[:-1]) / 2, cells)]
        for each in points
    ]
    return np.asarray(table, np.float32)


def quantized_activation(x, table, *, centred: bool):
    """The activation with each channel on its points, float32 (N, H, W, C).

    A value in the middle between two points goes to the greater one. In the released code it goes
    to the one that K-means numbered first, which its random start decides.

    Args:
        x: float32 (N, H, W, C).
        table: `nearest_points`, float32 (C, 4097).
        centred: See `normalization`.
    """
    mean, magnitude = normalization(x, centred=centred)
    cells = tf.cast(tf.floor((x - mean) / magnitude * (_CELLS // 2)), tf.int32) + _CELLS // 2
    cells = tf.clip_by_value(cells, 0, _CELLS)
    channels = tf.range(tf.shape(x)[-1]) * (_CELLS + 1)
    return tf.gather(tf.reshape(table, (-1,)), cells + channels) * magnitude + mean


def weight_codes(kernel: np.ndarray, *, bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Whole numbers n and steps, per output channel, with n * step the quantized kernel.

    At 4 and 6 bits n of kernels on both sides of 0 stays within -127..127 by far, so that such a
    kernel is an int8 one exactly; at 8 bits it does not.

    Args:
        kernel: float32 (..., C).
        bits: Width, 2 to 16.

    Returns:
        int64 of the kernel's shape, and float64 (C,); a channel of one value has step 0 and is
        left out: its n are 0.
    """
    steps = 2 ** require_bits(bits) - 1
    flat = np.asarray(kernel, np.float64).reshape(-1, kernel.shape[-1])
    low, high = flat.min(axis=0), flat.max(axis=0)
    step = (high - low) / steps
    safe = np.where(step > 0.0, step, 1.0)
    zero = np.rint(low / safe)
    codes = np.clip(np.rint(flat / safe) - zero, 0, steps) + zero
    codes = np.where(step > 0.0, codes, 0.0)
    return codes.reshape(kernel.shape).astype(np.int64), step


def quantized_weights(kernel: np.ndarray, *, bits: int) -> np.ndarray:
    """The kernel between the least and the greatest weight of each output channel; float32.

    A channel of one value keeps it.
    """
    codes, step = weight_codes(kernel, bits=bits)
    return np.where(step > 0.0, codes * step, kernel).astype(np.float32)


@tf_keras.saving.register_keras_serializable("sr_models.quantizers")
class DfsqActivation(tf_keras.layers.Layer):
    """Moves each channel of each picture to its points.

    Args:
        centred: Whether each channel's mean is subtracted first.
    """

    def __init__(self, centred: bool = True, **keywords):
        super().__init__(**keywords)
        self.centred = centred

    def build(self, input_shape):
        # Looked up, so that 2^b comparisons for every value are spared.
        shape = (input_shape[-1], _CELLS + 1)
        self.table = self.add_weight("table", shape, initializer="zeros", trainable=False)
        super().build(input_shape)

    def set_points(self, points: np.ndarray) -> None:
        """Give each channel its points: (C, 2^b)."""
        self.table.assign(nearest_points(points))

    def call(self, inputs):
        return quantized_activation(inputs, self.table, centred=self.centred)

    def get_config(self):
        return {**super().get_config(), "centred": self.centred}
