"""Luma of studios, 16..235, and of JPEG, 0..255: networks of either keep their fidelity."""

import numpy as np
import pytest

from export.exporting.job import run_export
from export.exporting.settings import ExportSettings
from export.running.interpreters import open_model
from representative_data.tiles import load_tiles
from sr_models.ground.metrics import full_range, luma_pixels
from sr_models.ground.pictures import stretched, to_pixels
from sr_models.ground.sizes import Size
from tests.strangers import stranger


def test_the_full_range_is_that_of_pillow():
    """Pillow's L is 0.299 R + 0.587 G + 0.114 B, rounded; each rounding is off by half a code."""
    from PIL import Image

    rgb = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    expected = np.asarray(Image.fromarray(rgb).convert("L"))[..., None]
    # Half a studio code is 0.58 of a full one; Pillow cuts off rather than rounds.
    assert np.abs(full_range(luma_pixels(rgb)).astype(int) - expected).max() <= 1
    assert full_range(np.array([16, 235, 0, 255], np.uint8)).tolist() == [0, 255, 0, 255]


def test_stretching_spans_every_code():
    picture = np.array([[[20, 30], [46, 70]]], np.uint8)
    # (p - 20) * 255 / 50 = 5.1 (p - 20)
    assert stretched(picture).ravel().tolist() == [0, 51, 133, 255]
    flat = np.full((2, 2, 1), 7, np.uint8)
    assert stretched(flat) is flat


def test_calibration_tiles_alternate_between_the_ranges(picture_folder):
    options = {"scale": 2, "count": 6, "side": 24, "channels": 1}
    studio = load_tiles(picture_folder, **options)
    both = load_tiles(picture_folder, both_ranges=True, **options)
    for index, (one, other) in enumerate(zip(studio, both)):
        expected = full_range(one.pixels) if index % 2 else one.pixels
        np.testing.assert_array_equal(other.pixels, expected)
    colours = [load_tiles(picture_folder, scale=2, count=4, side=24, both_ranges=b) for b in (0, 1)]
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(*colours))


@pytest.mark.slow
def test_a_luma_network_keeps_its_fidelity_on_both_ranges(picture_folder):
    """Without anchors, nothing but the tiles says how bright pictures are."""
    settings = ExportSettings(sizes=(Size(20, 28),), pictures=10, tile_side=24, anchors=False)
    model = stranger(channels=1)
    result = run_export(model, settings, images=picture_folder)
    full = result.manifest["fidelity"]["full_range"]
    assert full["pictures_are"] == "the same pictures, each stretched to 0..255"
    assert result.fidelity.psnr_db > 50 and full["psnr_db"] > 43
    white = np.full((1, 20, 28, 1), 250, np.uint8)
    expected = to_pixels(model(white / np.float32(255)).numpy())
    codes = open_model(result.content, delegate="builtin").run(white)
    assert np.abs(codes.astype(int) - expected).max() <= 16
