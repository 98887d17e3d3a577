"""The network that a command names, opened: a preset, or a network of the user's from any file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from representative_data.tiles import load_tiles
from sr_models.ground.bundled import BUNDLED_HELD_OUT, bundled_pictures
from sr_models.ground.console import say
from sr_models.ground.picture_files import list_images

if TYPE_CHECKING:
    from sr_models.importing.sources import SourceNetwork

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


_PIECES = 8


def natural_pieces(paths: Sequence[Path], *, scale: int = 2) -> list[np.ndarray]:
    """A few pieces of pictures, uint8 (96, 96, 3), to see what a network makes of them.

    Args:
        paths: Of full-resolution pictures.
        scale: What they are degraded by; 1 takes them as they are.
    """
    return [tile.pixels for tile in load_tiles(paths[:_PIECES], scale=scale, count=_PIECES)]


def open_network(
    name: str,
    *,
    images: Path | None,
    low_resolution: bool = False,
    weights: Path | None = None,
    pixels: str | None = None,
    trust: bool = False,
) -> SourceNetwork:
    """Open a network and tell the user what was found and done.

    Args:
        name: A preset's name, a Keras file, a SavedModel folder or `module:function`.
        images: Folder of pictures that black and white are found by; scikit-image's by default.
        low_resolution: Whether they are inputs already.
        weights: A preset's weights from another file, rewritten for 0..1 where they are not.
        pixels: What black and white are for a network of the user's; found by default.
        trust: Whether code of a Keras file may run.

    Raises:
        SrError: See `sr_models.open_network`.
    """

    def pictures() -> list[np.ndarray]:
        paths = bundled_pictures() if images is None else list_images(images)
        return natural_pieces(paths, scale=1 if low_resolution else 2)

    # Here, since a child process that only needs pictures has no memory for TensorFlow.
    from sr_models.importing import sources

    network = sources.open_network(
        name, weights=weights, trust=trust, pixels=pixels, pictures=pictures
    )
    for note in network.notes:
        say(f"{network.name}: {note}")
    return network
