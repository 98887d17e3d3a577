import math

import numpy as np
import pytest
from PIL import Image

from sr_models.ground.errors import PictureError
from sr_models.ground.pictures import Pair, degrade
from sr_models.training import patches


@pytest.fixture(scope="module")
def pairs(picture_folder):
    return patches.load_training_pairs(picture_folder, scale=3, patch_size=16)


def sampler(pairs, **changes):
    options = {"scale": 3, "batch_size": 4, "patch_size": 16, "candidates": 2, "seed": 5}
    return patches.PatchSampler(pairs, **{**options, **changes})


def test_a_batch_is_a_pure_function_of_seed_and_step(pairs):
    options = {"intensities": (1.0, 0.5)}
    first, second = sampler(pairs, **options), sampler(pairs, **options)
    first.batch(0)
    for one, other in zip(first.batch(7), second.batch(7)):
        np.testing.assert_array_equal(one, other)
    assert not np.array_equal(first.batch(7)[0], first.batch(8)[0])
    assert not np.array_equal(first.batch(7)[0], sampler(pairs, seed=6, **options).batch(7)[0])


def test_rows_do_not_depend_on_the_others(pairs):
    """What lets workers share a batch: each draws its rows alone."""
    low, high = sampler(pairs).batch(7)
    for first, count in ((0, 1), (1, 2), (3, 1)):
        part = sampler(pairs).batch(7, first=first, count=count)
        np.testing.assert_array_equal(part[0], low[first : first + count])
        np.testing.assert_array_equal(part[1], high[first : first + count])


def test_shapes_types_and_range(pairs):
    low, high = sampler(pairs).batch(0)
    assert low.shape == (4, 16, 16, 3) and high.shape == (4, 48, 48, 3)
    assert low.dtype == high.dtype == np.float32
    assert low.min() >= 0.0 and high.max() <= 1.0 and high.max() > 0.5


def test_low_and_high_are_aligned_and_turned_alike(pairs):
    """Whatever the flip and turn, degrading the ground truth gives the input, save at borders."""
    drawn = sampler(pairs, batch_size=8)
    for step in range(4):
        for low, high in zip(*drawn.batch(step)):
            again = degrade(np.rint(high * 255).astype(np.uint8), 3)
            # The window of a patch ends at its border, that of the picture does not; a bicubic
            # of x3 looks two low-resolution pixels far. Rounding may differ by one code.
            difference = np.abs(again[2:-2, 2:-2] - low[2:-2, 2:-2] * 255.0)
            assert difference.max() <= 1.001


def test_every_flip_and_turn_is_drawn():
    ramp = np.zeros((48, 48, 3), np.uint8)
    ramp[..., 0] = np.arange(48)[:, None] * 4
    ramp[..., 1] = np.arange(48)[None] * 4
    pair = Pair("ramp", degrade(ramp, 3), ramp)
    corners = set()
    for step in range(30):
        for high in sampler([pair]).batch(step)[1]:
            corners.add(tuple(np.rint(high[0, [0, -1], :2] * 255).astype(int).ravel()))
    assert len(corners) == 8, "the symmetries of a square"


def test_intensity_is_applied_to_both_alike():
    white = np.full((48, 48, 3), 255, np.uint8)
    pair = Pair("white", white[:16, :16], white)
    seen = set()
    for step in range(10):
        low, high = sampler([pair], intensities=(1.0, 0.7, 0.5)).batch(step)
        for one, other in zip(low, high):
            assert one.max() == pytest.approx(other.max()) == pytest.approx(one.min())
            seen.add(round(float(one.max()), 3))
    assert seen == {1.0, 0.7, 0.5}


def test_the_more_varied_of_the_candidates_is_taken():
    picture = np.full((300, 300, 3), 128, np.uint8)
    picture[:, 150:] = np.random.default_rng(0).integers(0, 256, (300, 150, 3))
    pair = Pair("half flat", degrade(picture, 3), picture)

    def variance(candidates):
        drawn = sampler([pair], candidates=candidates, batch_size=16)
        return np.mean([drawn.batch(step)[0].var() for step in range(4)])

    assert variance(4) > 1.2 * variance(1)


def test_pictures_too_small_are_left_out(tmp_path, picture_folder):
    for path in picture_folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    Image.new("RGB", (47, 200)).save(tmp_path / "narrow.png")
    done = []
    pairs = patches.load_training_pairs(
        tmp_path, scale=3, patch_size=16, on_picture=lambda *counts: done.append(counts)
    )
    assert len(pairs) == 4 and "narrow.png" not in {pair.path.name for pair in pairs}
    assert done == [(n, 5) for n in range(1, 6)]


def test_only_small_pictures_is_an_error(tmp_path):
    Image.new("RGB", (40, 40)).save(tmp_path / "small.png")
    with pytest.raises(PictureError, match=r"at least 48x48 .*--patch-size"):
        patches.load_training_pairs(tmp_path, scale=3, patch_size=16)


def test_a_damaged_picture_is_an_error(tmp_path):
    (tmp_path / "broken.png").write_bytes(b"")
    with pytest.raises(PictureError, match=r"broken\.png"):
        patches.load_training_pairs(tmp_path, scale=3, patch_size=16)


def test_ground_truth_is_cropped_and_large_pictures_are_halved(tmp_path):
    Image.new("RGB", (50, 52)).save(tmp_path / "odd.png")
    pair = patches.load_training_pair(tmp_path / "odd.png", scale=3, patch_size=16)
    assert pair.high.shape == (51, 48, 3) and pair.low.shape == (17, 16, 3)
    Image.new("RGB", (2000, 1200)).save(tmp_path / "large.png")
    pair = patches.load_training_pair(tmp_path / "large.png", scale=3, patch_size=16)
    assert pair.high.shape == (600, 999, 3)


def test_the_split_is_repeatable_disjoint_and_at_most_a_quarter(pairs):
    many = list(pairs) * 5
    training, held = patches.split_validation(many, count=24, seed=0)
    assert (len(training), len(held)) == (15, 5)
    again = patches.split_validation(many, count=24, seed=0)
    assert [pair.path for pair in held] == [pair.path for pair in again[1]]
    assert patches.split_validation(many, count=2, seed=0)[1] != []
    assert patches.split_validation(many[:3], count=24, seed=0)[1] == []


def test_validation_crops_are_centred_and_stacked_by_size():
    low = np.arange(100 * 120 * 3, dtype=np.uint32).reshape(100, 120, 3)
    high = low.repeat(2, axis=0).repeat(2, axis=1)
    small = np.zeros((10, 12, 3), np.uint8), np.zeros((20, 24, 3), np.uint8)
    pairs = [Pair(*each) for each in (("a", low, high), ("b", *small), ("c", low, high))]
    crops = patches.validation_crops(pairs, scale=2)
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
    psnr_db = patches.validation_psnr_db(Constant(20 / 255, 2), [dark, bright])
    assert psnr_db == pytest.approx(expected, abs=1e-9)


def test_results_are_pixels_before_they_are_judged():
    crop = np.zeros((1, 4, 4, 3), np.uint8), np.full((1, 8, 8, 3), 255, np.uint8)
    assert patches.validation_psnr_db(Constant(7.0, 2), [crop]) > 100.0, "saturated"
    assert patches.validation_psnr_db(Constant(254.6 / 255, 2), [crop]) > 100.0, "rounded"
