"""Networks fitted for a moment on scikit-image's pictures, so that quantization has a subject."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import tensorflow as tf
import tf_keras

from representative_data.pictures import BUNDLED_HELD_OUT, bundled_pictures
from sr_models.ground.metrics import luma_pixels
from sr_models.ground.pictures import crop_to_multiple, degrade, load_image, unit

BATCH = 8
SIDE = 24
"""Height and width of a patch of the small picture."""
LEARNING_RATE = 1e-3
_FULL_SIDE = 96

Pair = tuple[np.ndarray, np.ndarray]


def picture_pairs(paths, *, scale: int, channels: int) -> list[Pair]:
    """uint8 (h, w, C) small pictures and the (h s, w s, C) that they were made from."""
    pairs = []
    for path in paths:
        high = load_image(path, minimum_side=8 * scale)
        high = crop_to_multiple(high if channels == 3 else luma_pixels(high), scale)
        pairs.append((degrade(high, scale), high))
    return pairs


def fit(
    model,
    *,
    scale: int,
    channels: int,
    seconds: float,
    seed: int = 0,
    clock: Callable[[], float] = time.monotonic,
) -> list[float]:
    """Train a Keras model in place by the mean absolute error of random patches.

    Args:
        model: (N, H, W, C) -> (N, H s, W s, C) in 0..1.
        scale: Scale factor s.
        channels: C.
        seconds: When to end; at least one step is taken.
        seed: Seed of the patches.
        clock: Seconds, monotonic.

    Returns:
        The loss of each step.
    """
    pairs = [
        pair
        for pair in picture_pairs(bundled_pictures(), scale=scale, channels=channels)
        if min(pair[0].shape[:2]) >= SIDE
    ]
    rng, optimizer = np.random.default_rng(seed), tf_keras.optimizers.Adam(LEARNING_RATE)

    @tf.function
    def step(low, high):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.abs(model(low, training=True) - high))
        found = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(found, model.trainable_variables))
        return loss

    losses, end = [], clock() + seconds
    while not losses or clock() < end:
        losses.append(float(step(*_batch(pairs, rng, scale=scale))))
    return losses


def _batch(pairs: list[Pair], rng: np.random.Generator, *, scale: int) -> list[tf.Tensor]:
    parts = []
    for index in rng.integers(len(pairs), size=BATCH):
        low, high = pairs[index]
        y, x = (int(rng.integers(size - SIDE + 1)) for size in low.shape[:2])
        cut = high[scale * y : scale * (y + SIDE), scale * x : scale * (x + SIDE)]
        parts.append((low[y : y + SIDE, x : x + SIDE], cut))
    return [tf.constant(unit(np.stack(side))) for side in zip(*parts)]


def natural_samples(
    *, scale: int, channels: int, height: int, width: int, count: int = 4
) -> list[list[np.ndarray]]:
    """What a converter calibrates on: float32 (1, height, width, C) of natural small pictures."""
    pairs = picture_pairs(bundled_pictures()[:count], scale=scale, channels=channels)
    return [[unit(_at_size(low, height, width))[None]] for low, _ in pairs]


def full_range_pictures(*, scale: int, channels: int) -> list[np.ndarray]:
    """uint8 (h, w, C) small pictures with black and white in them: held-out ones, and a ramp.

    Calibration sees pictures of the bundle as they are; a network of a user's sees any.
    """
    found = []
    for low, _ in picture_pairs(bundled_pictures(BUNDLED_HELD_OUT), scale=scale, channels=channels):
        cut = _at_size(low, _FULL_SIDE, _FULL_SIDE).astype(np.float64)
        least, most = cut.min(), cut.max()
        found.append(np.rint((cut - least) * 255.0 / max(most - least, 1.0)).astype(np.uint8))
    ramp = np.linspace(0.0, 255.0, _FULL_SIDE)
    ways = [np.tile(ramp, (_FULL_SIDE, 1)), np.tile(ramp[:, None], (1, _FULL_SIDE))]
    made = np.stack([ways[0], ways[1], 255.0 - ways[0]], axis=-1)[..., :channels]
    return [*found, np.rint(made).astype(np.uint8)]


def _at_size(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """The picture repeated and cut."""
    rows, columns = -(-height // picture.shape[0]), -(-width // picture.shape[1])
    return np.tile(picture, (rows, columns, 1))[:height, :width]
