"""The exported file against the float network, on pictures that calibration has not seen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from export.pixels import upscale
from export.running.interpreters import Runner
from sr_models.graph import with_split_groups
from sr_models.metrics import to_pixels


@dataclass(frozen=True)
class Fidelity:
    """How near a file's pixels are to the float network's saturated pixels.

    Attributes:
        pictures: Number of pictures compared.
        psnr_db: PSNR of the raw codes against the float pixels, all pictures pooled, in dB.
        dequantized_psnr_db: The same through scale and zero point.
        max_abs_code_difference: Greatest difference of a pixel, in codes (raw).
        differing_fraction: Share of the pixels that differ (raw).
        saturated_fraction: Share of the float outputs that left [0, 1] and were saturated.
        delegate: Kernel path of the file.
    """

    pictures: int
    psnr_db: float
    dequantized_psnr_db: float
    max_abs_code_difference: int
    differing_fraction: float
    saturated_fraction: float
    delegate: str

    def to_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return asdict(self)


def _psnr_db(square_sum: float, count: int) -> float:
    return 10.0 * math.log10(255.0**2 * count / square_sum) if square_sum else math.inf


def measure_fidelity(runner: Runner, model, pictures: Sequence[np.ndarray]) -> Fidelity:
    """Compare a file with its float network; needs no ground truth.

    Args:
        runner: The opened file.
        model: Float network, (N, H, W, 3) in 0..1 -> (N, H s, W s, 3), no tail needed: its output
            is saturated here.
        pictures: uint8 (h, w, 3) low-resolution inputs.

    Raises:
        ModelFileError: The file refuses a picture's size.
    """
    model = with_split_groups(model)
    squares, dequantized_squares, differing, count, outside, most = 0.0, 0.0, 0, 0, 0, 0
    for picture in pictures:
        values = model(picture[None].astype(np.float32) / 255.0, training=False).numpy()[0]
        expected = to_pixels(values).astype(np.int16)
        result = upscale(runner, picture)
        difference = np.abs(result.raw.astype(np.int16) - expected)
        dequantized = result.dequantized.astype(np.int16) - expected
        squares += float(np.square(difference, dtype=np.float64).sum())
        dequantized_squares += float(np.square(dequantized, dtype=np.float64).sum())
        differing += int(np.count_nonzero(difference))
        outside += int(np.count_nonzero((values < 0.0) | (values > 1.0)))
        most = max(most, int(difference.max()))
        count += difference.size
    return Fidelity(
        pictures=len(pictures),
        psnr_db=_psnr_db(squares, count),
        dequantized_psnr_db=_psnr_db(dequantized_squares, count),
        max_abs_code_difference=most,
        differing_fraction=differing / count,
        saturated_fraction=outside / count,
        delegate=runner.delegate,
    )
