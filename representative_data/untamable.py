"""Why no picture can be led into [0, 1], and what to do: asked of the network, by its outputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from representative_data.dataset import Record
from representative_data.probe import OutputProbe
from representative_data.taming import Taming, fits

_LEAST_ANSWER = 0.05


def why_untamable(
    probe: Callable[[Sequence[np.ndarray]], OutputProbe],
    nearest: Record,
    taming: Taming,
    *,
    side: int,
    channels: int = 3,
) -> str:
    """The reason and the cure, to end a message with.

    Args:
        probe: Maps pictures to the ranges of their outputs.
        nearest: The picture that came nearest to fitting.
        taming: How it was tried.
        side: Height and width of the pictures that are asked about, in pixels.
        channels: 3 for RGB, 1 for luma.
    """
    flats = [np.full((side, side, channels), value, np.uint8) for value in (0, 128, 255)]
    ranges = probe(flats)
    lows, highs = ranges.minimum.min(axis=1), ranges.maximum.max(axis=1)
    middles = (lows + highs) / 2.0
    if middles[2] - middles[0] < _LEAST_ANSWER:
        return (
            f"black is answered with {middles[0]:.3f} and white with {middles[2]:.3f}, so no "
            "change of a picture moves the output: train the network, or load its weights"
        )
    if taming.method == "select":
        return "selection changes nothing: give calmer pictures, or --taming contrast"
    if taming.method == "intensity" and nearest.output_after[0] < 0.0 and taming.aim > 0.0:
        return (
            "a factor cannot lift what is below 0: give --taming contrast, or --tail relu, "
            "which bounds outputs below"
        )
    if not any(fits(low, high) for low, high in zip(lows, highs)):
        return (
            f"even flat black is answered with {lows[0]:.3f}..{highs[0]:.3f} and flat grey with "
            f"{lows[1]:.3f}..{highs[1]:.3f}: train the network longer, or on pixels of 0..1"
        )
    return "flat pictures do fit: give calmer pictures, more --max-passes, or --taming contrast"
