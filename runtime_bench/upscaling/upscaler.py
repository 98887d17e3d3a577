"""A file that upscales pictures of any size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from export.inspecting.audit import audit_model
from export.running.interpreters import Runner
from export.running.pixel_range import find_pixels
from export.running.pixels import (
    codes_of_pixels,
    dequantized_pixels,
    find_scale,
    pixels_of_codes,
    quantized_pixels,
    run_picture,
)
from export.tflite.windows import looks_everywhere, read_receptive_field, size_multiple
from runtime_bench.upscaling.tiling import Span, aligned, margin_of, spans
from sr_models.ground.errors import ModelFileError, OptionError
from sr_models.ground.pixel_range import PixelRange
from sr_models.networks.receptive_field import ReceptiveField

# Smaller tiles spend much of their work on pixels that are not kept, larger ones take memory.
_SIDE, _LEAST_MARGINS = 256, 8

Paste = Callable[[int, int, np.ndarray], None]
"""Called with the output row and column that a block of uint8 (h, w, 3) belongs at."""


@dataclass(frozen=True)
class TilePlan:
    """How one picture is cut.

    Attributes:
        tile: Height and width that the file runs at.
        rows: Tiles from top to bottom.
        columns: Tiles from left to right.
        padded: Whether the picture is mirrored at its lower and right border to fill the tile, so
            that pixels there differ from those of a file of the picture's own size.
    """

    tile: tuple[int, int]
    rows: tuple[Span, ...]
    columns: tuple[Span, ...]
    padded: bool

    @property
    def tiles(self) -> int:
        """Number of tiles."""
        return len(self.rows) * len(self.columns)


class Upscaler:
    """Upscales pictures of any size with one file, in tiles where they are larger than its input.

    Attributes:
        runner: The opened file.
        scale: Scale factor.
        pixels: What black and white are for the file, and how that was found.
        raw: Whether codes are pixels (the pixel contract); scale and zero point count otherwise.
    """

    def __init__(
        self,
        runner: Runner,
        *,
        tile: tuple[int, int] | None = None,
        pixels: PixelRange | None = None,
    ):
        """Take over a runner.

        Args:
            runner: An opened super-resolution file.
            tile: Height and width of tiles for pictures that are larger; by default 256 pixels,
                or more for a network that looks far, where the picture is larger than the file's
                own input.
            pixels: What black and white are for the file; found by default.
        """
        self.runner, self.scale = runner, find_scale(runner)
        self.pixels = find_pixels(runner.model, given=pixels)
        self.raw = audit_model(runner.model, pixels=self.pixels.range).pixel_contract.holds
        self.own = runner.inputs[0].picture_shape[:2]
        self.asked = tile
        self._field: ReceptiveField | None = None

    @property
    def field(self) -> ReceptiveField:
        """How far the file looks; read when first asked for, since whole pictures need it not.

        Raises:
            ModelFileError: It looks everywhere.
        """
        if self._field is None:
            self._field = read_receptive_field(self.runner.model)
        return self._field

    def plan(self, height: int, width: int) -> TilePlan:
        """How a picture is cut, and the file made ready for it.

        A file that looks everywhere is run on the whole picture, unless tiles are asked for.

        Raises:
            ModelFileError: The picture needs tiles, and the file looks everywhere, or cannot be
                run at a size that it could be cut to.
            OptionError: The tiles asked for are too small.
        """
        limits = self.asked or self.own
        if height <= limits[0] and width <= limits[1]:
            return self._whole(height, width)
        try:
            field = self.field
        except ModelFileError:
            if self.asked is not None:
                raise
            return self._at_once(height, width)
        margin = margin_of(field)
        if self.asked is None:
            limits = (max(_SIDE, _LEAST_MARGINS * margin),) * 2
        size = [aligned(length, field.alignment) for length in (height, width)]
        tile = [min(aligned(limit, field.alignment), length) for limit, length in zip(limits, size)]
        try:
            self._resize(*tile)
        except ModelFileError:
            if self.asked is not None:
                raise
            # A file that cannot be resized is run at its own size.
            self._resize(*self.own)
            tile = list(self.own)
            if any(side % field.alignment for side in tile):
                raise
        rows, columns = (
            tuple(spans(length, tile=side, margin=margin)) for length, side in zip(size, tile)
        )
        covered = [max(length, side) for length, side in zip(size, tile)]
        return TilePlan((tile[0], tile[1]), rows, columns, padded=covered != [height, width])

    def _at_once(self, height: int, width: int) -> TilePlan:
        """The picture as one tile of its own size."""
        self._resize(height, width)
        rows, columns = (Span(0, 0, height),), (Span(0, 0, width),)
        return TilePlan((height, width), rows, columns, padded=False)

    def _whole(self, height: int, width: int) -> TilePlan:
        multiple = size_multiple(self.runner.model)
        tile = (aligned(height, multiple), aligned(width, multiple))
        try:
            self._resize(*tile)
        except (ModelFileError, OptionError):
            if self.own != (height, width) and looks_everywhere(self.runner.model):
                _ = self.field  # What fills the tile would change the whole picture.
            self._resize(*self.own)
            tile = self.own
        if tile[0] < height or tile[1] < width:
            raise ModelFileError(
                f"expected a file that runs at {height}x{width} pixels, found that "
                f"{self.runner.model.name} runs at {tile[0]}x{tile[1]} alone; leave --tile"
            )
        return TilePlan(
            tile, (Span(0, 0, height),), (Span(0, 0, width),), padded=tile != (height, width)
        )

    def _resize(self, height: int, width: int) -> None:
        if self.runner.inputs[0].picture_shape[:2] != (height, width):
            self.runner.resize(height, width)
        found = find_scale(self.runner)
        if found != self.scale:
            raise ModelFileError(
                f"expected x{self.scale} at {height}x{width} pixels, found x{found} by "
                f"{self.runner.model.name}; export the file at this size"
            )

    def upscale(
        self,
        picture: np.ndarray,
        paste: Paste,
        *,
        on_tile: Callable[[int, int], None] = lambda done, total: None,
    ) -> TilePlan:
        """Upscale a picture tile by tile; holds no more than one tile of output.

        Args:
            picture: uint8 (H, W, 3), RGB.
            paste: Takes each block; together they cover the output once.
            on_tile: Called with the number of tiles done and the total.

        Returns:
            How the picture was cut.
        """
        height, width = picture.shape[:2]
        plan = self.plan(height, width)
        done = 0
        for row in plan.rows:
            for column in plan.columns:
                block = self._tile(picture, row.start, column.start)
                top, left, s = row.start, column.start, self.scale
                bottom, right = min(row.stop, height), min(column.stop, width)
                if bottom > row.first and right > column.first:
                    paste(
                        row.first * s,
                        column.first * s,
                        block[
                            (row.first - top) * s : (bottom - top) * s,
                            (column.first - left) * s : (right - left) * s,
                        ],
                    )
                done += 1
                on_tile(done, plan.tiles)
        return plan

    def whole(self, picture: np.ndarray) -> np.ndarray:
        """The same as one array: uint8 (H s, W s, 3)."""
        height, width = (side * self.scale for side in picture.shape[:2])
        output = np.empty((height, width, 3), np.uint8)

        def paste(top: int, left: int, block: np.ndarray) -> None:
            output[top : top + block.shape[0], left : left + block.shape[1]] = block

        self.upscale(picture, paste)
        return output

    def _tile(self, picture: np.ndarray, top: int, left: int) -> np.ndarray:
        source, target = self.runner.inputs[0], self.runner.outputs[0]
        height, width, _ = source.picture_shape
        cut = picture[top : top + height, left : left + width]
        missing = height - cut.shape[0], width - cut.shape[1]
        if any(missing):
            cut = np.pad(cut, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="symmetric")
        if self.raw:
            return pixels_of_codes(run_picture(self.runner, codes_of_pixels(cut, source)), target)
        ends = self.pixels.range
        output = run_picture(self.runner, quantized_pixels(cut, source, ends=ends.input_ends))
        return dequantized_pixels(output, target, ends=ends.output_ends)[0]
