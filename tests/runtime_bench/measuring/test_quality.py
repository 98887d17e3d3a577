import math

import numpy as np
import pytest
from PIL import Image

from export.exporting.conversion import convert_float
from export.running.interpreters import open_model
from runtime_bench.measuring.quality import (
    Dataset,
    ImageQuality,
    QualityResult,
    find_datasets,
    load_pair,
    load_pairs,
    mean_quality,
    measure_file,
    measure_upscaler,
    quality_protocol,
    scale_of,
)
from runtime_bench.measuring.usage import require_inputs, require_scale
from sr_models.ground.errors import ModelFileError, OptionError, PictureError
from sr_models.ground.metrics import Quality
from sr_models.ground.pictures import Pair, degrade, to_pixels
from sr_models.ground.pixel_range import UNIT
from tests.networks import luma_file_content, sharpening_network


def repeat(picture):
    """Each pixel twice in both directions."""
    return picture.repeat(2, axis=0).repeat(2, axis=1)


def figures(result):
    return [image.raw.psnr_rgb_db for image in result.images]


def test_repeated_pixels_by_hand():
    """A flat picture that is 5 codes off in one channel: the error is the same everywhere.

    MSE over RGB is 25 / 3, so PSNR is 10 log10(255^2 / (25 / 3)) = 38.92 dB. BT.601 luma weighs
    red with 65.481 / 255: it is off by 5 * 65.481 / 255 = 1.284 codes, or 45.96 dB.
    """
    low = np.full((12, 14, 3), 100, np.uint8)
    high = repeat(low)
    high[..., 0] += 5
    (found,) = measure_upscaler(repeat, [Pair("flat.png", low, high)], scale=2)
    assert found.raw.psnr_rgb_db == pytest.approx(10 * math.log10(255**2 * 3 / 25))
    assert found.raw.psnr_y_db == pytest.approx(20 * math.log10(255 * 255 / (5 * 65.481)), abs=1e-3)
    assert found.raw == found.dequantized
    assert (found.image, found.saturated_fraction) == ("flat.png", 0.0)


