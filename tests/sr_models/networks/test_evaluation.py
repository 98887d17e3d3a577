import json
import math
import shutil

import numpy as np
import pytest
import tf_keras
from PIL import Image

from sr_models.ground.errors import PictureError, WeightsError
from sr_models.ground.metrics import measure_quality
from sr_models.ground.pictures import degrade
from sr_models.networks import evaluation
from sr_models.networks.network import build_trunk
from sr_models.networks.tails import attach_tail


@pytest.fixture
def datasets(picture_folder, tmp_path):
    """Two datasets of two pictures each."""
    root = tmp_path / "benchmark"
    for index, path in enumerate(sorted(picture_folder.iterdir())):
        place = root / f"Set{index % 2}" / path.name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)
    return root


def test_each_subfolder_is_a_dataset_and_bicubic_comes_first(datasets, tiny_preset):
    model = attach_tail(build_trunk(tiny_preset), "none", scale=3)
    done = []
    results = evaluation.evaluate_model(
        model, datasets, name="tiny_x3", scale=3, on_picture=lambda *counts: done.append(counts)
    )
    assert [(row.dataset, row.model, row.images) for row in results] == [
        ("Set0", "bicubic", 2),
        ("Set0", "tiny_x3", 2),
        ("Set1", "bicubic", 2),
        ("Set1", "tiny_x3", 2),
    ]
    assert done == [(1, 4), (2, 4), (3, 4), (4, 4)]
    for row in results:
        assert row.psnr_y_db == pytest.approx(np.mean([i.psnr_y_db for i in row.per_image]))
        assert 15 < row.psnr_rgb_db < row.psnr_y_db < 45 and 0.3 < row.ssim_y < 1.0
    assert results[0].psnr_y_db > results[1].psnr_y_db, "an untrained network is no better"


def test_in_pixels_the_output_is_saturated_and_rounded():
    network = tf_keras.Sequential([tf_keras.layers.Rescaling(1.25, -0.1)])
    low = np.array([[[0, 101, 255], [20, 200, 21]]], np.uint8)
    found = evaluation.pixel_upscaler(network)(low)
    # 1.25 p - 25.5 by hand: -25.5, 100.75, 293.25; -0.5, 224.5, 0.75.
    np.testing.assert_array_equal(found[0, 0], [0, 101, 255])
    assert found.dtype == np.uint8 and found[0, 1, 0] == 0 and found[0, 1, 2] == 1


def test_pictures_of_the_folder_itself_are_a_dataset(picture_folder, datasets):
    upscalers = {"bicubic": evaluation.bicubic_upscaler(3)}
    (row,) = evaluation.evaluate(upscalers, picture_folder, scale=3)
    assert (row.dataset, row.images) == (picture_folder.name, 4)
    halves = evaluation.evaluate(upscalers, datasets, scale=3)
    assert row.psnr_y_db == pytest.approx(np.mean([half.psnr_y_db for half in halves]))


def test_bicubic_by_hand(photographs, tmp_path):
    # 100x101 is cropped to 99x99; Pillow's own float resize, rounded once, is the baseline.
    picture = photographs["astronaut"][:100, 200:301]
    Image.fromarray(picture).save(tmp_path / "a.png")
    high = picture[:99, :99]
    low = degrade(high, 3)
    channels = [
        Image.fromarray(low[..., c].astype(np.float32)).resize((99, 99), Image.Resampling.BICUBIC)
        for c in range(3)
    ]
    upscaled = np.clip(np.rint(np.stack(channels, -1)), 0, 255).astype(np.uint8)
    expected = measure_quality(upscaled, high, scale=3)
    (row,) = evaluation.evaluate({"b": evaluation.bicubic_upscaler(3)}, tmp_path, scale=3)
    assert (row.psnr_rgb_db, row.psnr_y_db, row.ssim_y) == pytest.approx(
        (expected.psnr_rgb_db, expected.psnr_y_db, expected.ssim_y)
    )
    assert (row.per_image[0].height, row.per_image[0].width) == (99, 99)


