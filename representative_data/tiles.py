"""Low-resolution calibration pictures, cut to one size so that they run in batches."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np

from representative_data.choices import require_usable
from sr_models.ground.arguments import (
    a_path,
    a_text,
    anything,
    either,
    several,
    takes,
    whole_number,
)
from sr_models.ground.errors import CalibrationError
from sr_models.ground.files import file_sha256
from sr_models.ground.metrics import full_range, luma_pixels
from sr_models.ground.picture_files import list_images
from sr_models.ground.pictures import crop_to_multiple, degrade, load_image


@dataclass(frozen=True)
class Tile:
    """A piece of a low-resolution picture.

    Attributes:
        source: File name of the picture it was cut from.
        source_sha256: SHA-256 of that file.
        top: Row of its upper edge in the low-resolution picture, in pixels.
        left: Column of its left edge, in pixels.
        pixels: uint8 (h, w, 3), RGB, 0..255; or uint8 (h, w, 1), luma.
    """

    source: str
    source_sha256: str
    top: int
    left: int
    pixels: np.ndarray


def cut_tiles(
    pictures: Sequence[tuple[str, str, np.ndarray]], *, count: int, side: int, seed: int
) -> list[Tile]:
    """Cut `count` tiles, spread evenly over the pictures, at places drawn by the seed.

    The first tile of a picture is its centre. A picture smaller than `side` is mirrored at its
    edges: all tiles must have one size, for the TFLite calibrator takes the first sample's size
    for all of them.

    Args:
        pictures: (name, SHA-256, uint8 (H, W, 3)) of low-resolution pictures.
        count: How many tiles.
        side: Height and width of a tile in pixels.
        seed: Seed of the places.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(pictures))
    tiles = []
    for index in range(count):
        name, sha256, pixels = pictures[order[index % len(pictures)]]
        beyond = [(0, max(0, side - size)) for size in pixels.shape[:2]]
        pixels = np.pad(pixels, [*beyond, (0, 0)], mode="symmetric")
        if index < len(pictures):
            top, left = (pixels.shape[0] - side) // 2, (pixels.shape[1] - side) // 2
        else:
            top = int(rng.integers(pixels.shape[0] - side + 1))
            left = int(rng.integers(pixels.shape[1] - side + 1))
        tiles.append(Tile(name, sha256, top, left, pixels[top : top + side, left : left + side]))
    return tiles


@takes(
    source=either(a_path, several(a_path, what="paths of pictures")),
    scale=whole_number(1),
    channels=whole_number(1, 3),
)
def load_tiles(
    source: str | Path | Sequence[Path],
    *,
    scale: int,
    count: int = 64,
    side: int = 96,
    seed: int = 0,
    channels: int = 3,
    both_ranges: bool = False,
    hashes: Mapping[Path, str] = MappingProxyType({}),
    inputs: Mapping[Path, Path] = MappingProxyType({}),
    on_picture: Callable[[int, int], None] = lambda done, total: None,
) -> list[Tile]:
    """Load pictures, degrade them by the scale factor and cut tiles.

    At most `count` pictures are read, drawn by the seed where there are more.

    Args:
        source: Folder of full-resolution pictures, or their paths.
        scale: Scale factor; the pictures are degraded by it. 1 takes them as they are, for
            pictures that are low-resolution inputs already.
        count: How many tiles.
        side: Height and width of a tile in low-resolution pixels.
        seed: Seed of the choice and the places.
        channels: 3 for RGB, 1 for luma.
        both_ranges: Of luma, give every second tile in the full range (0..255) and not in that of
            studios (16..235): networks are trained on either, and their weights do not tell.
        hashes: SHA-256 of the files where it is known already.
        inputs: Picture -> the file of its input, which is taken as it is.
        on_picture: Called with the number done and the total.

    Raises:
        PictureError: No pictures, or a damaged one.
        OptionError: `count`, `side` or `seed` outside of what can be used.
    """
    require_usable(count=count, side=side, seed=seed)
    paths = list_images(source) if isinstance(source, (str, Path)) else list(source)
    if len(paths) > count:
        chosen = np.random.default_rng([seed, 1]).permutation(len(paths))[:count]
        paths = [paths[i] for i in sorted(chosen)]
    pictures = []
    for done, path in enumerate(paths, start=1):
        read = inputs.get(path, path)
        times = 1 if path in inputs else scale
        high = load_image(read, minimum_side=8 * times)
        high = high if channels == 3 else luma_pixels(high)
        low = degrade(crop_to_multiple(high, times), times) if times > 1 else high
        pictures.append((read.name, hashes.get(path) or file_sha256(read), low))
        on_picture(done, len(paths))
    tiles = cut_tiles(pictures, count=count, side=side, seed=seed)
    if channels == 1 and both_ranges:
        tiles[1::2] = [replace(tile, pixels=full_range(tile.pixels)) for tile in tiles[1::2]]
    return tiles


def require_varied(pictures: Sequence[np.ndarray]) -> None:
    """Raise `CalibrationError` where no uint8 (h, w, 3) picture holds more than one colour."""
    if any((picture != picture[0, 0]).any() for picture in pictures):
        return
    if len({value for picture in pictures for value in picture[0, 0].tolist()}) == 1:
        found = f"nothing but the value {pictures[0][0, 0, 0]}"
    else:
        found = f"{len(pictures)} pictures of a single colour each"
    raise CalibrationError(f"expected pictures with content, found {found}; give photographs")


_ROUNDING = 1e-6


@takes(
    pictures=several(anything, what="pictures", least=0),
    names=several(a_text, what="names", least=0),
)
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
