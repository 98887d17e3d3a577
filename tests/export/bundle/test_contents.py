import json
import shutil
from dataclasses import replace

import pytest

from export.bundle.contents import (
    build_contents,
    receptive_field_json,
    require_one_quantization,
    require_pixels,
)
from export.bundle.interface import Interface
from export.exporting.settings import ExportSettings
from sr_models.ground.errors import ConversionError, OptionError
from sr_models.ground.sizes import DYNAMIC, Size
from sr_models.networks.presets import PRESETS
from tests.tiny_files import clipped_file


@pytest.fixture
def manifest(made_bundle):
    return json.loads((made_bundle / "manifest.json").read_text())


def test_the_manifest_says_how_to_feed_and_read_each_file(manifest):
    for model, (height, width) in zip(manifest["models"], ((16, 24), (12, 20))):
        assert model["input"]["shape"] == [1, height, width, 3]
        assert model["output"]["shape"] == [1, 2 * height, 2 * width, 3]
        for part in ("input", "output"):
            assert model[part]["codes_are_pixels"] and model[part]["colour"] == "RGB"
            assert model[part]["value_range"] == pytest.approx([0.0, 1.0], abs=1e-6)
        assert model["clip_ops"] == [] and model["operators"]["CONV_2D"] == 1
        assert model["delegates"]["xnnpack"]["partitions"] == 1
    assert manifest["receptive_field"] == {"radius": 1, "alignment": 1, "scale": 2}


def test_the_manifest_says_what_was_measured_and_how(manifest):
    assert manifest["quality"]["int8_drop"]["psnr_rgb_drop_db"] == 0.03
    assert "PSNR" in manifest["quality"]["protocol"]
    assert manifest["clipped_twin"]["clip_ops"] == 2
    assert manifest["latency"] is None
    assert "sizes" not in manifest["settings"]
    assert manifest["calibration"]["records"]


def test_licences_are_stated_or_said_to_be_unknown(manifest):
    assert "scikit-image" in manifest["licences"]["calibration_pictures"]
    assert "CC0" in manifest["licences"]["golden_pictures"]
    assert "chelsea.png" in manifest["licences"]["card_picture"]
    assert manifest["licences"]["weights"] == []


def test_other_weights_do_not_take_the_licences_of_the_shipped_ones(export_small, tmp_path):
    preset = PRESETS["xlsr_x3"]
    made = export_small("xlsr_x3", ExportSettings(sizes=(Size(8, 8),)))

    def licences(weights):
        interface = Interface("uint8", "auto", {})
        contents = build_contents(
            made, goldens=[{}], interface=interface, twin=None, latency=None, weights=weights
        )
        return contents["licences"]["weights"]

    assert any(row["folder"] == "BSDS500" for row in licences(None))
    other = tmp_path / "other.weights.h5"
    shutil.copy(preset.weights_path, other)
    assert licences(other) == []
    shutil.copy(preset.card_path, tmp_path / "other.json")
    assert licences(other) == licences(None)
    with other.open("ab") as file:
        file.write(b"trained further")
    assert licences(other) == []
    shutil.copy(preset.weights_path, tmp_path / "other.h5")
    assert licences(tmp_path / "other.h5") == []


def test_sizes_of_different_quantization_are_refused(export_small):
    settings = ExportSettings(sizes=(Size(8, 8), Size(10, 8)))
    files = export_small("a", settings).files
    require_one_quantization(files)
    other = export_small("a", replace(settings, tail="clip")).files[1]
    with pytest.raises(ConversionError, match=r"model_10x8\.tflite differs from model_8x8"):
        require_one_quantization([files[0], other])


def test_codes_that_are_no_pixels_are_refused(export_small):
    require_pixels(export_small("a", ExportSettings(sizes=(Size(8, 8),), io="int8")).files)
    made = export_small("a", ExportSettings(sizes=(Size(8, 8),), io="float32"))
    with pytest.raises(OptionError, match=r"found float32 of 3 channels in model\.tflite"):
        require_pixels(made.files)


def test_files_of_any_size_are_refused(export_small):
    (file,) = export_small("a", ExportSettings(sizes=(Size(8, 8),))).files
    with pytest.raises(OptionError, match="found dynamic"):
        require_pixels([replace(file, size=DYNAMIC)])


def test_a_file_that_looks_everywhere_has_no_radius():
    assert receptive_field_json(clipped_file("RESHAPE")) is None
