"""Anchor pictures: they span the input's range without letting the output leave [0, 1].

Taming darkens, so a tamed set no longer reaches white, and the input's scale shrinks with it. A
flat white picture does not help: zero padding makes a network overshoot at its border, and even
far from it one channel may end above 1. The anchors here hold one white (or black) spot on a
smooth bell that falls to a grey floor before the border; height and width of the bell and the
floor are searched until the float network answers with exactly white (or black).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from representative_data.probe import OutputProbe
from sr_models.ground.errors import AnchorError
from sr_models.ground.pixel_range import PIXEL_TOLERANCE


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

    def draw(self, side: int, channels: int = 3) -> np.ndarray:
        """uint8 (side, side, channels), grey: 255 in the middle, `floor` along the border."""
        middle = side // 2
        offset = np.arange(side) - middle
        bell = np.exp(-(offset[:, None] ** 2 + offset[None, :] ** 2) / (2.0 * self.sigma**2))
        edge = np.minimum(np.arange(side), np.arange(side)[::-1]) / max(1, side // 8)
        fade = np.clip(np.minimum(edge[:, None], edge[None, :]), 0.0, 1.0)
        grey = self.floor + (1.0 - self.floor) * self.level * bell * fade
        codes = np.rint(255.0 * grey).astype(np.uint8)
        codes[middle, middle] = 255
        return np.repeat(codes[..., None], channels, axis=-1)


FLOORS = (0.0, 0.25, 0.5)
SIGMAS = (2.0, 3.0, 4.5, 7.0, 10.0, 14.0, 20.0)
LEVELS = (0.4, 0.7, 1.0)
REFINEMENTS = ((4, (-0.21, -0.14, -0.07, 0.07, 0.14, 0.21)), (3, (-0.04, -0.02, 0.02, 0.04)))
"""How many of the best spots are looked at again, and by how much their level is moved."""
MOST_QUESTIONS = 200
"""Pictures that the network is asked about for both anchors, at most."""


@dataclass(frozen=True)
class _End:
    """The end of the output's range that an anchor shall touch.

    Attributes:
        value: 1 for white, 0 for black.
        tolerance: How far the output may end from it, or leave [0, 1].
    """

    value: int
    tolerance: float

    def draw(self, spot: Spot, side: int, channels: int) -> np.ndarray:
        picture = spot.draw(side, channels)
        return picture if self.value else 255 - picture

    def name(self, spot: Spot) -> str:
        floor = spot.floor if self.value else 1.0 - spot.floor
        colour = "white" if self.value else "black"
        return f"{colour} spot (level {spot.level:.2f}, sigma {spot.sigma:g}, floor {floor:g})"

    def errors(self, ranges: OutputProbe) -> tuple[np.ndarray, np.ndarray]:
        """Distance of each output's end from the value, and how far each leaves [0, 1]."""
        low, high = ranges.minimum.min(axis=1), ranges.maximum.max(axis=1)
        outside = np.maximum(0.0, np.maximum(-low, high - 1.0))
        return np.abs((low, high)[self.value] - self.value), outside


def find_anchors(
    probe: Callable[[Sequence[np.ndarray]], OutputProbe],
    *,
    side: int = 64,
    tolerance: float = PIXEL_TOLERANCE,
    channels: int = 3,
) -> list[Anchor]:
    """A white-spot and a black-spot picture whose outputs end nearest to 1 and to 0.

    Args:
        probe: Maps pictures to the ranges of their outputs; see `OutputProber`. It is asked about
            200 pictures at most.
        side: Height and width of the anchors in pixels.
        tolerance: How far the union of the outputs may end from [0, 1].
        channels: 3 for RGB, 1 for luma.

    Raises:
        CalibrationError: No candidate stays within the tolerance.
    """
    white = _search(probe, _End(1, tolerance), side=side, channels=channels)
    black = np.zeros((side, side, channels), np.uint8)
    answer = probe([black])
    error, outside = _End(0, tolerance).errors(answer)
    # Most networks answer black with black.
    if max(error[0], outside[0]) <= tolerance / 2:
        return [white, _anchor("black", black, answer, 0)]
    return [white, _search(probe, _End(0, tolerance), side=side, channels=channels)]


def _anchor(name: str, picture: np.ndarray, ranges: OutputProbe, index: int) -> Anchor:
    output = float(ranges.minimum[index].min()), float(ranges.maximum[index].max())
    return Anchor(name, picture, output)


def _search(probe, end: _End, *, side: int, channels: int) -> Anchor:
    """The spot whose output stays inside of [0, 1] and ends nearest to black or white.

    A coarse grid first; then the levels around the spots that came nearest from either side.
    """
    # A black spot on a white floor would be the flat white that overshoots at its border.
    floors = FLOORS if end.value else FLOORS[1:]
    fresh = [Spot(level, sigma, f) for f in floors for sigma in SIGMAS for level in LEVELS]
    tried: list[tuple[float, float, Spot, Anchor]] = []
    for best, moves in (*REFINEMENTS, (0, ())):
        pictures = [end.draw(spot, side, channels) for spot in fresh]
        ranges = probe(pictures)
        for index, (spot, error, outside) in enumerate(zip(fresh, *end.errors(ranges))):
            anchor = _anchor(end.name(spot), pictures[index], ranges, index)
            tried.append((float(error), float(outside), spot, anchor))
        # By the worse of both, since a spot beyond the end may be one step of level away from it.
        tried.sort(key=lambda entry: max(entry[:2]))
        known = {entry[2] for entry in tried}
        fresh = [
            spot
            for _, _, near, _ in tried[:best]
            for spot in (replace(near, level=round(near.level + move, 3)) for move in moves)
            if 0.0 < spot.level <= 1.0 and spot not in known
        ]
        if not fresh:
            break
    # Half to either side, for both add up in the scale, or all where the other side has no need;
    # a tenth is left for float rounding.
    for limit in (0.45 * end.tolerance, 0.9 * end.tolerance):
        inside = [entry for entry in tried if entry[1] <= limit]
        if inside:
            break
    else:
        raise AnchorError(
            f"expected a spot of value {end.value} that the network answers within [0, 1], found "
            f"that each candidate leaves it by {min(entry[1] for entry in tried):.4f} or more; "
            "give a larger --tile-side, or --no-anchors in the default mode, where the input's "
            "range is known"
        )
    error, _, _, anchor = min(inside, key=lambda entry: entry[0])
    if error > end.tolerance:
        raise AnchorError(
            f"expected a spot that the network answers with {end.value}, found {error:.4f} off "
            "at best; give a larger --tile-side, or --no-anchors in the default mode"
        )
    return anchor
