"""The command `sr-bench upscale`."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from tests.enlarging_files import enlarging_file
from tests.tiny_files import pixel_grid


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "in.png"
    Image.effect_noise((40, 30), 80).convert("RGB").save(path)
    return path


def test_a_picture_is_upscaled_and_told_about(call, files, picture, tmp_path):
    status, out, err = call(
        "upscale", files.clip_free, picture, tmp_path / "out.png", "--tile", "16x16", "--json", "-"
    )
    assert status == 0, err
    told = json.loads(out)
    (result,) = told["results"]
    assert (result["width"], result["height"], result["scale"]) == (40, 30, 2)
    # A radius of 1 leaves 14 of 16: 15 + 15 rows and 15 + 14 + 11 columns.
    assert (result["tiles"], result["tile_height"]) == (6, 16)
    assert told["codes_are_pixels"] and told["model"]["sha256"] and told["peak_memory_mb"] > 0
    assert "peak memory" in err
    assert Image.open(tmp_path / "out.png").size == (80, 60)


def test_black_and_white_are_found_said_and_overruled(call, picture, tmp_path):
    """A float file of 0..255 that repeats each pixel, four levels brighter."""
    file, out = tmp_path / "m.tflite", tmp_path / "out.png"
    file.write_bytes(enlarging_file(lift=4.0))
    expected = np.asarray(Image.open(picture)).repeat(2, 0).repeat(2, 1).astype(int) + 4
    status, text, err = call("upscale", file, picture, out, "--json", "-")
    assert status == 0 and "inputs of 0..255 and outputs of 0..255 (by its answers" in err
    assert np.array_equal(np.asarray(Image.open(out)), np.minimum(expected, 255))
    assert json.loads(text)["pixels"]["pixels_in"] == [0.0, 255.0]
    # Half the contrast around black: 255 is read as 510 of 255.
    words = ("--pixels", "0..255:0..510", "--overwrite")
    status, _, err = call("upscale", file, picture, out, *words)
    assert status == 0 and "(as given)" in err
    assert np.array_equal(np.asarray(Image.open(out)), np.rint(expected / 2).astype(np.uint8))
    status, _, err = call("upscale", file, picture, out, "--pixels", "1..0")
    assert status == 2 and "change --pixels" in err


def test_channels_first_are_upscaled_as_they_are(call, picture, tmp_path):
    for name, first in (("first", True), ("last", False)):
        path = tmp_path / f"{name}.tflite"
        grid = pixel_grid()
        path.write_bytes(enlarging_file(low=grid, high=grid, inner=grid, channels_first=first))
        assert call("upscale", path, picture, tmp_path / f"{name}.png")[0] == 0
    pictures = [np.asarray(Image.open(tmp_path / f"{n}.png")) for n in ("first", "last")]
    assert np.array_equal(*pictures)


def test_notices_are_said(call, files, tmp_path):
    picture = Image.effect_noise((8, 8), 80).convert("I;16")
    picture.save(tmp_path / "in.png")
    status, _, err = call("upscale", files.natural, tmp_path / "in.png", tmp_path / "out.png")
    assert status == 0
    assert "16 bits per channel are reduced" in err
    assert "codes are not pixels" in err


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--tile", "360"], "expected a size such as 360x640"),
        (["--tile", "0x4"], "expected a height and width of 1..8192 pixels, found 0x4"),
        (["--tile", "dynamic"], "expected a size such as 360x640 (height first)"),
        (["--tile", "2x2"], "give larger tiles"),
        (["--delegate", "gpu"], "expected a delegate"),
    ],
)
def test_bad_options_are_named(call, files, picture, tmp_path, arguments, words):
    status, _, err = call("upscale", files.clip_free, picture, tmp_path / "out.png", *arguments)
    assert status == 2 and words in err
    assert not (tmp_path / "out.png").exists()


def test_bad_paths_are_named(call, files, picture, tmp_path):
    for source, out, words in (
        (tmp_path / "none.png", tmp_path / "out.png", "no such file"),
        (picture, tmp_path / "out.gif", "expected an output of"),
        (picture, picture, "--overwrite"),
    ):
        status, _, err = call("upscale", files.clip_free, source, out)
        assert status == 2 and words in err, err
    assert call("upscale", tmp_path / "none.tflite", picture, tmp_path / "out.png")[0] == 2
