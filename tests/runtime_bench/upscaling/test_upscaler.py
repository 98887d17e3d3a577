"""Tiled output is that of the whole picture, to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from export.exporting.conversion import convert_with_ranges
from export.running.interpreters import open_model
from export.running.pixels import upscale
from export.tflite.windows import read_receptive_field
from representative_data.dataset import RepresentativeDataset
from representative_data.observation import observe_ranges, pin_pixels
from runtime_bench.upscaling.upscaler import Upscaler
from sr_models.ground.errors import ModelFileError, OptionError
from sr_models.networks.presets import PRESETS
from sr_models.networks.tails import attach_tail
from tests.families import SMALL, VARIANTS
from tests.networks import branched_trunk
from tests.tiny_files import TinyFile, pixel_grid


def picture_of(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height * 97 + width).integers(
        0, 256, (height, width, 3), dtype=np.uint8
    )


def int8_file(trunk, *, scale: int, io: str = "uint8") -> bytes:
    picture = picture_of(16, 24)
    natural = RepresentativeDataset([picture], [], "natural", "test", "", scale)
    model = attach_tail(trunk, "relu", scale=scale)
    ranges = pin_pixels(observe_ranges(model, natural), model)
    return convert_with_ranges(model, ranges, sample=picture, height=16, width=24, io=io)


@pytest.fixture(scope="module")
def branched() -> bytes:
    return int8_file(branched_trunk(), scale=2)


@pytest.mark.parametrize("name", [*SMALL, *VARIANTS])
def test_tiles_of_a_network_of_each_family_leave_no_seam(name, small_file):
    """`test_tiling.py` has those that reach further."""
    content = small_file(name, "relu").content
    least = read_receptive_field(content).least_tile
    picture = picture_of(2 * least + 3, 3 * least + 1)
    whole = upscale(open_model(content), picture).raw
    assert whole.std() > 5
    tiled = Upscaler(open_model(content), tile=(least + 2, least + 7))
    assert np.array_equal(tiled.whole(picture), whole)
    assert tiled.plan(*picture.shape[:2]).tiles > 6


def test_every_family_has_its_network():
    assert {preset.family for preset in PRESETS.values()} == set(SMALL)


@settings(max_examples=12)
@given(height=st.integers(1, 40), width=st.integers(1, 40), tile=st.integers(8, 20))
def test_any_picture_in_any_tiles_is_the_whole_picture(branched, height, width, tile):
    picture = picture_of(height, width)
    tiled = Upscaler(open_model(branched), tile=(tile, tile + 1)).whole(picture)
    assert np.array_equal(tiled, upscale(open_model(branched), picture).raw)


@pytest.mark.parametrize("io", ["int8", "float32"])
def test_other_interfaces_are_read_by_their_own_rules(io):
    content = int8_file(branched_trunk(), scale=2, io=io)
    picture = picture_of(20, 31)
    upscaler = Upscaler(open_model(content), tile=(12, 12))
    whole = upscale(open_model(content), picture)
    assert upscaler.raw == (io == "int8")
    expected = whole.raw if io == "int8" else whole.dequantized
    assert np.array_equal(upscaler.whole(picture), expected)


def test_a_file_that_breaks_the_contract_is_dequantized(files):
    picture = picture_of(30, 30)
    upscaler = Upscaler(open_model(files.natural), tile=(20, 20))
    assert not upscaler.raw
    expected = upscale(open_model(files.natural), picture).dequantized
    assert np.array_equal(upscaler.whole(picture), expected)


def test_tiles_are_of_a_size_that_is_worth_it(branched):
    """A radius of 3 leaves 250 of 256 pixels; what the file takes whole is not cut."""
    upscaler = Upscaler(open_model(branched))
    plan = upscaler.plan(300, 600)
    assert plan.tile == (256, 256) and plan.tiles == 2 * 3
    assert upscaler.plan(16, 24).tiles == 1
    assert upscaler.plan(200, 600).tile == (200, 256)


def test_one_pixel_too_little_overlap_would_show(branched, monkeypatch):
    """A planted fault: the test above must be able to fail."""
    picture = picture_of(60, 60)
    whole = upscale(open_model(branched), picture).raw
    upscaler = Upscaler(open_model(branched), tile=(16, 16))
    radius = upscaler.field.radius
    monkeypatch.setattr("runtime_bench.upscaling.upscaler.margin_of", lambda field: radius - 1)
    assert not np.array_equal(upscaler.whole(picture), whole)


def test_tiles_without_a_middle_are_refused(branched):
    with pytest.raises(OptionError, match="more than 6 pixels"):
        Upscaler(open_model(branched), tile=(6, 6)).whole(picture_of(40, 40))


def fixed_file() -> bytes:
    """A convolution and a reshape to the very same shape, which forbids any other size."""
    file = TinyFile()
    source = file.tensor("picture", (1, 4, 6, 3), grid=pixel_grid("uint8"))
    tensor = file.convolution(source, pixel_grid("uint8"), channels=12)
    tensor = file.reshape(tensor, (1, 4, 6, 12))
    return file.finished([source], [file.depth_to_space(tensor)])


def test_a_file_of_one_size_alone_takes_a_mirrored_picture():
    content = fixed_file()
    picture = picture_of(3, 5)
    upscaler = Upscaler(open_model(content, delegate="builtin"))
    plan = upscaler.plan(3, 5)
    assert plan.padded and plan.tile == (4, 6)
    mirrored = np.pad(picture, ((0, 1), (0, 1), (0, 0)), mode="symmetric")
    expected = open_model(content, delegate="builtin").run(mirrored[None])[0][:6, :10]
    assert np.array_equal(upscaler.whole(picture), expected)


def test_a_file_whose_reach_is_unknown_says_so_for_large_pictures_alone():
    upscaler = Upscaler(open_model(fixed_file(), delegate="builtin"))
    assert upscaler.whole(picture_of(4, 6)).shape == (8, 12, 3)
    with pytest.raises(ModelFileError, match="RESHAPE"):
        upscaler.whole(picture_of(8, 6))
