"""Pictures of calibration: those that a network is opened and shaped with, and those held out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from representative_data.tiles import Tile, load_tiles
from sr_models.ground.bundled import BUNDLED_HELD_OUT, bundled_pictures
from sr_models.ground.console import say
from sr_models.ground.picture_files import inputs_of, list_images
from sr_models.importing.source_options import NOTHING_SAID, SourceOptions

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


HELD_OUT_SHARE = 5


def split_pictures(images: str | Path | None) -> tuple[list[Path], list[Path]]:
    """Pictures for calibration, and pictures held out for measuring fidelity.

    Of a folder every fifth picture is held out, of a single one none. Without a folder
    scikit-image's own pictures are taken.
    """
    if images is None:
        return bundled_pictures(), bundled_pictures(BUNDLED_HELD_OUT)
    paths = list_images(images)
    if len(paths) == 1:
        return paths, []
    held_out = paths[:: max(2, min(HELD_OUT_SHARE, len(paths)))]
    return [path for path in paths if path not in set(held_out)], held_out


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
        inputs: Picture -> the file of its input, which is taken as it is.
        apart: Pictures with inputs that are held out.
    """

    network: SourceNetwork
    model: Any
    images: str | Path | Sequence[Path]
    low_resolution: bool = False
    inputs: Mapping[Path, Path] = field(default_factory=dict)
    apart: Sequence[Path] = ()

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
            inputs=self.inputs,
            on_picture=on_picture,
        )

    def held_out(self, *, side: int) -> tuple[list[np.ndarray], str]:
        """Inputs to judge by, uint8 (side, side, C), and what they are, for a protocol.

        Degraded pictures of the user's where there are some apart, else scikit-image's.
        """
        scale, channels = self.network.scale, self.network.channels
        if not self.apart:
            return held_out_tiles(scale=scale, side=side, channels=channels), HELD_OUT
        given = {"scale": scale, "channels": channels, "inputs": self.inputs}
        tiles = load_tiles(self.apart, count=TILES, side=side, **given)
        held = f"{TILES} tiles of {len(self.apart)} inputs held out"
        return [tile.pixels for tile in tiles], held


def open_subject(
    name: str,
    *,
    images: str | Path | None = None,
    inputs: str | Path | None = None,
    tail: str = "relu",
    low_resolution: bool = False,
    hold_out: bool = False,
    options: SourceOptions = NOTHING_SAID,
) -> Subject:
    """Open what a command names, give it a tail, and tell the user what was found and done.

    Args:
        name: A preset's name, a file, a SavedModel folder or `module:function`.
        images: Folder of pictures, by which black and white are found too; scikit-image's by
            default.
        inputs: Folder of what the network is given in their place, by their names.
        tail: See `sr_models.networks.tails`.
        low_resolution: Whether they are inputs already.
        hold_out: Whether some of the pictures that have inputs are left to judge by.
        options: What the user says of the network; a preset's weights from another file are
            rewritten for 0..1 where they are not.

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
        pictures=pictures,
        **options.keywords,
    )
    for note in network.notes:
        say(f"{network.name}: {note}")
    model = attach_tail(network.trunk, tail, scale=network.scale)
    given = inputs_of(images, inputs, option="--images")
    pictured, apart = (bundled_pictures() if images is None else images), []
    if given and hold_out:
        pictured, apart = split_pictures(images)
    return Subject(network, model, pictured, low_resolution, given, apart)
