"""What int8 loses against the float network on pictures that were held out.

Ground truth is any picture at full size: reduced, it is an input, and as it is, the answer. So the
real drop is known without a benchmark, on pictures that neither calibration nor methods have seen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sr_models.degradation import crop_to_multiple, degrade
from sr_models.images import load_image
from sr_models.metrics import cut_border, luma, luma_pixels, psnr_db

MAX_SIDE = 768
"""Larger pictures are cut to their middle, which is enough to tell."""

Upscale = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class HeldOutDrop:
    """PSNR of the float network less that of the int8 network, means over pictures.

    Attributes:
        pictures: Number of pictures.
        psnr_rgb_drop_db: Over all three channels, in dB; `None` for a network of luma.
        psnr_y_drop_db: On luma, in dB.
    """

    pictures: int
    psnr_rgb_drop_db: float | None
    psnr_y_drop_db: float

    @property
    def worst_db(self) -> float:
        """The greater of the two."""
        return max(d for d in (self.psnr_rgb_drop_db, self.psnr_y_drop_db) if d is not None)

    def to_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return asdict(self)


class DropMeter:
    """Knows what the float network reaches, and holds others against it."""

    def __init__(self, reference: Upscale, paths: Sequence[Path], *, scale: int, channels: int = 3):
        self.scale, self.channels = scale, channels
        self.pairs = [_pair(path, scale=scale, channels=channels) for path in paths]
        self.expected = [self._quality(reference(low), high) for low, high in self.pairs]

    def _quality(self, found: np.ndarray, high: np.ndarray) -> tuple[float, ...]:
        found, high = cut_border(found, self.scale), cut_border(high, self.scale)
        if self.channels == 1:
            return (psnr_db(found, high),)
        return psnr_db(found, high), psnr_db(luma(found), luma(high))

    def __call__(self, upscale: Upscale) -> HeldOutDrop:
        """Measure a function from uint8 (h, w, C) to uint8 (h s, w s, C)."""
        found = [self._quality(upscale(low), high) for low, high in self.pairs]
        *rgb, y = (np.array(self.expected) - np.array(found)).mean(axis=0).tolist()
        return HeldOutDrop(len(self.pairs), rgb[0] if rgb else None, y)


def _pair(path: Path, *, scale: int, channels: int) -> tuple[np.ndarray, np.ndarray]:
    high = load_image(path, minimum_side=8 * scale)
    high = high if channels == 3 else luma_pixels(high)
    top, left = (max(0, (size - MAX_SIDE) // 2) for size in high.shape[:2])
    high = crop_to_multiple(high[top : top + MAX_SIDE, left : left + MAX_SIDE], scale)
    return degrade(high, scale), high
