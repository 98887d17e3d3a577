"""From a stranger's function to a trunk of ours: clip-free, on pixels of 0..1, proven equal."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sr_models.ground.errors import NetworkError
from sr_models.ground.metrics import luma_pixels
from sr_models.ground.sizes import MAX_SIDE
from sr_models.importing.channel_slices import with_parts_computed
from sr_models.importing.foreign_graph import ForeignGraph, ForeignNetwork
from sr_models.importing.frozen_graph import FrozenGraph, freeze
from sr_models.importing.keras_network import packed, to_keras
from sr_models.importing.operations import INPUT, Network
from sr_models.importing.output_rounding import require_no_rounding, without_aids_to_round
from sr_models.importing.pixel_ends import (
    OutputEnd,
    find_output_end,
    joins_of_input,
    with_free_grid,
    with_input_apart,
    with_pixels,
    without_clips,
)
from sr_models.importing.reading import read_network
from sr_models.importing.simplification import simplified
from sr_models.importing.source_check import Comparison, Source, SourceCheck, check_source
from sr_models.importing.source_grids import (
    counts,
    with_checked_steps,
    without_grids_of_pixels,
)
from sr_models.importing.source_kinds import PIXELS
from sr_models.networks.keras_windows import size_multiple
from sr_models.networks.pixel_range import PixelRange, find_pixel_range

_SIDES = (64, 96)
"""Of a network of free sizes; the second is divided by strides of 3."""
_PICTURES = 8
_PIXELS = 300_000
"""Of a large fixed size fewer pictures are looked at."""
_LARGEST_SCALE = 8
_OTHER_SIDES = (40, 56)
"""Another size on which a network that takes any is held against its source."""


@dataclass(frozen=True)
class Adopted:
    """A network of the user's in the form that the pipeline takes.

    Attributes:
        trunk: Keras model, (N, H, W, C) in 0..1 -> (N, H, W, C s^2), without a clip.
        scale: Scale factor s.
        channels: C: 3 for RGB, 1 for luma.
        pixels: What black and white were for the network as it was given.
        source_ranges: How many ranges of tensors, and grids of kernels, are the source's own.
        check: What came of holding it against its source.
        notes: What was found and done, one sentence each.
        clips: What the source calls the output clips that were taken out.
    """

    trunk: Any
    scale: int
    channels: int
    pixels: PixelRange
    check: SourceCheck
    source_ranges: dict[str, int]
    notes: tuple[str, ...]
    clips: tuple[str, ...] = ()


def adopt(
    function: Callable,
    shape: Sequence[int | None],
    pictures: Sequence[np.ndarray],
    *,
    name: str,
    pixels: str | None = None,
    dtype: str = "float32",
    source: Source | None = None,
) -> Adopted:
    """Read a function, find its clip and its pixels, and rebuild it.

    Args:
        function: Takes and returns one picture tensor, (N, H, W, C) -> (N, H s, W s, C); or a file
            of another runtime.
        shape: Shape of its input; `None` for sizes that are free.
        pictures: uint8 (h, w, 3) natural pictures, to tell 0..1 from other ranges.
        name: What to call the network.
        pixels: One of `PIXELS` where the user knows what black and white are.
        dtype: Type of the input.
        source: What the network is held against; the function itself by default.

    Raises:
        NetworkError: No super-resolution network, or one that cannot be rebuilt.
    """
    height, width, channels = require_picture_input(shape)
    is_foreign = isinstance(function, ForeignNetwork)
    graph, scale = _traced(function, (height, width), channels, dtype=dtype)
    fixed = tuple(graph.input.shape.as_list())
    operations = graph.network if is_foreign else read_network(graph)
    plain, rounding = without_aids_to_round(without_grids_of_pixels(operations))
    read = simplified(plain)
    end = find_output_end(read)
    count = max(1, min(_PICTURES, _PIXELS // (fixed[1] * fixed[2])))
    low = [_fitted(picture, fixed) for picture in pictures[:count]]
    white = _pixels_of(graph, low, end, pixels=pixels)
    open_end = without_clips(read, end, black=white.output_black, white=white.output)
    rescaled = with_pixels(
        open_end,
        black_in=white.input_black,
        white_in=white.input,
        black_out=white.output_black,
        white_out=white.output,
    )
    final = with_free_grid(simplified(simplified(rescaled), final=True))
    require_no_rounding(final)
    final = with_checked_steps(with_parts_computed(final))
    network = to_keras(with_input_apart(final), name=_model_name(name))
    seen, multiple = [low[0]], size_multiple(network)
    if height is None and width is None:
        seen.append(_fitted(pictures[0], (1, *_other_sides(multiple), channels)))
    check = check_source(
        Comparison(network, white, rounding), graph, source or Source(function, dtype), seen
    )
    notes = (*_notes(end, white, final, given=pixels is not None), str(check))
    if multiple > 1:
        notes = (f"it works on up to {multiple} times smaller pictures inside", *notes)
    return Adopted(
        packed(network, scale=scale),
        scale,
        channels,
        white,
        check,
        counts(final),
        notes,
        end.layers,
    )


def require_picture_input(shape: Sequence[int | None]) -> tuple[int | None, int | None, int]:
    """Height, width and channels of an input shape; raises `NetworkError` for another."""
    if len(shape) != 4 or shape[3] not in (1, 3):
        raise NetworkError(
            f"expected an input (N, H, W, C) of 3 colours or 1 luma channel, found {list(shape)}; "
            "give a super-resolution network with channels last"
        )
    if max(shape[1] or 1, shape[2] or 1) > MAX_SIDE:
        raise NetworkError(
            f"expected an input of at most {MAX_SIDE} pixels a side, found {list(shape)}; build "
            "the network for free sizes (None, None, 3)"
        )
    return shape[1], shape[2], shape[3]


def _traced(
    function: Callable, size: tuple[int | None, int | None], channels: int, *, dtype: str
) -> tuple[FrozenGraph | ForeignGraph, int]:
    """What a function is at its own size, or at one that its strides divide; and its scale."""
    refused: list[NetworkError] = []
    for side in _SIDES:
        fixed = (1, size[0] or side, size[1] or side, channels)
        try:
            if isinstance(function, ForeignNetwork):
                graph = function.at(fixed)
            else:
                graph = freeze(function, fixed, dtype=dtype)
            return graph, _require_upscaling(graph)
        except NetworkError as error:
            refused.append(error)
            if None not in size:
                break
    raise refused[0]


def _other_sides(multiple: int) -> tuple[int, int]:
    """Another size than the one that is read, of sides that the total stride divides."""
    height, width = (-(-side // multiple) * multiple for side in _OTHER_SIDES)
    return height, width + multiple * (width == height)


def _require_upscaling(graph: FrozenGraph | ForeignGraph) -> int:
    low, high = graph.input.shape.as_list(), graph.output.shape.as_list()
    if len(high) == 4 and None not in high:
        scale = high[1] // low[1]
        same = (high[1], high[2]) == (low[1] * scale, low[2] * scale) and high[3] == low[3]
        if same and 1 <= scale <= _LARGEST_SCALE:
            return scale
    raise NetworkError(
        f"expected a picture 1 to {_LARGEST_SCALE} times as large and of as many channels, found "
        f"that {low[1:]} becomes {high[1:]}; give a super-resolution network"
    )


def _fitted(picture: np.ndarray, shape: tuple[int, int, int, int]) -> np.ndarray:
    """A picture repeated and cut to the network's input size and channels, uint8."""
    _, height, width, channels = shape
    rows, columns = -(-height // picture.shape[0]), -(-width // picture.shape[1])
    cut = np.tile(picture, (rows, columns, 1))[:height, :width]
    return cut if channels == 3 else luma_pixels(cut)


def _pixels_of(
    graph: FrozenGraph | ForeignGraph,
    pictures: Sequence[np.ndarray],
    end: OutputEnd,
    *,
    pixels: str | None,
) -> PixelRange:
    if pixels is not None:
        black, white = PIXELS[pixels]
        out_black, out_white = end.range or (black, white)
        return PixelRange(white, out_white, black, out_black)
    if graph.input.dtype.is_integer:
        out_black, out_white = end.range or (0.0, 255.0)
        return PixelRange(255.0, out_white, 0.0, out_black)

    def answer(batch):
        return np.concatenate([graph(picture[None]) for picture in batch])

    return find_pixel_range(answer, pictures, signed=True, output=end.range)


def _notes(end: OutputEnd, white: PixelRange, final: Network, *, given: bool) -> tuple[str, ...]:
    notes = []
    if end.clips:
        notes.append(f"removed the output clip {', '.join(end.layers)} (to {end.text})")
    if end.activation:
        notes.append(f"the network ends in {end.activation}, which bounds its output; it is left")
    how = "as given" if given else "found by its bounds and outputs"
    notes.append(f"{white} ({how})" + ("" if white.is_unit else "; rewritten for 0..1"))
    explicit = [op.layer for op in final if op.kind == "affine"]
    if explicit:
        notes.append(
            f"{', '.join(explicit)} could not be folded into a convolution and stays as a 1x1 one"
        )
    if "picture_and_ones" in final.operations:
        notes.append(
            "the shift of the input is folded into the first convolution exactly, zero padding "
            "included, by a channel of ones"
        )
    if joined := joins_of_input(final):
        notes.append(
            f"a 1x1 convolution copies the picture for {', '.join(joined)}, so that the input's "
            "codes stay pixels"
        )
    if whole := [op.layer for op in final if op.kind == "mean"]:
        notes.append(
            f"{', '.join(whole)} takes a mean over the whole picture: run the file on whole "
            "pictures, since tiles would each have a mean of their own"
        )
    if fitted := [op.layer for op in final if op.kind == "resize"]:
        notes.append(
            f"{', '.join(fitted)} resizes to the picture's own size: run the file on whole "
            "pictures, since in tiles it would begin elsewhere"
        )
    if left := [op.layer for op in final if op.kind == "gelu"]:
        notes.append(
            f"GELU ({', '.join(left)}) is one operator of eight bits, which XNNPACK leaves to the "
            "CPU"
        )
    if cut := [op.layer for op in final if op.kind == "slice"]:
        notes.append(
            f"channels that {', '.join(dict.fromkeys(cut))} cuts out are copied by an operator "
            "that XNNPACK leaves to the CPU; parts of a multiple of 8 channels need none"
        )
    if any(found := counts(final).values()):
        tensors, kernels = found
        notes.append(
            f"ranges of {tensors} tensors and grids of {kernels} kernels are the source's own, "
            "from its quantization-aware training; no method moves them"
        )
    if final[INPUT].channels == 1:
        notes.append("one channel: the file takes and returns luma")
    return tuple(notes)


def _model_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]", "_", name).lstrip("_") or "network"
