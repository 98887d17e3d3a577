import numpy as np
import pytest

from representative_data.tiles import cut_tiles, tiles_from_arrays
from sr_models.ground.errors import CalibrationError, OptionError


@pytest.fixture
def picture():
    return np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)


def test_arrays_are_cut_as_files_are(picture):
    tiles = tiles_from_arrays([picture, picture[::-1]], count=5, side=16, seed=2)
    named = [("picture 0", "", picture), ("picture 1", "", picture[::-1])]
    again = cut_tiles(named, count=5, side=16, seed=2)
    assert [(t.source, t.top, t.left) for t in tiles] == [(t.source, t.top, t.left) for t in again]
    for tile, other in zip(tiles, again):
        np.testing.assert_array_equal(tile.pixels, other.pixels)
    assert len({tile.source_sha256 for tile in tiles}) == 2


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floating_point_pixels_become_the_eight_bits_they_stand_for(picture, dtype):
    floats = (picture / 255.0).astype(dtype)
    (tile,) = tiles_from_arrays([floats], count=1, side=40)
    (plain,) = tiles_from_arrays([picture], count=1, side=40)
    np.testing.assert_array_equal(tile.pixels, plain.pixels)


def test_overshoot_of_float_rounding_is_no_mistake(picture):
    tiles_from_arrays([picture / 255.0 * (1 + 1e-7)], count=1, side=16)


def spoiled(picture, value):
    floats = picture / 255.0
    floats[3, 4, 1] = value
    return floats


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda p: spoiled(p, np.nan), "NaN or infinity in 1 of 6000 values of second; check the"),
        (lambda p: spoiled(p, np.inf), "NaN or infinity in 1 of 6000 values of second"),
        (lambda p: p.astype(np.float32), r"found 0\.\.255 in second; divide by 255"),
        (lambda p: p / 127.5 - 1.0, r"found -1\.\.1 in second; undo the normalization"),
        (lambda p: p.astype(np.int32), "found int32 in second"),
        (lambda p: p[None], r"found \(1, 40, 50, 3\) in second; .* without a batch axis"),
        (lambda p: p[..., 0], r"found \(40, 50\) in second"),
        (lambda p: p[:0], r"found \(0, 50, 3\) in second"),
    ],
)
def test_what_preprocessing_spoiled_is_told_by_name(picture, spoil, said):
    picture[0, 0] = (0, 255, 0)
    with pytest.raises(CalibrationError, match=said) as caught:
        tiles_from_arrays([picture, spoil(picture)], names=["first", "second"], side=16)
    assert "\n" not in str(caught.value)


def test_no_pictures_and_wrong_numbers_are_refused(picture):
    with pytest.raises(CalibrationError, match="found none"):
        tiles_from_arrays([])
    with pytest.raises(CalibrationError, match="a name for each of 1 pictures, found 2"):
        tiles_from_arrays([picture], names=["a", "b"])
    with pytest.raises(OptionError, match="found 0"):
        tiles_from_arrays([picture], count=0)
