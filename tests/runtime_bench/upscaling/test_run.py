"""Pictures and folders from disk to disk."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from export.running.interpreters import open_model
from export.running.pixels import upscale
from runtime_bench.upscaling.run import find_model, open_upscaler, upscale_pictures
from runtime_bench.upscaling.targets import planned
from sr_models.ground.errors import ModelFileError, OptionError, OutputError, PictureError


@pytest.fixture
def upscaler(files):
    return open_upscaler(files.clip_free, tile=(16, 20), delegate="xnnpack", threads=1)


def test_a_folder_becomes_a_folder_of_the_same_shape(upscaler, files, ground_truth, tmp_path):
    todo = planned(ground_truth, tmp_path / "out", suffix=".png")
    notes = []
    results = upscale_pictures(upscaler, todo, on_tile=lambda *args: notes.append(args))
    assert [result.written for result in results] == [
        str(tmp_path / "out" / name)
        for name in ("first/astronaut.png", "first/chelsea.png", "second/coffee.png")
    ]
    for result in results:
        picture = np.asarray(Image.open(result.source))
        expected = upscale(open_model(files.clip_free), picture).raw
        assert np.array_equal(np.asarray(Image.open(result.written)), expected)
        assert result.tiles > 1
    assert notes[-1] == (results[-1].tiles, results[-1].tiles, "picture 3 of 3")


def test_two_pictures_for_one_file_are_refused(tmp_path):
    for name in ("a.png", "a.jpg"):
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    with pytest.raises(OptionError, match="both become"):
        planned(tmp_path, tmp_path / "out", suffix=".png")


def test_an_existing_picture_is_replaced_only_when_asked(upscaler, tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "in.png")
    todo = planned(tmp_path / "in.png", tmp_path / "out.png", suffix=".png")
    upscale_pictures(upscaler, todo)
    with pytest.raises(OutputError, match="--overwrite"):
        upscale_pictures(upscaler, todo)
    upscale_pictures(upscaler, todo, overwrite=True)


def test_a_picture_is_never_replaced_by_its_own_enlargement(upscaler, tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "in.png")
    before = (tmp_path / "in.png").read_bytes()
    (tmp_path / "link.png").symlink_to(tmp_path / "in.png")
    for todo in (
        planned(tmp_path, tmp_path, suffix=".png"),
        planned(tmp_path / "link.png", tmp_path / "in.png", suffix=".png"),
    ):
        with pytest.raises(OptionError, match=r"the picture itself: .*\.png"):
            upscale_pictures(upscaler, todo, overwrite=True)
    assert (tmp_path / "in.png").read_bytes() == before


def test_a_bad_picture_leaves_those_before_it(upscaler, tmp_path):
    (tmp_path / "in").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "b.png").write_bytes(b"no picture")
    with pytest.raises(PictureError, match=r"b\.png"):
        upscale_pictures(upscaler, planned(tmp_path / "in", tmp_path / "out", suffix=".png"))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.png"]


def test_the_file_of_the_largest_input_is_taken_from_a_folder(files, tmp_path):
    (tmp_path / "small.tflite").write_bytes(files.clip_free.read_bytes())
    assert find_model(tmp_path) == tmp_path / "small.tflite"
    assert find_model(files.clip_free) == files.clip_free
    (tmp_path / "none").mkdir()
    with pytest.raises(ModelFileError, match="found none"):
        find_model(tmp_path / "none")


MEMORY = """
import sys
from runtime_bench.upscaling.run import (open_upscaler, peak_memory_mb, upscale_pictures)
from runtime_bench.upscaling.targets import planned
upscaler = open_upscaler(sys.argv[1], tile=(128, 128), delegate="xnnpack", threads=1)
before = peak_memory_mb()
upscale_pictures(upscaler, planned(sys.argv[2], sys.argv[3], suffix=".png"))
print(peak_memory_mb() - before)
"""


@pytest.mark.slow
def test_memory_stays_near_the_size_of_the_output(files, tmp_path, run_python):
    """A smaller analogue of 12 megapixels in under 1 GiB: 3 megapixels in, 12 out.

    The output takes 4 bytes a pixel (48 MiB) once, the input 3, and 4 twice while it is decoded.
    """
    Image.new("RGB", (2048, 1536), "teal").save(tmp_path / "in.png")
    result = run_python(MEMORY, files.clip_free, tmp_path / "in.png", tmp_path / "out.png")
    assert result.returncode == 0, result.stderr
    # Whole arrays in place of tiles and blocks would take several times the output.
    assert float(result.stdout) < 48 + 12 + 24 + 40
