"""Photographs that are always there: scikit-image's own, from its wheel."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sr_models.ground.errors import PictureError
from sr_models.ground.pictures import crop_to_multiple, degrade, load_image

BUNDLED = (
    "brick.png",
    "camera.png",
    "coins.png",
    "grass.png",
    "gravel.png",
    "hubble_deep_field.jpg",
    "ihc.png",
    "motorcycle_left.png",
    "page.png",
    "retina.jpg",
    "rocket.jpg",
    "text.png",
)
BUNDLED_HELD_OUT = ("astronaut.png", "chelsea.png", "coffee.png")


def bundled_pictures(names: tuple[str, ...] = BUNDLED) -> list[Path]:
    """Paths of pictures in scikit-image's wheel; nothing is downloaded.

    `BUNDLED` is for calibration; `BUNDLED_HELD_OUT` shows other scenes and is kept for measuring.

    Raises:
        PictureError: The installed scikit-image lacks one of them.
    """
    import skimage.data

    folder = Path(skimage.data.__file__).parent
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise PictureError(
            f"expected {', '.join(missing)} in scikit-image's data folder {folder}, found none; "
            "give your own pictures with --images"
        )
    return [folder / name for name in names]


_PIECES, _SIDE = 8, 72


def bundled_pieces() -> list[np.ndarray]:
    """The middles of a few pictures at half their size, uint8 (72, 72, 3).

    They show what a network makes of photographs where a user gave none.
    """
    pieces = []
    for path in bundled_pictures()[:_PIECES]:
        low = degrade(crop_to_multiple(load_image(path), 2), 2)
        top, left = (low.shape[0] - _SIDE) // 2, (low.shape[1] - _SIDE) // 2
        pieces.append(low[top : top + _SIDE, left : left + _SIDE])
    return pieces
