"""Photographs in and out of files, with what belongs to them: transparency, colour profile."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from runtime_bench.upscaling.targets import FORMATS, require_format
from sr_models.ground.errors import OptionError, OutputError, PictureError
from sr_models.ground.files import writing_file
from sr_models.ground.pictures import decode, to_eight_bit_rgb

# What a side may have at most: JPEG's marker SOF has 16 bits, libjpeg stops at 65500; WebP 14 bits.
_MOST_PIXELS = {"JPEG": 65500, "WEBP": 16383}
# libwebp holds the whole picture twice more, which the promise of 1 GiB has no room for.
_MOST_MEGAPIXELS = {"WEBP": 64}
_SIXTEEN_BITS = re.compile(r"\b(?!BGR)[A-Za-z]+;16[BLNS]*\b")


@dataclass(frozen=True)
class Photograph:
    """A decoded photograph, upright.

    Attributes:
        pixels: uint8 (H, W, 3), RGB; under transparency, what the file has there.
        alpha: uint8 (H, W), 255 where opaque; `None` where the file has no transparency.
        icc_profile: Its colour profile for RGB, as it stands in the file.
        notices: What was left behind or changed, in words.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None
    icc_profile: bytes | None
    notices: tuple[str, ...]


def read_photograph(path: str | Path) -> Photograph:
    """Read a photograph.

    Raises:
        PictureError: See `sr_models.ground.pictures.load_image`.
    """
    path = Path(path)

    def read(stored: tuple[str, ...], upright: Image.Image) -> Photograph:
        notices = []
        if any(_SIXTEEN_BITS.search(mode) for mode in stored) or upright.mode.startswith("I;16"):
            notices.append("16 bits per channel are reduced to 8")
        if getattr(upright, "is_animated", False) or upright.info.get("duration"):
            notices.append("of an animation the first frame is taken")
        alpha = None
        # Not by the names of bands: LAB has an A that is no alpha.
        if upright.has_transparency_data and upright.mode[0] not in "FI":
            rgba = np.asarray(upright.convert("RGBA"))
            pixels, alpha = np.ascontiguousarray(rgba[..., :3]), rgba[..., 3].copy()
        else:
            pixels = np.asarray(to_eight_bit_rgb(upright, path))
        profile = upright.info.get("icc_profile")
        # Bytes 16 to 20 of a profile name the colours that it is for, bytes 36 to 40 mark it as
        # one (ICC.1, table 17).
        if profile and profile[16:20] != b"RGB ":
            colours = profile[16:20].decode("ascii", "replace").strip()
            notices.append(
                f"its profile is for {colours} and is left out of an RGB picture"
                if profile[36:40] == b"acsp"
                else "its profile cannot be read and is left out"
            )
            profile = None
        return Photograph(pixels, alpha, profile or None, tuple(notices))

    return decode(path, read)


class Canvas:
    """An enlarged photograph in the making: blocks are pasted into it, then it is written once.

    It lies in Pillow's memory, four bytes a pixel, and no second copy is made.
    """

    def __init__(self, photograph: Photograph, *, scale: int, path: str | Path):
        """Make room.

        Args:
            photograph: What is enlarged.
            scale: Scale factor.
            path: Where it will be written, with a suffix of `FORMATS`.

        Raises:
            OptionError: The format cannot hold it.
            PictureError: It does not fit into memory.
        """
        self.path, self.photograph, self.scale = Path(path), photograph, scale
        self.size = (photograph.pixels.shape[1] * scale, photograph.pixels.shape[0] * scale)
        self.format = require_format(path)
        most = _MOST_PIXELS.get(self.format)
        if most is not None and max(self.size) > most:
            raise OptionError(
                f"expected at most {most} pixels a side in {self.format}, found "
                f"{self.size[0]}x{self.size[1]} for {self.path}; write a .png"
            )
        megapixels = _MOST_MEGAPIXELS.get(self.format)
        if megapixels is not None and self.size[0] * self.size[1] > megapixels * 1_000_000:
            raise OptionError(
                f"expected at most {megapixels} megapixels in {self.format}, which takes too much "
                f"memory for more, found {self.size[0]}x{self.size[1]} for {self.path}; "
                "write a .png"
            )
        if photograph.alpha is not None and self.format == "JPEG":
            raise OptionError(
                f"expected an output that holds transparency, found JPEG for {self.path}; "
                "write a .png"
            )
        alpha = photograph.alpha
        self._alpha = None if alpha is None else Image.fromarray(alpha)
        try:
            self.image = Image.new("RGB" if alpha is None else "RGBA", self.size)
        except (MemoryError, ValueError) as error:
            raise PictureError(
                f"expected memory for {self.size[0]}x{self.size[1]} pixels, found too little; "
                "crop the picture"
            ) from error

    def paste(self, top: int, left: int, block: np.ndarray) -> None:
        """Put a block of uint8 (h, w, 3) at a row and column of the output."""
        part = Image.fromarray(np.ascontiguousarray(block))
        if self._alpha is not None:
            bottom, right = top + part.height, left + part.width
            box = tuple(side / self.scale for side in (left, top, right, bottom))
            # Bilinear does not overshoot, and Pillow looks beyond the box: blocks fit together.
            part.putalpha(self._alpha.resize(part.size, Image.Resampling.BILINEAR, box=box))
        self.image.paste(part, (left, top))

    def write(self) -> None:
        """Write the file, whole or not at all.

        Raises:
            OutputError: It cannot be written.
        """
        options = dict(FORMATS[self.path.suffix.lower()][1])
        if self.photograph.icc_profile is not None:
            options["icc_profile"] = self.photograph.icc_profile
        with writing_file(self.path) as beside:
            try:
                self.image.save(beside, self.format, **options)
            except ValueError as error:
                raise OutputError(
                    f"expected to write {self.path}, found: {error}; write a .png"
                ) from error
