"""PSNR and SSIM by the convention of super-resolution, on eight-bit pixels.

A border of `scale` pixels is cut; luma is BT.601 in its studio range (16..235) with a data range
of 255, as in MATLAB's `rgb2ycbcr` that published SR tables rest on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sr_models.ground.arguments import a_picture, an_array, takes, whole_number
from sr_models.ground.errors import PictureError

SSIM_WINDOW = 11
"""Pixels of the Gaussian window, which must fit inside of the cut border."""

PROTOCOL = "uint8 pixels, border of scale pixels cut, luma BT.601, data range 255"


@dataclass(frozen=True)
class Quality:
    """How near one picture is to its ground truth.

    Attributes:
        psnr_rgb_db: PSNR over all three channels, in dB (infinite for equal pictures); not a number
            for pictures of luma.
        psnr_y_db: PSNR on luma, in dB.
        ssim_y: Structural similarity on luma (Gaussian window, sigma 1.5), at most 1.
    """

    psnr_rgb_db: float
    psnr_y_db: float
    ssim_y: float


@takes(first=an_array, second=an_array)
def psnr_db(first: np.ndarray, second: np.ndarray) -> float:
    """PSNR in dB of two uint8 arrays or two luma planes, data range 255.

    Raises:
        PictureError: They are of different shapes.
    """
    if first.shape != second.shape:
        raise _not_alike(first, second)
    if np.array_equal(first, second):
        return float("inf")
    # scikit-image takes its time to import, and a command's --help needs none of it.
    from skimage.metrics import peak_signal_noise_ratio

    return float(peak_signal_noise_ratio(first, second, data_range=255))


def _not_alike(first: np.ndarray, second: np.ndarray) -> PictureError:
    return PictureError(
        f"expected pictures of one shape, found {list(first.shape)} and {list(second.shape)}; cut "
        "them to one size"
    )


@takes(picture=an_array)
def luma(picture: np.ndarray) -> np.ndarray:
    """BT.601 luma, float64 (H, W), 16..235, of a uint8 RGB picture."""
    if picture.ndim != 3 or picture.shape[2] != 3:
        raise PictureError(
            f"expected RGB (height, width, 3), found {list(picture.shape)}; give a colour picture"
        )
    from skimage.color import rgb2ycbcr

    return rgb2ycbcr(picture)[..., 0]


@takes(picture=a_picture)
def luma_pixels(picture: np.ndarray) -> np.ndarray:
    """The luma of a uint8 RGB picture rounded to pixels: uint8 (H, W, 1), 16..235."""
    return np.rint(luma(picture)).astype(np.uint8)[..., None]


STUDIO = (16.0, 235.0)
"""Black and white of BT.601 luma in its studio range."""


def full_range(luma: np.ndarray) -> np.ndarray:
    """Luma of the studio range as that of the full one, 0..255, which JPEG, Pillow and OpenCV use.

    Args:
        luma: uint8 of any shape.
    """
    low, high = STUDIO
    values = (luma.astype(np.float64) - low) * (255.0 / (high - low))
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def cut_border(picture: np.ndarray, border: int) -> np.ndarray:
    """The picture without `border` pixels at each side."""
    return picture[border : picture.shape[0] - border, border : picture.shape[1] - border]


@takes(result=a_picture, ground_truth=a_picture, scale=whole_number(0))
def measure_quality(result: np.ndarray, ground_truth: np.ndarray, *, scale: int) -> Quality:
    """Compare two uint8 (H, W, 3) pictures, or (H, W, 1) of luma, by the protocol above."""
    if result.shape != ground_truth.shape:
        raise _not_alike(result, ground_truth)
    if min(result.shape[:2]) - 2 * scale < SSIM_WINDOW:
        raise PictureError(
            f"expected at least {SSIM_WINDOW + 2 * scale} pixels a side, found "
            f"{result.shape[1]}x{result.shape[0]}; take larger pictures"
        )
    from skimage.metrics import structural_similarity

    result, ground_truth = cut_border(result, scale), cut_border(ground_truth, scale)
    if result.shape[2] == 1:
        rgb, result_y, ground_truth_y = float("nan"), result[..., 0], ground_truth[..., 0]
    else:
        rgb = psnr_db(result, ground_truth)
        result_y, ground_truth_y = luma(result), luma(ground_truth)
    return Quality(
        psnr_rgb_db=rgb,
        psnr_y_db=psnr_db(result_y, ground_truth_y),
        ssim_y=float(
            structural_similarity(
                result_y,
                ground_truth_y,
                data_range=255,
                gaussian_weights=True,
                sigma=1.5,
                use_sample_covariance=False,
            )
        ),
    )
