"""Pictures to compare two files on: random, flat, gradient and natural ones."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import cache

import numpy as np

from export.pixels import EIGHT_BITS, codes_of_pixels, quantized_pixels
from export.running.tensors import Tensor

FLAT_LEVELS = (0, 1, 127, 128, 254, 255)
RANDOM_PICTURES = 4


def probe_pictures(height: int, width: int, *, seed: int = 0) -> Iterator[tuple[str, np.ndarray]]:
    """Kind and uint8 (H, W, 3) of each probe: 23 of them.

    Random pixels; flat pictures of the ends and the middle; gradients along each axis and the
    diagonal, either way up; boards of black and white, where networks overshoot most; crops of
    scikit-image's photographs.
    """
    rng = np.random.default_rng(seed)
    for _ in range(RANDOM_PICTURES):
        yield "random", rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    for level in FLAT_LEVELS:
        yield "flat", np.full((height, width, 3), level, np.uint8)
    rows, columns = np.mgrid[0:height, 0:width]
    ramps = [rows / max(height - 1, 1), columns / max(width - 1, 1)]
    for ramp in (*ramps, (ramps[0] + ramps[1]) / 2):
        picture = np.repeat((np.rint(ramp * 255).astype(np.uint8))[..., None], 3, axis=2)
        yield "gradient", picture
        yield "gradient", 255 - picture
    for side in (1, 4):
        board = ((rows // side + columns // side) % 2 * 255).astype(np.uint8)
        yield "board", np.stack([board, 255 - board, board], axis=2)
    yield from (("natural", crop) for crop in _natural(height, width))


def _natural(height: int, width: int) -> Iterator[np.ndarray]:
    from PIL import Image

    for picture in _photographs():
        # Tiled, so that any size has a crop.
        repeats = (-(-height // picture.shape[0]), -(-width // picture.shape[1]), 1)
        yield np.tile(picture, repeats)[:height, :width]
    whole = np.asarray(Image.fromarray(picture).resize((width, height)))
    yield whole
    yield np.ascontiguousarray(whole[::-1, ::-1])


@cache
def _photographs() -> list[np.ndarray]:
    from PIL import Image

    from representative_data.sources import BUNDLED_HELD_OUT, bundled_pictures

    paths = bundled_pictures(BUNDLED_HELD_OUT)
    return [np.asarray(Image.open(path).convert("RGB")) for path in paths]


def feed(picture: np.ndarray, tensor: Tensor, *, white: float) -> np.ndarray:
    """A probe as the content of an input tensor, whatever its shape and type.

    Args:
        picture: uint8 (H, W, 3).
        tensor: The input. Channels beyond three repeat; a shape that is none of a picture is
            filled with the same pixels in order.
        white: Real value of white for inputs of real numbers.
    """
    shape = tensor.shape
    if len(shape) == 4 and picture.shape[:2] == shape[1:3]:
        channels = [channel % 3 for channel in range(shape[3])]
        pixels = np.broadcast_to(picture[None, :, :, channels], shape)
    else:
        size = int(np.prod(shape, dtype=np.int64))
        pixels = np.fromiter(itertools.cycle(picture.reshape(-1)), np.uint8, size).reshape(shape)
    if tensor.dtype in EIGHT_BITS:
        return np.ascontiguousarray(codes_of_pixels(pixels, tensor))
    if tensor.dtype == "bool":
        return pixels > 127
    known = white if tensor.scale is None and np.dtype(tensor.dtype).kind == "f" else None
    return np.ascontiguousarray(quantized_pixels(pixels, tensor, white=known))
