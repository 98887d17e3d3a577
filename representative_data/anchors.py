"""Anchor pictures: they span the input's range without letting the output leave [0, 1].

Taming darkens, so a tamed set no longer reaches white, and the input's scale shrinks with it. A
flat white picture does not help: zero padding makes a network overshoot at its border, and even
far from it one channel may end above 1. The anchors here hold one white (or black) spot on a
smooth bell that falls to a grey floor before the border; height and width of the bell and the
floor are searched until the float network answers with exactly white (or black).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from representative_data.probe import OutputProbe
from representative_data.taming import TOLERANCE
from sr_models.errors import CalibrationError


@dataclass(frozen=True)
class Anchor:
    """A made picture of the representative dataset.

    Attributes:
        name: What it shows.
        pixels: uint8 (h, w, 3).
        output: (minimum, maximum) of the network's output for it.
    """

    name: str
    pixels: np.ndarray
    output: tuple[float, float]


@dataclass(frozen=True)
class Spot:
    """One extreme pixel on a bell.

    Attributes:
        level: Height of the bell above the floor, 0..1 of what is left.
        sigma: Standard deviation of the bell in pixels.
        floor: Value far from the spot, 0..1.
    """

    level: float
    sigma: float
    floor: float

    def draw(self, side: int) -> np.ndarray:
        """uint8 (side, side, 3), grey: 255 in the middle, `floor` along the border."""
        middle = side // 2
        offset = np.arange(side) - middle
        bell = np.exp(-(offset[:, None] ** 2 + offset[None, :] ** 2) / (2.0 * self.sigma**2))
        edge = np.minimum(np.arange(side), np.arange(side)[::-1]) / max(1, side // 8)
        fade = np.clip(np.minimum(edge[:, None], edge[None, :]), 0.0, 1.0)
        grey = self.floor + (1.0 - self.floor) * self.level * bell * fade
        codes = np.rint(255.0 * grey).astype(np.uint8)
        codes[middle, middle] = 255
        return np.repeat(codes[..., None], 3, axis=-1)


def find_anchors(
    probe: Callable[[Sequence[np.ndarray]], OutputProbe],
    *,
    side: int = 64,
    tolerance: float = TOLERANCE,
) -> list[Anchor]:
    """A white-spot and a black-spot picture whose outputs end nearest to 1 and to 0.

    Args:
        probe: Maps pictures to the ranges of their outputs; see `OutputProber`.
        side: Height and width of the anchors in pixels.
        tolerance: How far an output may leave [0, 1].

    Raises:
        CalibrationError: No candidate stays within the tolerance.
    """
    spots = [
        Spot(level, sigma, floor)
        for floor in (0.0, 0.25, 0.5)
        for sigma in (2.0, 3.0, 4.5, 7.0, 10.0, 14.0, 20.0)
        for level in np.linspace(0.3, 1.0, 11).tolist()
    ]
    white = [spot.draw(side) for spot in spots]
    named = [
        (f"white spot (level {s.level:.2f}, sigma {s.sigma:g}, floor {s.floor:g})", picture)
        for s, picture in zip(spots, white)
    ]
    white_anchor = _nearest(probe, named, end=1, aim=1.0, tolerance=tolerance)
    named = [("black", np.zeros((side, side, 3), np.uint8))]
    named += [
        (f"black spot (level {s.level:.2f}, sigma {s.sigma:g}, floor {1 - s.floor:g})", 255 - p)
        for s, p in zip(spots, white)
        if s.floor > 0.0
    ]
    return [white_anchor, _nearest(probe, named, end=0, aim=0.0, tolerance=tolerance)]


def _nearest(probe, named, *, end: int, aim: float, tolerance: float) -> Anchor:
    """The picture whose output stays inside of [0, 1] and ends nearest to `aim`."""
    ranges = probe([picture for _, picture in named])
    low, high = ranges.minimum.min(axis=1), ranges.maximum.max(axis=1)
    outside = np.maximum(0.0, np.maximum(-low, high - 1.0))
    # A tenth is left for float rounding, here and in the file.
    limit = 0.9 * tolerance
    if outside.min() > limit:
        raise CalibrationError(
            f"expected a spot of value {aim:g} that the network answers within [0, 1], found that "
            f"each candidate leaves it by {outside.min():.4f} or more; give a larger --tile-side, "
            "or --no-anchors in the default mode, where the input's range is known"
        )
    error = np.abs((low, high)[end] - aim)
    best = int(np.argmin(np.where(outside <= limit, error, np.inf)))
    if error[best] > tolerance:
        raise CalibrationError(
            f"expected a spot that the network answers with {aim:g}, found {error[best]:.4f} off "
            "at best; give a larger --tile-side, or --no-anchors in the default mode"
        )
    name, picture = named[best]
    return Anchor(name, picture, (float(low[best]), float(high[best])))
