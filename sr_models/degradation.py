"""From ground truth to low-resolution input: antialiased bicubic, rounded to eight bits."""

from __future__ import annotations

import numpy as np
from PIL import Image

from sr_models.errors import PictureError


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
