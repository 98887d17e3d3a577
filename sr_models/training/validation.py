"""The held-back crops that choose the best weights of a run."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from sr_models.training.patches import Pair

CROP_SIDE = 96


def validation_crops(pairs: Sequence[Pair], *, scale: int, side: int = CROP_SIDE) -> list[tuple]:
    """The centre of each held-back picture, stacked by size.

    Returns:
        Pairs of uint8 (N, h, w, 3) and (N, h s, w s, 3), one for each size.
    """
    by_size: dict[tuple, list] = {}
    for pair in pairs:
        h, w = (min(side, size) for size in pair.low.shape[:2])
        y, x = (pair.low.shape[0] - h) // 2, (pair.low.shape[1] - w) // 2
        low = pair.low[y : y + h, x : x + w]
        high = pair.high[y * scale : (y + h) * scale, x * scale : (x + w) * scale]
        by_size.setdefault((h, w), []).append((low, high))
    return [tuple(np.stack(part) for part in zip(*group)) for group in by_size.values()]


def validation_psnr_db(model, crops: Sequence[tuple]) -> float:
    """PSNR in dB (RGB, uint8 pixels, all crops pooled) of a Keras model without an output tail."""
    import tensorflow as tf

    squares, count = 0.0, 0
    for low, high in crops:
        result = model(low.astype(np.float32) / 255.0, training=False)
        pixels = tf.round(tf.clip_by_value(result, 0.0, 1.0) * 255.0).numpy()
        squares += float(np.square(pixels - high.astype(np.float32), dtype=np.float64).sum())
        count += high.size
    return 10.0 * math.log10(255.0**2 * count / max(squares, 1e-9))
