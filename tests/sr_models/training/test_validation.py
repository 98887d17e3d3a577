import math

import numpy as np
import pytest

from sr_models.ground.pictures import Pair
from sr_models.training.patches import validation_crops, validation_psnr_db


def test_validation_crops_are_centred_and_stacked_by_size():
    low = np.arange(100 * 120 * 3, dtype=np.uint32).reshape(100, 120, 3)
    high = low.repeat(2, axis=0).repeat(2, axis=1)
    small = np.zeros((10, 12, 3), np.uint8), np.zeros((20, 24, 3), np.uint8)
    crops = validation_crops(
        [Pair("a", low, high), Pair("b", *small), Pair("c", low, high)], scale=2
    )
    assert [part.shape for group in crops for part in group] == [
        (2, 96, 96, 3),
        (2, 192, 192, 3),
        (1, 10, 12, 3),
        (1, 20, 24, 3),
    ]
    np.testing.assert_array_equal(crops[0][0][0], low[2:98, 12:108])
    np.testing.assert_array_equal(crops[0][1][0][::2, ::2], crops[0][0][0])


class Constant:
    """A network that answers every picture with one value."""

    def __init__(self, value, scale):
        self.value, self.scale = value, scale

    def __call__(self, low, training):
        n, h, w, _ = low.shape
        return np.full((n, h * self.scale, w * self.scale, 3), self.value, np.float32)


def test_the_psnr_pools_all_crops():
    dark = np.zeros((1, 4, 4, 3), np.uint8), np.full((1, 8, 8, 3), 10, np.uint8)
    bright = np.zeros((3, 2, 2, 3), np.uint8), np.full((3, 4, 4, 3), 40, np.uint8)
    # 64 and 48 pixels whose squared errors against code 20 are 100 and 400.
    expected = 10 * math.log10(255**2 / ((64 * 100 + 48 * 400) / 112))
    psnr_db = validation_psnr_db(Constant(20 / 255, 2), [dark, bright])
    assert psnr_db == pytest.approx(expected, abs=1e-9)


def test_results_are_pixels_before_they_are_judged():
    crop = np.zeros((1, 4, 4, 3), np.uint8), np.full((1, 8, 8, 3), 255, np.uint8)
    assert validation_psnr_db(Constant(7.0, 2), [crop]) > 100.0, "saturated"
    assert validation_psnr_db(Constant(254.6 / 255, 2), [crop]) > 100.0, "rounded"
