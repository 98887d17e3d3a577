"""Pictures from disk as RGB arrays, whatever their file looks like."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from sr_models.ground import arguments
from sr_models.ground.arguments import takes
from sr_models.ground.errors import PictureError
from sr_models.ground.pointers import require_no_pointer

MAX_PIXELS = 120_000_000

T = TypeVar("T")
RawModes = tuple[str, ...]


def to_eight_bit_rgb(picture: Image.Image, path: Path) -> Image.Image:
    """A decoded picture of any mode as RGB; transparency is laid over white.

    Raises:
        PictureError: Floating point, or grey values beyond 16 bits.
    """
    if picture.mode.startswith("I"):
        # 16-bit grey. Code 65535 is white, hence 257 and not 256.
        codes = np.asarray(picture).astype(np.float64)
        if codes.min() < 0 or codes.max() > 65535:
            raise PictureError(
                f"expected grey values of 0..65535, found {codes.min():.0f}..{codes.max():.0f} "
                f"in {path}; convert the picture to 8 or 16 bits"
            )
        return Image.fromarray(np.rint(codes / 257).astype(np.uint8)).convert("RGB")
    if picture.mode == "F":
        raise PictureError(
            f"expected 8 or 16 bits per channel, found floating point in {path}; "
            "convert the picture to 8 bits"
        )
    if "A" in picture.getbands() or "transparency" in picture.info:
        rgba = picture.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    return picture.convert("RGB")


@takes(path=arguments.a_path, minimum_side=arguments.whole_number(1))
def load_image(path: str | Path, *, minimum_side: int = 1) -> np.ndarray:
    """Read one picture as uint8 (H, W, 3), RGB, 0..255.

    EXIF orientation is applied. Grey, palette and CMYK pictures become RGB, 16-bit grey is
    reduced to 8 bits, transparency is laid over white, and of an animation the first frame is
    taken.

    Args:
        path: The picture file.
        minimum_side: Least height and width in pixels that the caller can use.

    Raises:
        PictureError: The file is missing, unreadable, empty, damaged, no picture, larger than
            `MAX_PIXELS`, or smaller than `minimum_side`.
    """
    path = Path(path)
    rgb = decode(path, lambda _, upright: np.asarray(to_eight_bit_rgb(upright, path)))
    if min(rgb.shape[:2]) < minimum_side:
        raise PictureError(
            f"expected at least {minimum_side}x{minimum_side} pixels, found "
            f"{rgb.shape[1]}x{rgb.shape[0]} in {path}; take a larger picture"
        )
    return rgb


def decode(path: str | Path, read: Callable[[RawModes, Image.Image], T]) -> T:
    """Open a picture's first frame, turn it upright, and let `read` take what it wants of it.

    Args:
        path: The picture file.
        read: Called with how the file stores its pixels (Pillow's names of raw modes, e.g.
            `RGB;16B`) and the decoded picture, EXIF orientation applied.

    Raises:
        PictureError: As `load_image` does, but for the least side.
    """
    path = Path(path)
    require_no_pointer(path, "a picture", error=PictureError)
    try:
        with warnings.catch_warnings():
            # The size is checked below, against one limit, before a pixel is decoded; of other
            # damage Pillow warns before it raises, and one line is enough.
            warnings.simplefilter("ignore")
            with Image.open(path) as picture:
                width, height = picture.size
                if width * height > MAX_PIXELS:
                    raise PictureError(
                        f"expected at most {MAX_PIXELS / 1e6:.0f} megapixels, found "
                        f"{width}x{height} in {path}; reduce or crop the picture"
                    )
                picture.seek(0)
                stored = tuple(str(tile.args) for tile in picture.tile)
                picture.load()
                return read(stored, ImageOps.exif_transpose(picture))
    except PictureError:
        raise
    except FileNotFoundError:
        raise PictureError(f"expected a picture, found no such file: {path}") from None
    except IsADirectoryError:
        raise PictureError(f"expected a picture, found a folder: {path}") from None
    except PermissionError:
        raise PictureError(
            f"expected a readable picture, found no permission to read {path}; "
            "change its permissions"
        ) from None
    except (Image.DecompressionBombError, UnidentifiedImageError) as error:
        if isinstance(error, Image.DecompressionBombError):
            raise PictureError(
                f"expected at most {MAX_PIXELS / 1e6:.0f} megapixels, found far more in {path}; "
                "reduce or crop the picture"
            ) from None
        what = "an empty file" if path.stat().st_size == 0 else "a file of another kind"
        raise PictureError(
            f"expected a picture, found {what}: {path}; remove or replace it"
        ) from None
    except (OSError, ValueError, SyntaxError, EOFError, MemoryError) as error:
        raise PictureError(
            f"expected a whole picture, found a damaged one: {path} ({error}); remove or replace it"
        ) from None


def crop_to_multiple(picture: np.ndarray, multiple: int) -> np.ndarray:
    """Cut right and bottom so that height and width are multiples of `multiple`."""
    height, width = (size - size % multiple for size in picture.shape[:2])
    if height == 0 or width == 0:
        raise PictureError(
            f"expected at least {multiple}x{multiple} pixels, found "
            f"{picture.shape[1]}x{picture.shape[0]}; take a larger picture"
        )
    return picture[:height, :width]


def resize_bicubic(picture: np.ndarray, *, height: int, width: int) -> np.ndarray:
    """Antialiased bicubic (Pillow, a = -0.5), computed in float per channel.

    Args:
        picture: uint8 or float (H, W, 3), 0..255.
        height: Height of the result in pixels.
        width: Width of the result in pixels.

    Returns:
        uint8 (height, width, 3), rounded and saturated.
    """
    channels = [
        Image.fromarray(np.ascontiguousarray(picture[..., c], dtype=np.float32)).resize(
            (width, height), Image.Resampling.BICUBIC
        )
        for c in range(picture.shape[-1])
    ]
    resized = np.stack([np.asarray(channel) for channel in channels], axis=-1)
    return np.clip(np.rint(resized), 0, 255).astype(np.uint8)


def degrade(ground_truth: np.ndarray, scale: int) -> np.ndarray:
    """The low-resolution twin of a picture whose sides are multiples of `scale`.

    Args:
        ground_truth: uint8 (H, W, 3), RGB, 0..255.
        scale: Scale factor s.

    Returns:
        uint8 (H / s, W / s, 3).
    """
    height, width = ground_truth.shape[:2]
    if height % scale or width % scale:
        raise ValueError(f"sides {height}x{width} are no multiples of {scale}: crop first")
    return resize_bicubic(ground_truth, height=height // scale, width=width // scale)


def stretched(picture: np.ndarray) -> np.ndarray:
    """A picture whose darkest value became 0 and whose brightest 255; a flat one as it is.

    Args:
        picture: uint8 of any shape.
    """
    low, high = int(picture.min()), int(picture.max())
    if low == high:
        return picture
    return np.rint((picture.astype(np.float64) - low) * (255.0 / (high - low))).astype(np.uint8)


@dataclass(frozen=True)
class Pair:
    """A ground-truth picture and its low-resolution twin.

    Attributes:
        path: File of the picture.
        low: uint8 (H, W, 3), RGB; or of one channel, luma.
        high: uint8 (H s, W s, 3), RGB; or of one channel, luma.
    """

    path: Path
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def of(cls, path: str | Path, picture: np.ndarray, *, scale: int) -> Pair:
        """A picture, uint8 (H, W, C), cropped to a multiple of `scale`, and its degraded twin."""
        high = crop_to_multiple(picture, scale)
        return cls(Path(path), degrade(high, scale), high)

    @classmethod
    def given(cls, path: str | Path, source: str | Path, *, scale: int) -> Pair:
        """A picture and the input that another file holds; neither is cropped or degraded.

        Raises:
            PictureError: One cannot be read, or the input is not `scale` times smaller.
        """
        high, low = load_image(path), load_image(source)
        wanted = tuple(side * scale for side in low.shape[:2])
        if wanted != high.shape[:2]:
            part = {2: "a half of ", 3: "a third of "}.get(scale, f"1/{scale} of ")
            size = f"{part * (scale > 1)}the size"
            raise PictureError(
                f"expected an input of {size} of its ground truth, found "
                f"{low.shape[1]}x{low.shape[0]} in {source} for {high.shape[1]}x{high.shape[0]} in "
                f"{path}; give inputs that fit"
            )
        return cls(Path(path), low, high)

    @property
    def name(self) -> str:
        """File name of the picture."""
        return Path(self.path).name


def unit(pixels: np.ndarray) -> np.ndarray:
    """Pixels 0..255 of any shape and type as float32 0..1, what networks read."""
    return np.asarray(pixels).astype(np.float32) / np.float32(255.0)


def to_pixels(values: np.ndarray) -> np.ndarray:
    """Float 0..1 to uint8: saturated (never wrapped) and rounded to nearest."""
    return np.rint(np.clip(values, 0.0, 1.0) * 255.0).astype(np.uint8)
