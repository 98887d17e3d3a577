"""Pictures of calibration: those that a network is opened and shaped with, and those held out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from representative_data.tiles import Tile, load_tiles
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


@dataclass(frozen=True)
class Subject:
    """A network to calibrate, and the pictures that do it.

    Attributes:
        network: The network.
        model: The same with a tail, float32 (N, H, W, C) in 0..1 -> (N, H s, W s, C).
        images: Folder of pictures, or their paths.
        low_resolution: Whether they are inputs already.
    """

    network: SourceNetwork
    model: Any
    images: str | Path | Sequence[Path]
    low_resolution: bool = False

    def tiles(
        self,
        *,
        count: int,
        side: int = 96,
        seed: int = 0,
        on_picture: Callable[[int, int], None] = lambda done, total: None,
    ) -> list[Tile]:
        """Tiles as `load_tiles` cuts them, as large and of as many channels as inputs are."""
        return load_tiles(
            self.images,
            scale=1 if self.low_resolution else self.network.scale,
            count=count,
            side=side,
            seed=seed,
            channels=self.network.channels,
            both_ranges=True,
            on_picture=on_picture,
        )


def open_subject(
    name: str,
    *,
    images: Path | None = None,
    tail: str = "relu",
    low_resolution: bool = False,
    weights: Path | None = None,
    pixels: str | None = None,
    trust: bool = False,
    dequantize: bool = False,
) -> Subject:
    """Open what a command names, give it a tail, and tell the user what was found and done.

    Args:
        name: A preset's name, a file, a SavedModel folder or `module:function`.
        images: Folder of pictures, by which black and white are found too; scikit-image's by
            default.
        tail: See `sr_models.networks.tails`.
        low_resolution: Whether they are inputs already.
        weights: A preset's weights from another file, rewritten for 0..1 where they are not.
        pixels: What black and white are for a network of the user's; found by default.
        trust: Whether code of a Keras file may run.
        dequantize: Whether a TFLite file of integers is taken back to real numbers.

    Raises:
        SrError: See `sr_models.open_network`.
    """

    def pictures() -> list[np.ndarray]:
        paths = bundled_pictures() if images is None else list_images(images)
        return natural_pieces(paths, scale=1 if low_resolution else 2)

    # Here, since a child process that only needs pictures has no memory for TensorFlow.
    from sr_models.importing.sources import open_network
    from sr_models.networks.tails import attach_tail

    network = open_network(
        name,
        weights=weights,
        trust=trust,
        dequantize=dequantize,
        pixels=pixels,
        pictures=pictures,
    )
    for note in network.notes:
        say(f"{network.name}: {note}")
    model = attach_tail(network.trunk, tail, scale=network.scale)
    return Subject(network, model, bundled_pictures() if images is None else images, low_resolution)