def test_a_file_of_luma_is_fed_luma_and_measured_on_it(tmp_path, ground_truth):
    """The file repeats pixels. Expected is found without our own reading of pairs."""
    dataset = next(d for d in find_datasets(ground_truth) if d.name == "first")
    (tmp_path / "luma.tflite").write_bytes(luma_file_content())
    found = measure_file(open_model(tmp_path / "luma.tflite"), dataset)
    for image, path in zip(found.images, dataset.paths):
        picture = np.asarray(Image.open(path), np.float64)
        picture = picture[: len(picture) // 2 * 2, : picture.shape[1] // 2 * 2]
        y = np.rint(16.0 + picture @ [65.481, 128.553, 24.966] / 255.0).astype(np.uint8)[..., None]
        error = repeat(degrade(y, 2)).astype(np.float64) - y
        expected = 10 * math.log10(255**2 / np.square(error[2:-2, 2:-2]).mean())
        assert image.raw.psnr_y_db == pytest.approx(expected, abs=1e-6)
        assert math.isnan(image.raw.psnr_rgb_db) and 0.0 < image.raw.ssim_y < 1.0
    assert found.luma and "of its luma" in found.to_json()["protocol"]


def test_inputs_of_their_own_are_paired_by_name(tmp_path, ground_truth):
    """Where they are what the protocol makes itself, nothing changes; else they count."""
    runner = open_model(convert_float(sharpening_network(), height=16, width=16))
    inputs = tmp_path / "inputs" / "second"
    inputs.mkdir(parents=True)
    (tmp_path / "truth" / "second").mkdir(parents=True)
    even = load_pair(ground_truth / "second" / "coffee.png", scale=2)
    Image.fromarray(even.high).save(tmp_path / "truth" / "second" / "coffee.png")
    Image.fromarray(even.low).save(inputs / "coffee.bmp")
    (dataset,) = find_datasets(tmp_path / "truth")
    pairs = require_inputs(tmp_path / "truth", tmp_path / "inputs")
    found = measure_file(runner, dataset, inputs=pairs)
    assert figures(found) == figures(measure_file(runner, dataset))
    assert "inputs as given beside the ground truth" in found.to_json()["protocol"]
    Image.fromarray(even.low[::-1]).save(inputs / "coffee.bmp")
    assert figures(measure_file(runner, dataset, inputs=pairs)) < figures(found)
    Image.fromarray(even.high).save(inputs / "coffee.bmp")
    with pytest.raises(PictureError, match="a half of the size of its ground truth, found 60x54"):
        measure_file(runner, dataset, inputs=pairs)
    Image.fromarray(even.low).save(inputs.parent / "coffee.gif")
    with pytest.raises(PictureError, match="found 2 of that name; give one picture of the same"):
        require_inputs(tmp_path / "truth", tmp_path / "inputs")
    with pytest.raises(OptionError, match="ground truth of --inputs, found none; give --data"):
        require_inputs(None, tmp_path / "inputs")


def test_the_border_is_not_measured():
    low = np.full((12, 14, 3), 100, np.uint8)
    high = repeat(low)
    high[:2], high[-2:], high[:, :2], high[:, -2:] = 0, 0, 0, 0
    (found,) = measure_upscaler(repeat, [Pair("framed.png", low, high)], scale=2)
    assert found.raw == Quality(math.inf, math.inf, 1.0)


def test_an_upscaler_of_another_scale_is_refused():
    pair = Pair("p.png", np.zeros((12, 12, 3), np.uint8), np.zeros((24, 24, 3), np.uint8))
    for upscaler in (lambda low: low, lambda low: repeat(low).astype(np.float32)):
        with pytest.raises(ModelFileError, match="expected uint8"):
            measure_upscaler(upscaler, [pair], scale=2)


def test_means_are_of_decibels():
    mean = mean_quality([Quality(30.0, 32.0, 0.8), Quality(40.0, 33.0, 0.9)])
    assert (mean.psnr_rgb_db, mean.psnr_y_db) == (35.0, 32.5)
    assert mean.ssim_y == pytest.approx(0.85)


def test_each_subfolder_is_a_dataset(ground_truth):
    first, second = find_datasets(ground_truth)
    assert (first.name, second.name) == ("first", "second")
    assert [path.name for path in first.paths] == ["astronaut.png", "chelsea.png"]
    (alone,) = find_datasets(ground_truth / "second")
    assert alone == Dataset("second", second.paths)


def test_pictures_beside_subfolders_are_a_dataset_of_their_own(ground_truth, tmp_path):
    for name in ("a.png", "inner/b.png", "inner/deeper/c.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (30, 30)).save(tmp_path / name)
    found = {dataset.name: len(dataset.paths) for dataset in find_datasets(tmp_path)}
    assert found == {tmp_path.name: 1, "inner": 2}


def test_a_folder_without_pictures_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("no picture")
    for folder in (tmp_path, tmp_path / "none", tmp_path / "notes.txt"):
        with pytest.raises(PictureError, match="expected"):
            find_datasets(folder)


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_a_pair_is_cropped_and_degraded(scale, ground_truth):
    pair = load_pair(ground_truth / "first" / "astronaut.png", scale=scale)
    assert pair.high.shape == (61 - 61 % scale, 60 - 60 % scale, 3)
    np.testing.assert_array_equal(pair.low, degrade(pair.high, scale))
    assert pair.low.shape[0] * scale == pair.high.shape[0]


def test_pairs_are_loaded_one_at_a_time(ground_truth):
    pairs = load_pairs([ground_truth / "first" / "chelsea.png", "none.png"], scale=2)
    assert next(pairs).name == "chelsea.png"
    with pytest.raises(PictureError):
        next(pairs)


def test_the_smallest_picture_that_can_be_measured(tmp_path):
    # Cropped by at most s - 1, then by s on each side; SSIM's window of 11 must still fit.
    for scale in (2, 3, 4):
        least = scale - 1 + 2 * scale + 11
        Image.new("RGB", (least, least)).save(tmp_path / "least.png")
        pair = load_pair(tmp_path / "least.png", scale=scale)
        measure_upscaler(lambda low, pair=pair: pair.high, [pair], scale=scale)
        Image.new("RGB", (least - 1, 99)).save(tmp_path / "small.png")
        with pytest.raises(PictureError, match=str(least)):
            load_pair(tmp_path / "small.png", scale=scale)


@pytest.mark.parametrize("scale", [0, -2, 9])
def test_scale_factors_have_limits(scale):
    with pytest.raises(OptionError, match="expected a scale factor of 1 to 8"):
        require_scale(scale)


def test_the_scale_must_be_the_files(files):
    runner = open_model(files.clip_free)
    assert scale_of(runner) == scale_of(runner, 2) == 2
    with pytest.raises(OptionError, match="expected a x3 file, found x2"):
        scale_of(runner, 3)
    with pytest.raises(OptionError, match="1 to 8"):
        scale_of(runner, 0)


@pytest.fixture(scope="module")
def measured(files, ground_truth):
    """Results of every file on the first dataset, by name."""
    dataset = find_datasets(ground_truth)[0]
    return {
        name: measure_file(open_model(path, delegate="builtin"), dataset)
        for name, path in vars(files).items()
    }


@pytest.mark.parametrize("name", ["clip_free", "clip_free_int8", "clipped"])
def test_under_the_contract_raw_is_dequantized(name, measured):
    found = measured[name]
    assert found.raw.psnr_rgb_db == pytest.approx(found.dequantized.psnr_rgb_db, abs=0.01)
    assert found.raw.psnr_y_db == pytest.approx(found.dequantized.psnr_y_db, abs=0.01)


def test_a_broken_contract_costs_decibels_in_the_raw_reading(measured):
    natural = measured["natural"]
    assert natural.raw.psnr_rgb_db < natural.dequantized.psnr_rgb_db - 3
    assert natural.dequantized.psnr_rgb_db == pytest.approx(
        measured["floating"].raw.psnr_rgb_db, abs=0.3
    )


def test_int8_and_uint8_files_give_the_same_pixels(measured):
    assert measured["clip_free"].images == measured["clip_free_int8"].images


def test_a_float_file_is_its_network(measured, ground_truth):
    model = sharpening_network()
    pairs = load_pairs(find_datasets(ground_truth)[0].paths, scale=2)
    expected = measure_upscaler(
        lambda low: to_pixels(model(low[None] / np.float32(255)).numpy()[0]), pairs, scale=2
    )
    found = measured["floating"]
    for image, other in zip(found.images, expected):
        assert image.image == other.image
        assert image.raw.psnr_rgb_db == pytest.approx(other.raw.psnr_rgb_db, abs=0.01)
    assert found.raw == found.dequantized


def test_quantization_costs_little(measured):
    drops = np.subtract(figures(measured["floating"]), figures(measured["clip_free"]))
    assert np.abs(drops).max() < 0.2


def test_json_has_the_agreed_keys(measured):
    found = measured["clip_free"]
    row = found.to_json()
    assert {
        "model",
        "dataset",
        "images",
        "scale",
        "psnr_rgb_db",
        "psnr_y_db",
        "ssim_y",
        "protocol",
    } <= set(row)
    assert (row["dataset"], row["images"], row["scale"]) == ("first", 2, 2)
    assert row["psnr_rgb_db"] == pytest.approx(np.mean(figures(found)))
    assert row["protocol"] == quality_protocol(2) and row["protocol"].startswith("x2, ")
    assert row["delegate"] == "builtin" and len(row["sha256"]) == 64
    per_image = found.per_image()
    assert [image["image"] for image in per_image] == ["astronaut.png", "chelsea.png"]
    assert per_image[0]["psnr_rgb_db"] == found.images[0].raw.psnr_rgb_db
    assert {"model", "dataset", "dequantized_psnr_rgb_db", "saturated_fraction"} <= set(
        per_image[0]
    )


def test_a_network_outside_of_a_file_has_no_hash():
    quality = Quality(30.0, 31.0, 0.9)
    row = QualityResult("net", "d", 2, None, (ImageQuality("a", quality, quality, 0.25),)).to_json()
    assert row["sha256"] is row["delegate"] is row["runtime"] is None
    assert row["saturated_fraction"] == 0.25


def test_progress_names_the_picture(files, ground_truth):
    steps = []
    dataset = find_datasets(ground_truth)[0]
    measure_file(open_model(files.clip_free), dataset, on_step=lambda *step: steps.append(step))
    assert steps == [(0, 2, "first astronaut.png"), (1, 2, "first chelsea.png")]


def test_a_float_file_in_codes_is_told_without_a_word(ground_truth):
    """A network in 0..255 that also adds 20 codes, which is white itself in 0..1."""
    import tf_keras

    picture = tf_keras.Input((None, None, 3), name="input")
    model = tf_keras.Model(picture, sharpening_network()(picture + 20.0))
    runner = open_model(convert_float(model, height=24, width=24), delegate="builtin")
    dataset = find_datasets(ground_truth)[1]
    right, wrong = (measure_file(runner, dataset, pixels=pixels) for pixels in (None, UNIT))
    (expected,) = measure_upscaler(
        lambda low: to_pixels(model(low[None].astype(np.float32)).numpy()[0] / 255),
        load_pairs(dataset.paths, scale=2),
        scale=2,
    )
    assert right.raw.psnr_rgb_db == pytest.approx(expected.raw.psnr_rgb_db, abs=0.01)
    assert wrong.raw.psnr_rgb_db < right.raw.psnr_rgb_db - 3
    assert wrong.saturated_fraction > 0.9
    assert right.to_json()["pixels"]["pixels_in"] == [0.0, 255.0]
