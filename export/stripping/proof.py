"""Two files run on the same pictures: how far apart are their codes?"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import numpy as np

from export.running.interpreters import PROBE_HEIGHT, PROBE_WIDTH, Runner, Tensor, open_model
from export.running.pixels import EIGHT_BITS, codes_of_pixels, quantized_pixels
from sr_models.ground.errors import ModelFileError
from sr_models.ground.pixel_range import Ends

FLAT_LEVELS = (0, 1, 127, 128, 254, 255)
RANDOM_PICTURES = 4
LARGE_PIXELS, FEW_PROBES = 4 * PROBE_HEIGHT * PROBE_WIDTH, 6
"""A file that only runs at a size beyond that is run on so many of the probes."""


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

    from representative_data.pictures import BUNDLED_HELD_OUT, bundled_pictures

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
    shape, size = tensor.shape, tensor.picture_shape
    if size is not None and picture.shape[:2] == size[:2]:
        channels = [channel % 3 for channel in range(size[2])]
        pixels = np.broadcast_to(picture[None, :, :, channels], (shape[0], *size))
        pixels = np.moveaxis(pixels, 3, 1) if tensor.channels_first else pixels
    else:
        size = int(np.prod(shape, dtype=np.int64))
        pixels = np.fromiter(itertools.cycle(picture.reshape(-1)), np.uint8, size).reshape(shape)
    if tensor.dtype in EIGHT_BITS:
        return np.ascontiguousarray(codes_of_pixels(pixels, tensor))
    if tensor.dtype == "bool":
        return pixels > 127
    real = tensor.scale is None and np.dtype(tensor.dtype).kind == "f"
    ends = Ends(0.0, white) if real else None
    return np.ascontiguousarray(quantized_pixels(pixels, tensor, ends=ends))


@dataclass(frozen=True)
class Agreement:
    """How far apart two files are.

    Attributes:
        max_abs_code_difference: Greatest difference of two output codes.
        mean_abs_code_difference: Mean of them all.
        differing_fraction: Share of output codes that differ at all.
        samples: Pictures that both files ran.
        codes: Output codes compared.
        height: Input height in pixels; 0 where the input is no picture.
        width: Input width in pixels.
        same_signatures: Whether both offer the same signatures.
        left_behind: Operators that XNNPACK leaves to the interpreter, before and after.
        xnnpack_partitions: Parts that XNNPACK takes, before and after.
    """

    max_abs_code_difference: float
    mean_abs_code_difference: float
    differing_fraction: float
    samples: int
    codes: int
    height: int
    width: int
    same_signatures: bool
    left_behind: tuple[int, int]
    xnnpack_partitions: tuple[int, int]

    def to_json(self) -> dict[str, Any]:
        """The attributes."""
        return asdict(self)


def compare_outputs(
    before: bytes,
    after: bytes,
    *,
    steps: Sequence[float],
    delegate: str = "builtin",
    probes: int | None = None,
    seed: int = 0,
    levels: Sequence[Sequence[int]] | None = None,
    reread: Sequence[Sequence[float]] | None = None,
    saturate: Sequence[Sequence[float] | None] | None = None,
) -> Agreement:
    """Run two files on the same probes.

    Args:
        before: A file's content.
        after: The changed file's content; inputs and outputs must be the same, but that codes may
            be int8 where they were uint8: 128 less.
        steps: For each output, what counts as one code: 1, or the step of outputs of real numbers.
        delegate: Kernels that both run on.
        probes: Run so many of the probes only, spread over their kinds; by default all of them, and
            few of large ones.
        seed: Seed of the random probes.
        levels: Codes for the first file, and codes of the same real values for the second: probes
            are made of these alone. For files with one input.
        reread: For each output, scale and zero point of the first file and of the second: the first
            one's codes are read as real values, and written as codes of the second.
        saturate: For each output, between what the second file's values are bounded before they are
            compared, if at all.

    Raises:
        ModelFileError: One of them cannot be run, or they differ in inputs or outputs.
    """
    first, second = _open_alike(before, after, delegate=delegate)
    size = first.inputs[0].picture_shape if first.inputs else None
    height, width = size[:2] if size else (PROBE_HEIGHT, PROBE_WIDTH)
    greatest, total, differing, codes, samples = 0.0, 0.0, 0, 0, 0
    pictures = [picture for _, picture in probe_pictures(height, width, seed=seed)]
    if probes is None and height * width > LARGE_PIXELS:
        probes = FEW_PROBES
    stride = 1 if probes is None else -(-len(pictures) // probes)
    for index, picture in enumerate(pictures[::stride]):
        # Networks of real numbers work on 0..1 or on 0..255, and do not say on which.
        white = (1.0, 255.0)[index % 2]
        for place, runner in enumerate((first, second)):
            fed = [feed(picture, tensor, white=white) for tensor in runner.inputs]
            if levels is not None:
                fed = [_of_levels(fed[0], levels[place])]
            runner.set_inputs(*fed)
            runner.invoke()
        samples += 1
        for place, step in enumerate(steps):
            one, other = first.output(place), second.output(place)
            if one.shape != other.shape:
                raise ModelFileError(
                    f"expected outputs of one shape, found {one.shape} and {other.shape}; "
                    "leave the file as it is"
                )
            if reread is not None:
                one = _reread(one, *reread[place])
            if saturate is not None and saturate[place] is not None:
                other = np.clip(other, *saturate[place])
            one, other = _of_one_sign(one, other)
            apart = np.abs(one.astype(np.float64) - other.astype(np.float64)) / step
            if step != 1.0:
                apart = np.rint(apart)
            total += float(apart.sum())
            greatest = max(greatest, float(apart.max(initial=0.0)))
            differing += int(np.count_nonzero(apart))
            codes += apart.size
    delegations = [_delegation(content, first) for content in (before, after)]
    return Agreement(
        greatest,
        total / max(codes, 1),
        differing / max(codes, 1),
        samples,
        codes,
        *((height, width) if size else (0, 0)),
        same_signatures=first.signatures == second.signatures,
        left_behind=tuple(len(d.left_behind) if d else 0 for d in delegations),
        xnnpack_partitions=tuple(d.partitions if d else 0 for d in delegations),
    )


def _of_levels(codes: np.ndarray, levels: Sequence[int]) -> np.ndarray:
    shifted = codes.astype(np.int64) - np.iinfo(codes.dtype).min
    return np.asarray(levels, codes.dtype)[shifted * len(levels) // 256]


def _of_one_sign(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if (one.dtype, other.dtype) == (np.uint8, np.int8):
        return one, other.view(np.uint8) ^ np.uint8(0x80)
    return one, other


def _reread(
    codes: np.ndarray, scale: float, zero: float, new_scale: float, new_zero: float
) -> np.ndarray:
    limits = np.iinfo(codes.dtype)
    real = (codes.astype(np.float64) - zero) * scale
    return np.clip(np.rint(real / new_scale) + new_zero, limits.min, limits.max)


def _open_alike(before: bytes, after: bytes, *, delegate: str) -> tuple[Runner, Runner]:
    size = {"height": PROBE_HEIGHT, "width": PROBE_WIDTH}
    try:
        runners = tuple(open_model(c, delegate=delegate, **size) for c in (before, after))
        for runner in runners:
            # A file with sizes of its own inside (a RESHAPE) fails only when it runs.
            runner.invoke()
        return runners
    except ModelFileError:
        return tuple(open_model(content, delegate=delegate) for content in (before, after))


def _delegation(content: bytes, like: Runner):
    shape = like.inputs[0].picture_shape if like.inputs else None
    size = {"height": shape[0], "width": shape[1]} if shape else {}
    return open_model(content, **size).delegation
