import hashlib

import numpy as np
import pytest
from PIL import Image

from representative_data.tiles import cut_tiles, load_tiles, require_varied, tiles_from_arrays
from sr_models.ground.errors import CalibrationError, OptionError, PictureError
from sr_models.ground.pictures import crop_to_multiple, degrade


def test_first_tiles_are_the_centres_of_the_degraded_pictures(picture_folder):
    tiles = load_tiles(picture_folder, scale=3, count=4, side=16)
    assert sorted(tile.source for tile in tiles) == sorted(p.name for p in picture_folder.iterdir())
    for tile in tiles:
        path = picture_folder / tile.source
        high = np.asarray(Image.open(path))
        low = degrade(crop_to_multiple(high, 3), 3)
        top, left = (low.shape[0] - 16) // 2, (low.shape[1] - 16) // 2
        np.testing.assert_array_equal(tile.pixels, low[top : top + 16, left : left + 16])
        assert tile.source_sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_tiles_depend_on_the_seed_and_nothing_else(picture_folder):
    def places(seed):
        return [
            (t.source, t.top, t.left)
            for t in load_tiles(picture_folder, scale=2, count=12, side=16, seed=seed)
        ]

    assert places(3) == places(3)
    assert places(3) != places(4)


def test_tiles_lie_inside_and_spread_evenly(picture_folder):
    tiles = load_tiles(picture_folder, scale=2, count=10, side=20)
    counts = [sum(t.source == name for t in tiles) for name in {t.source for t in tiles}]
    assert sorted(counts) == [2, 2, 3, 3]
    assert all(tile.pixels.shape == (20, 20, 3) for tile in tiles)


def test_a_picture_smaller_than_a_tile_is_mirrored_at_its_edges():
    pixels = np.arange(3 * 4 * 3, dtype=np.uint8).reshape(3, 4, 3)
    (tile,) = cut_tiles([("small", "0", pixels)], count=1, side=5, seed=0)
    rows, columns = [0, 1, 2, 2, 1], [0, 1, 2, 3, 3]
    np.testing.assert_array_equal(tile.pixels, pixels[rows][:, columns])


def test_scale_one_takes_low_resolution_pictures_as_they_are(picture_folder):
    (path, *_) = sorted(picture_folder.iterdir())
    (tile,) = load_tiles([path], scale=1, count=1, side=108)
    np.testing.assert_array_equal(tile.pixels, np.asarray(Image.open(path))[:, 18:126])


@pytest.mark.parametrize(("count", "side"), [(0, 96), (-3, 96), (4, 15), (4, 200_000), (10**9, 96)])
def test_useless_counts_and_sides_are_refused(picture_folder, count, side):
    with pytest.raises(OptionError, match="expected"):
        load_tiles(picture_folder, scale=2, count=count, side=side)


def test_a_folder_without_pictures_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(PictureError, match="found none"):
        load_tiles(tmp_path, scale=2)


def test_a_one_pixel_picture_is_refused_by_name(tmp_path):
    Image.new("RGB", (1, 1)).save(tmp_path / "dot.png")
    with pytest.raises(PictureError, match=r"found 1x1 in .*dot\.png"):
        load_tiles(tmp_path, scale=3)


@pytest.mark.parametrize("value", [0, 128, 255])
def test_pictures_that_hold_one_value_only_are_refused(value):
    flat = np.full((8, 8, 3), value, np.uint8)
    with pytest.raises(CalibrationError, match=f"nothing but the value {value}"):
        require_varied([flat, flat])


def test_flat_pictures_of_several_colours_are_refused_too():
    flats = [np.full((8, 8, 3), value, np.uint8) for value in (10, 200)]
    coloured = np.broadcast_to(np.array([255, 0, 0], np.uint8), (8, 8, 3))
    with pytest.raises(CalibrationError, match="found 2 pictures of a single colour each"):
        require_varied(flats)
    with pytest.raises(CalibrationError, match="found 1 pictures of a single colour each"):
        require_varied([coloured])


def test_one_picture_with_content_is_enough():
    edge = np.zeros((8, 8, 3), np.uint8)
    edge[4, 4, 1] = 1
    require_varied([np.zeros((8, 8, 3), np.uint8), edge])


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