def test_a_perfect_network_is_infinitely_good_and_its_json_strict(picture_folder):
    originals = iter(sorted(picture_folder.iterdir()))

    def oracle(low):
        return np.asarray(Image.open(next(originals)), dtype=np.float32) / 255.0

    (row,) = evaluation.evaluate({"oracle": oracle}, picture_folder, scale=3)
    assert row.psnr_rgb_db == math.inf and row.ssim_y == pytest.approx(1.0)
    assert row.out_of_range_fraction == 0.0
    assert {
        "model",
        "dataset",
        "images",
        "scale",
        "psnr_rgb_db",
        "psnr_y_db",
        "ssim_y",
        "protocol",
    } <= row.to_json().keys()
    assert json.dumps(row.to_json()) and len(row.per_image_json()) == 4
    assert row.per_image_json()[0]["dataset"] == picture_folder.name


def test_what_leaves_the_range_is_saturated_and_counted(picture_folder):
    def overshooting(low):
        high = np.zeros((low.shape[0] * 3, low.shape[1] * 3, 3), np.float32)
        high[: len(high) // 4] = 1.5
        return high

    def saturated(low):
        return np.clip(overshooting(low), 0.0, 1.0)

    over, within = evaluation.evaluate(
        {"over": overshooting, "within": saturated}, picture_folder, scale=3
    )
    assert over.out_of_range_fraction == 0.25 and within.out_of_range_fraction == 0.0
    assert over.psnr_rgb_db == within.psnr_rgb_db


def test_results_are_rounded_to_eight_bits_before_they_are_compared(picture_folder):
    """0.4 of a code is none, 0.6 one: 20 log10(255) = 48.1308 dB."""
    pictures = [np.asarray(Image.open(p)) for p in sorted(picture_folder.iterdir())]

    def off_by(codes):
        # Towards the middle, so that nothing saturates.
        high = iter(p + np.where(p < 128, codes, -codes) for p in pictures)
        return lambda low: (next(high) / 255.0).astype(np.float32)

    near, far = evaluation.evaluate(
        {"near": off_by(0.4), "far": off_by(0.6)}, picture_folder, scale=3
    )
    assert near.psnr_rgb_db == near.psnr_y_db == math.inf
    assert far.psnr_rgb_db == pytest.approx(48.1308, abs=1e-4)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_broken_network_is_a_weights_error(value, picture_folder):
    def broken(low):
        return np.full((low.shape[0] * 3, low.shape[1] * 3, 3), value, np.float32)

    with pytest.raises(WeightsError, match="NaN or infinity in what net makes of"):
        evaluation.evaluate({"net": broken}, picture_folder, scale=3)


def test_a_network_of_another_scale_is_a_weights_error(picture_folder):
    with pytest.raises(WeightsError, match="scale factor 3"):
        evaluation.evaluate({"net": evaluation.bicubic_upscaler(2)}, picture_folder, scale=3)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_smallest_picture(scale, photographs, tmp_path):
    least = evaluation.smallest_side(scale)
    assert least % scale == 0
    upscalers = {"bicubic": evaluation.bicubic_upscaler(scale)}
    path = tmp_path / "small.png"
    Image.fromarray(photographs["coffee"][:least, :least]).save(path)
    assert evaluation.evaluate(upscalers, tmp_path, scale=scale)[0].ssim_y < 1.0
    Image.fromarray(photographs["coffee"][: least - 1, :least]).save(path)
    with pytest.raises(PictureError, match=f"at least {least}x{least}"):
        evaluation.evaluate(upscalers, tmp_path, scale=scale)


def test_no_pictures(tmp_path):
    with pytest.raises(PictureError, match="found none"):
        evaluation.evaluate({}, tmp_path, scale=3)
