"""Photographs: what is kept of them, and what is refused."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from runtime_bench.upscaling.photographs import Canvas, Photograph, read_photograph
from runtime_bench.upscaling.targets import require_format
from sr_models.ground.errors import OptionError, OutputError, PictureError


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (6, 9, 3), dtype=np.uint8)


@cache
def srgb() -> bytes:
    """Made once: a profile holds the second in which it was made."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def enlarged(path, target, *, scale=2):
    """Write a photograph with every pixel repeated; the new file opened again."""
    photograph = read_photograph(path)
    canvas = Canvas(photograph, scale=scale, path=target)
    canvas.paste(0, 0, photograph.pixels.repeat(scale, axis=0).repeat(scale, axis=1))
    canvas.write()
    return Image.open(target)


def test_transparency_and_colours_under_it_are_kept(pixels, tmp_path):
    alpha = np.full((6, 9), 255, np.uint8)
    alpha[:, :4] = 0
    Image.fromarray(np.dstack([pixels, alpha])).save(tmp_path / "in.png")
    photograph = read_photograph(tmp_path / "in.png")
    assert np.array_equal(photograph.pixels, pixels)
    assert np.array_equal(photograph.alpha, alpha)
    out = np.asarray(enlarged(tmp_path / "in.png", tmp_path / "out.png"))
    assert out.shape == (12, 18, 4)
    assert np.array_equal(out[::2, ::2, :3], pixels)
    # Bilinear, so the step is soft beside the edge and exact away from it.
    assert (out[:, :6, 3] == 0).all() and (out[:, 10:, 3] == 255).all()


def test_transparency_of_blocks_fits_together(tmp_path):
    alpha = np.random.default_rng(2).integers(0, 256, (20, 30), dtype=np.uint8)
    photograph = Photograph(np.zeros((20, 30, 3), np.uint8), alpha, None, ())
    canvas = Canvas(photograph, scale=3, path=tmp_path / "out.png")
    for top in range(0, 60, 21):
        for left in range(0, 90, 33):
            canvas.paste(top, left, np.zeros((min(21, 60 - top), min(33, 90 - left), 3), np.uint8))
    canvas.write()
    whole = np.asarray(Image.fromarray(alpha).resize((90, 60), Image.Resampling.BILINEAR))
    found = np.asarray(Image.open(tmp_path / "out.png"))[..., 3]
    assert np.abs(found.astype(int) - whole).max() <= 1


def test_a_palette_with_a_transparent_colour_becomes_rgba(pixels, tmp_path):
    picture = Image.fromarray(pixels).quantize(8)
    picture.info["transparency"] = 0
    picture.save(tmp_path / "in.png", transparency=0)
    assert (read_photograph(tmp_path / "in.png").alpha == 0).any()


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_the_colour_profile_is_kept(pixels, tmp_path, suffix):
    Image.fromarray(pixels).save(tmp_path / "in.png", icc_profile=srgb())
    out = enlarged(tmp_path / "in.png", tmp_path / f"out{suffix}")
    assert out.info["icc_profile"] == srgb()


def test_a_profile_for_other_colours_is_left_out_and_told(pixels, tmp_path):
    profile = bytearray(srgb())
    profile[16:20] = b"CMYK"
    Image.fromarray(pixels).convert("CMYK").save(tmp_path / "in.jpg", icc_profile=bytes(profile))
    photograph = read_photograph(tmp_path / "in.jpg")
    assert photograph.icc_profile is None
    assert "profile is for CMYK" in photograph.notices[0]


def test_a_profile_that_is_none_is_left_out_and_told(pixels, tmp_path):
    Image.fromarray(pixels).save(tmp_path / "in.png", icc_profile=b"no profile")
    photograph = read_photograph(tmp_path / "in.png")
    assert photograph.icc_profile is None
    assert photograph.notices == ("its profile cannot be read and is left out",)


def test_the_a_of_lab_is_no_transparency(pixels, tmp_path):
    Image.fromarray(pixels).convert("LAB").save(tmp_path / "in.tif")
    photograph = read_photograph(tmp_path / "in.tif")
    assert photograph.alpha is None
    assert np.abs(photograph.pixels.astype(int) - pixels).mean() < 4


def test_orientation_is_applied(pixels, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90 degrees clockwise to view
    Image.fromarray(pixels).save(tmp_path / "in.png", exif=exif)
    photograph = read_photograph(tmp_path / "in.png")
    assert np.array_equal(photograph.pixels, np.rot90(pixels, -1))
    assert enlarged(tmp_path / "in.png", tmp_path / "out.png").getexif().get(0x0112) is None


def test_sixteen_bits_are_reduced_with_a_notice(tmp_path):
    grey = np.linspace(0, 65535, 48).reshape(6, 8).astype(np.uint16)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    tifffile.imwrite(tmp_path / "colour.tif", np.dstack([grey] * 3), photometric="rgb")
    for name in ("grey.png", "colour.tif"):
        photograph = read_photograph(tmp_path / name)
        assert photograph.notices == ("16 bits per channel are reduced to 8",)
        assert np.abs(photograph.pixels[..., 1].astype(int) - grey // 257).max() <= 1


def test_eight_bits_come_without_notice(pixels, tmp_path):
    Image.fromarray(pixels).save(tmp_path / "in.bmp")
    assert read_photograph(tmp_path / "in.bmp").notices == ()
    Image.fromarray(pixels[..., 0]).save(tmp_path / "grey.png")
    assert read_photograph(tmp_path / "grey.png").pixels.shape == (6, 9, 3)


def test_floating_point_is_refused(tmp_path):
    tifffile.imwrite(tmp_path / "in.tif", np.zeros((4, 4), np.float32))
    with pytest.raises(PictureError, match="floating point"):
        read_photograph(tmp_path / "in.tif")


def test_formats_that_cannot_hold_a_picture_are_refused(pixels, tmp_path):
    with pytest.raises(OptionError, match=r"expected an output of \.png"):
        require_format("out.gif")
    alpha = np.full((6, 9), 128, np.uint8)
    Image.fromarray(np.dstack([pixels, alpha])).save(tmp_path / "in.png")
    photograph = read_photograph(tmp_path / "in.png")
    with pytest.raises(OptionError, match="holds transparency"):
        Canvas(photograph, scale=2, path=tmp_path / "out.jpg")
    with pytest.raises(OptionError, match="at most 16383 pixels a side in WEBP"):
        Canvas(photograph, scale=2000, path=tmp_path / "out.webp")
    with pytest.raises(OptionError, match="at most 64 megapixels in WEBP"):
        Canvas(photograph, scale=1300, path=tmp_path / "out.webp")


def test_nothing_half_written_stays(pixels, tmp_path, monkeypatch):
    Image.fromarray(pixels).save(tmp_path / "in.png")

    def fail(self, path, *_, **__):
        path.write_bytes(b"half")
        raise ValueError("no room")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(OutputError, match="no room"):
        enlarged(tmp_path / "in.png", tmp_path / "out.png")
    assert [path.name for path in tmp_path.iterdir()] == ["in.png"]
