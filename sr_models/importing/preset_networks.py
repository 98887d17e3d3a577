"""Presets with their shipped weights, or with others, which may have been trained on 0..255."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sr_models.network import load_trunk
from sr_models.pixel_range import find_pixel_range, with_unit_pixels
from sr_models.presets import Preset
from sr_models.tails import attach_tail


def load_unit_trunk(
    preset: Preset, *, weights: str | Path | None, pictures: Callable[[], Sequence[np.ndarray]]
) -> tuple[Any, tuple[str, ...]]:
    """A preset's trunk for pixels of 0..1, and what had to be done for that, in sentences.

    Args:
        preset: Which network.
        weights: A `.weights.h5` file; the shipped weights, which are for 0..1, by default.
        pictures: Returns uint8 (h, w, 3) natural pictures to tell by.

    Raises:
        CalibrationError: A network of another range that cannot be rewritten.
        WeightsError: See `sr_models.network.load_trunk`.
    """
    trunk = load_trunk(preset, weights=weights)
    if weights is None or not (seen := pictures()):
        return trunk, ()
    model = attach_tail(trunk, "none", scale=preset.scale)
    white = find_pixel_range(lambda batch: model(batch, training=False), seen)
    if white.is_unit:
        return trunk, ()
    return with_unit_pixels(trunk, white), (f"{white} (found by its outputs); rewritten for 0..1",)
