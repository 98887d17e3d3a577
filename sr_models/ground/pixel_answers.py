"""What a network's answers to pictures say about its black and white.

A super-resolution network gives a picture back at its own brightness. Fed another range than it was
made for, it does not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sr_models.ground.pixel_range import SIGNED, UNIT, PixelRange

PLAUSIBLE = 0.04
"""Root mean square of (output, reduced to the input's size) - input, in 0..1, of a network that is
certainly fed what it was trained on. Trained networks here have 0.002 to 0.02."""

_NEGATIVE = PixelRange(0.0, 0.0, -1.0, -1.0)
_AS_GOOD = ((_NEGATIVE, 1.05), (SIGNED, 1.18))
"""By how much worse than 0..1 a network of -1..1 may do on -1..0 and on -1..1. Seven trained
networks here, rewritten for -1..1, do 0.97 to 1.02 times as badly on the one and 0.98 to 1.13 on
the other; as they are, for 0..1, each is 1.2 to 600 times worse on one of them at least."""
_SAME = 1e-4

Answer = Callable[[np.ndarray], Any]
"""A network: float32 (N, H, W, 3) -> (N, H s, W s, 3)."""


def distance(answer: Answer, batch: np.ndarray, pixels: PixelRange) -> float:
    """How far a network's answers are from what it was shown, root mean square in 0..1.

    Args:
        answer: The network, of which nothing but its outputs is used.
        batch: float32 (N, H, W, C) in 0..1.
        pixels: What it is fed and read with.
    """
    return _rms(_reduced(answer, batch, pixels) - batch)


def works_signed(answer: Answer, batch: np.ndarray) -> bool:
    """Whether a network that works on 0..1 works as well on -1..1, and not by being linear.

    Without the border, where zero padding is black to the one and grey to the other.
    """
    inside = _inside(batch)
    unit, both = (_inside(_reduced(answer, batch, white)) for white in (UNIT, SIGNED))
    own = _rms(unit - inside)
    return _rms(unit - both) > _SAME and all(
        _rms(_inside(_reduced(answer, batch, white)) - inside) <= worse * own
        for white, worse in _AS_GOOD
    )


def _reduced(answer: Answer, batch: np.ndarray, white: PixelRange) -> np.ndarray:
    """The output in 0..1 at the input's size."""
    span = np.float32(white.input - white.input_black)
    output = np.asarray(answer(batch * span + np.float32(white.input_black)))
    n, height, width, channels = batch.shape
    factor = output.shape[1] // height
    reduced = output.reshape(n, height, factor, width, factor, channels).mean(axis=(2, 4))
    return (reduced - white.output_black) / (white.output - white.output_black)


def _inside(batch: np.ndarray) -> np.ndarray:
    border = min(4, batch.shape[1] // 8)
    return batch[:, border : batch.shape[1] - border, border : batch.shape[2] - border]


def _rms(difference: np.ndarray) -> float:
    return float(np.sqrt(np.mean(difference**2, dtype=np.float64)))
