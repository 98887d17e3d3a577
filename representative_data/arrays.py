"""Calibration pictures from memory: arrays after a user's own preprocessing."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from representative_data.tiles import Tile, cut_tiles, require_usable
from sr_models.errors import CalibrationError

_ROUNDING = 1e-6


def tiles_from_arrays(
    pictures: Sequence[np.ndarray],
    *,
    names: Sequence[str] = (),
    count: int = 64,
    side: int = 96,
    seed: int = 0,
) -> list[Tile]:
    """Cut tiles from low-resolution pictures, as `load_tiles` does from files.

    Args:
        pictures: (h, w, 3), RGB, of any sizes: uint8 0..255, or floating point 0..1, which is
            rounded to eight bits as the exported file's input is.
        names: What messages and records call them; their places by default.
        count: How many tiles.
        side: Height and width of a tile in pixels.
        seed: Seed of the places.

    Raises:
        CalibrationError: No pictures, one with NaN or infinity, of another shape, type or range.
        OptionError: `count`, `side` or `seed` outside of what can be used.
    """
    require_usable(count=count, side=side, seed=seed)
    if len(pictures) == 0:
        raise CalibrationError("expected calibration pictures, found none; give at least one")
    named = list(names) or [f"picture {index}" for index in range(len(pictures))]
    if len(named) != len(pictures):
        raise CalibrationError(
            f"expected a name for each of {len(pictures)} pictures, found {len(named)}; "
            "leave names out, or give all"
        )
    eight_bit = [_eight_bits(np.asarray(p), name) for p, name in zip(pictures, named)]
    cut = [
        (name, hashlib.sha256(pixels.tobytes()).hexdigest(), pixels)
        for name, pixels in zip(named, eight_bit)
    ]
    return cut_tiles(cut, count=count, side=side, seed=seed)


def _eight_bits(picture: np.ndarray, name: str) -> np.ndarray:
    if picture.ndim != 3 or picture.shape[2] != 3 or 0 in picture.shape:
        raise CalibrationError(
            f"expected pictures of shape (height, width, 3), found {picture.shape} in {name}; "
            "give RGB pictures one by one, without a batch axis"
        )
    if picture.dtype == np.uint8:
        return picture
    if picture.dtype.kind != "f":
        raise CalibrationError(
            f"expected uint8 or floating point, found {picture.dtype} in {name}; "
            "convert it to uint8"
        )
    wrong = int((~np.isfinite(picture)).sum())
    if wrong:
        raise CalibrationError(
            f"expected finite values, found NaN or infinity in {wrong} of {picture.size} values "
            f"of {name}; check the preprocessing"
        )
    low, high = float(picture.min()), float(picture.max())
    if low < -_ROUNDING or high > 1.0 + _ROUNDING:
        cure = "divide by 255" if low >= 0.0 and 1.5 < high <= 255.0 else "undo the normalization"
        raise CalibrationError(
            f"expected floating point pixels of 0..1, found {low:.4g}..{high:.4g} in {name}; {cure}"
        )
    return np.rint(np.clip(picture, 0.0, 1.0) * 255.0).astype(np.uint8)
