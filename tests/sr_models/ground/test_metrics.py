import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sr_models.ground.errors import OptionError, PictureError
from sr_models.ground.metrics import cut_border, luma, measure_quality, psnr_db
from sr_models.ground.pictures import to_pixels, unit

PICTURES = hnp.arrays(np.uint8, (18, 19, 3))


def test_psnr_from_a_hand_derived_value():
    # Every pixel differs by 10, so the mean square is 100: 10 log10(255^2 / 100) = 28.1308 dB.
    first, second = np.full((4, 4, 3), 100, np.uint8), np.full((4, 4, 3), 110, np.uint8)
    assert psnr_db(first, second) == pytest.approx(28.1308, abs=1e-4)
    # One of 48 values differs by 255: 10 log10(48) = 16.8124 dB. uint8 must not wrap to 1.
    black = np.zeros((4, 4, 3), np.uint8)
    spot = black.copy()
    spot[0, 0, 0] = 255
    assert psnr_db(black, spot) == pytest.approx(16.8124, abs=1e-4)
    assert psnr_db(spot, black) == psnr_db(black, spot)


def test_psnr_of_luma_from_a_hand_derived_value():
    # 10 codes of every channel are 10 * (65.481 + 128.553 + 24.966) / 255 = 8.588235 of luma:
    # 20 log10(255 / 8.588235) = 29.4527 dB.
    first, second = np.full((20, 20, 3), 100, np.uint8), np.full((20, 20, 3), 110, np.uint8)
    found = measure_quality(first, second, scale=4)
    assert found.psnr_y_db == pytest.approx(29.4527, abs=1e-4)
    assert found.psnr_rgb_db == pytest.approx(28.1308, abs=1e-4)


def test_equal_pictures_are_infinitely_near():
    assert psnr_db(np.ones((3, 3), np.uint8), np.ones((3, 3), np.uint8)) == math.inf


@given(PICTURES)
def test_luma_by_the_coefficients_of_bt601(picture):
    # Studio range of ITU-R BT.601: 16 + (65.481 R + 128.553 G + 24.966 B) / 255.
    red, green, blue = np.moveaxis(picture.astype(np.float64), -1, 0)
    expected = 16.0 + (65.481 * red + 128.553 * green + 24.966 * blue) / 255.0
    np.testing.assert_allclose(luma(picture), expected, atol=1e-9)


def test_luma_of_white_and_black():
    assert luma(np.full((1, 1, 3), 255, np.uint8))[0, 0] == pytest.approx(235.0)
    assert luma(np.zeros((1, 1, 3), np.uint8))[0, 0] == pytest.approx(16.0)


@given(hnp.arrays(np.float32, (3, 4), elements=st.floats(-1e6, 1e6, width=32)))
def test_pixels_saturate_and_never_wrap(values):
    pixels = to_pixels(values)
    assert pixels.dtype == np.uint8
    assert (pixels[values <= 0] == 0).all() and (pixels[values >= 1] == 255).all()
    inside = (values > 0) & (values < 1)
    assert (np.abs(pixels[inside] - values[inside] * 255.0) <= 0.5 + 1e-4).all()


@given(st.lists(st.floats(-2, 3, width=32), min_size=2))
def test_pixels_are_monotone(values):
    pixels = to_pixels(np.sort(np.array(values, np.float32))).astype(int)
    assert (np.diff(pixels) >= 0).all()


@given(PICTURES)
def test_eight_bit_pictures_pass_unchanged(picture):
    np.testing.assert_array_equal(to_pixels(unit(picture)), picture)
    assert unit(picture).dtype == np.float32
    assert (unit(picture) == picture.astype(np.float32) / 255.0).all()


@given(first=PICTURES, second=PICTURES)
def test_quality_is_symmetric_and_bounded(first, second):
    forth = measure_quality(first, second, scale=3)
    back = measure_quality(second, first, scale=3)
    assert forth.psnr_rgb_db == pytest.approx(back.psnr_rgb_db)
    assert forth.psnr_y_db == pytest.approx(back.psnr_y_db)
    assert forth.ssim_y == pytest.approx(back.ssim_y)
    assert forth.ssim_y <= 1.0 + 1e-12


@given(PICTURES)
def test_a_picture_is_equal_to_itself(picture):
    same = measure_quality(picture, picture.copy(), scale=2)
    assert same.psnr_rgb_db == same.psnr_y_db == math.inf
    assert same.ssim_y == pytest.approx(1.0)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_border_does_not_count(scale, photographs):
    picture = photographs["coffee"][:40, :50]
    spoiled = picture.copy()
    spoiled[:scale] = spoiled[-scale:] = 0
    spoiled[:, :scale] = spoiled[:, -scale:] = 255
    assert measure_quality(spoiled, picture, scale=scale).psnr_rgb_db == math.inf
    spoiled[scale, scale] ^= 128
    assert measure_quality(spoiled, picture, scale=scale).psnr_rgb_db < math.inf


def test_no_border_is_the_whole_picture():
    assert cut_border(np.zeros((4, 5, 3)), 0).shape == (4, 5, 3)


def gaussian_ssim(first, second):
    """Wang et al. 2004, equation 13, windows of 11x11 and sigma 1.5, by plain loops."""
    offsets = np.arange(-5, 6)
    window = np.exp(-(offsets[:, None] ** 2 + offsets[None, :] ** 2) / (2 * 1.5**2))
    window /= window.sum()
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    values = []
    for y in range(5, first.shape[0] - 5):
        for x in range(5, first.shape[1] - 5):
            a = first[y - 5 : y + 6, x - 5 : x + 6]
            b = second[y - 5 : y + 6, x - 5 : x + 6]
            mean_a, mean_b = (window * a).sum(), (window * b).sum()
            var_a = (window * (a - mean_a) ** 2).sum()
            var_b = (window * (b - mean_b) ** 2).sum()
            covariance = (window * (a - mean_a) * (b - mean_b)).sum()
            values.append(
                (2 * mean_a * mean_b + c1)
                * (2 * covariance + c2)
                / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))
            )
    return np.mean(values)


def test_ssim_against_its_definition(photographs):
    picture = photographs["chelsea"][100:130, 150:184]
    noise = np.random.default_rng(0).integers(-20, 21, picture.shape)
    noisy = np.clip(picture + noise, 0, 255).astype(np.uint8)
    expected = gaussian_ssim(luma(noisy[3:-3, 3:-3]), luma(picture[3:-3, 3:-3]))
    assert measure_quality(noisy, picture, scale=3).ssim_y == pytest.approx(expected, abs=1e-6)


def test_other_shapes_types_or_sizes_are_said():
    picture = np.zeros((20, 20, 3), np.uint8)
    with pytest.raises(PictureError, match=r"one shape, found \[19, 20, 3\] and \[20, 20, 3\]"):
        measure_quality(picture[:19], picture, scale=2)
    with pytest.raises(OptionError, match=r"as result, found an array of float32 \[20, 20, 3\]"):
        measure_quality(picture.astype(np.float32), picture, scale=2)
    with pytest.raises(PictureError, match="at least 15 pixels a side, found 20x14"):
        measure_quality(picture[:14], picture[:14], scale=2)
