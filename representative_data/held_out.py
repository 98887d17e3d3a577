"""Tiles of scenes that nothing is calibrated on, for judging what a calibration does."""

from __future__ import annotations

import numpy as np

from representative_data.sources import BUNDLED_HELD_OUT, bundled_pictures
from representative_data.tiles import load_tiles

TILES = 16
HELD_OUT = f"{TILES} tiles of {', '.join(BUNDLED_HELD_OUT)}"
"""What they are, for a protocol."""


def held_out_tiles(*, scale: int, side: int, channels: int = 3) -> list[np.ndarray]:
    """Low-resolution tiles, uint8 (side, side, channels), of scikit-image's held-out pictures.

    Args:
        scale: What full-resolution pictures are degraded by.
        side: Height and width of a tile in low-resolution pixels.
        channels: 3 for RGB, 1 for luma.
    """
    tiles = load_tiles(
        bundled_pictures(BUNDLED_HELD_OUT), scale=scale, count=TILES, side=side, channels=channels
    )
    return [tile.pixels for tile in tiles]
