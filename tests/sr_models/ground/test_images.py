import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sr_models.ground.errors import PictureError
from sr_models.ground.picture_files import SUFFIXES, list_images, list_images_by_folder
from sr_models.ground.pictures import load_image

RGB = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
GREY = RGB[..., 0]
ALPHA = np.where(np.arange(35).reshape(5, 7) % 2, 255, 0).astype(np.uint8)


def three(grey):
    return np.repeat(grey[..., None], 3, axis=-1)


def over_white(colours):
    return np.where(ALPHA[..., None] == 255, colours, 255)


def saved(picture, tmp_path, name="picture.png", **options):
    picture.save(tmp_path / name, **options)
    return load_image(tmp_path / name)


def test_grey(tmp_path):
    np.testing.assert_array_equal(saved(Image.fromarray(GREY), tmp_path), three(GREY))


def test_grey_with_alpha_lies_over_white(tmp_path):
    picture = Image.merge("LA", [Image.fromarray(GREY), Image.fromarray(ALPHA)])
    np.testing.assert_array_equal(saved(picture, tmp_path), over_white(three(GREY)))


def test_colours_with_alpha_lie_over_white(tmp_path):
    picture = Image.fromarray(np.dstack([RGB, ALPHA]))
    np.testing.assert_array_equal(saved(picture, tmp_path), over_white(RGB))


def palette_picture():
    picture = Image.fromarray((np.arange(35).reshape(5, 7) % 4).astype(np.uint8), mode="P")
    picture.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 10, 20, 30])
    return picture


COLOURS = np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0], [10, 20, 30]], dtype=np.uint8)
INDICES = np.arange(35).reshape(5, 7) % 4


def test_palette(tmp_path):
    np.testing.assert_array_equal(saved(palette_picture(), tmp_path), COLOURS[INDICES])


def test_transparent_palette_entry_becomes_white(tmp_path):
    expected = COLOURS.copy()
    expected[2] = 255
    found = saved(palette_picture(), tmp_path, transparency=2)
    np.testing.assert_array_equal(found, expected[INDICES])


def test_cmyk(tmp_path):
    picture = Image.new("CMYK", (7, 5), (0, 255, 255, 0))
    np.testing.assert_array_equal(saved(picture, tmp_path, "picture.tif"), [[[255, 0, 0]] * 7] * 5)


def test_one_bit(tmp_path):
    picture = Image.fromarray(ALPHA).convert("1")
    np.testing.assert_array_equal(saved(picture, tmp_path), three(ALPHA))


@pytest.mark.parametrize("name", ["picture.png", "picture.tif"])
def test_sixteen_bit_grey_is_rounded_to_eight(name, tmp_path):
    codes = np.array([[0, 128, 129, 257, 32768, 65406, 65407, 65535]], dtype=np.uint16)
    # Multiples of 257 are exact; halfway lies at 128.5, so 128 falls and 129 rises.
    expected = np.array([[0, 0, 1, 1, 128, 254, 255, 255]], dtype=np.uint8)
    np.testing.assert_array_equal(saved(Image.fromarray(codes), tmp_path, name), three(expected))


def test_the_first_frame_of_an_animation(tmp_path):
    frames = [Image.new("RGB", (4, 3), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(load_image(tmp_path / "a.gif"), [[[255, 0, 0]] * 4] * 3)


# What a viewer does to the stored picture, from the table of the EXIF standard (tag 0x0112).
UPRIGHT = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.transpose(1, 0, 2),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: stored[::-1, ::-1].transpose(1, 0, 2),
    8: lambda stored: np.rot90(stored, 1),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_exif_orientation(orientation, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = saved(Image.fromarray(RGB), tmp_path, exif=exif)
    np.testing.assert_array_equal(found, UPRIGHT[orientation](RGB))


def test_one_pixel(tmp_path):
    assert saved(Image.new("RGB", (1, 1), "red"), tmp_path).tolist() == [[[255, 0, 0]]]
    with pytest.raises(PictureError, match=r"at least 2x2 pixels, found 1x1"):
        load_image(tmp_path / "picture.png", minimum_side=2)


def chunk(kind, data):
    checksum = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


def png_that_claims(width, height):
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    image = chunk(b"IDAT", zlib.compress(b"\0"))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + image + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [12_000, 60_000], ids=["beyond us", "beyond Pillow"])
def test_a_bomb_is_refused_by_its_header(side, tmp_path):
    (tmp_path / "bomb.png").write_bytes(png_that_claims(side, side))
    with pytest.raises(PictureError, match="at most 120 megapixels"):
        load_image(tmp_path / "bomb.png")


def whole_png(tmp_path):
    Image.fromarray(RGB).resize((64, 64)).save(tmp_path / "whole.png")
    return (tmp_path / "whole.png").read_bytes()


def test_unusable_files_are_named_and_described(tmp_path):
    whole = whole_png(tmp_path)
    cases = {
        "empty.png": (b"", "an empty file"),
        "truncated.png": (whole[: len(whole) // 2], "a damaged one"),
        "text.png": (b"not a picture\n", "a file of another kind"),
        "float.tif": (None, "floating point"),
        "wide.tif": (None, "grey values of 0..65535"),
    }
    Image.fromarray(np.full((4, 4), 0.5, dtype=np.float32)).save(tmp_path / "float.tif")
    Image.fromarray(np.full((4, 4), 70_000, dtype=np.int32)).save(tmp_path / "wide.tif")
    for name, (data, found) in cases.items():
        if data is not None:
            (tmp_path / name).write_bytes(data)
        with pytest.raises(PictureError, match=found) as error:
            load_image(tmp_path / name)
        assert name in str(error.value) and "\n" not in str(error.value)


def test_a_missing_picture_and_a_folder(tmp_path):
    with pytest.raises(PictureError, match="no such file"):
        load_image(tmp_path / "absent.png")
    with pytest.raises(PictureError, match="found a folder"):
        load_image(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(PictureError):
        load_image(tmp_path / "file" / "below.png")


@given(data=st.data(), suffix=st.sampled_from(SUFFIXES))
def test_damage_anywhere_is_a_picture_error_or_a_picture(data, suffix, tmp_path_factory):
    path = tmp_path_factory.mktemp("damage") / f"picture{suffix}"
    Image.fromarray(RGB).save(path)
    content = bytearray(path.read_bytes())
    places = st.integers(0, len(content) - 1)
    changes = data.draw(st.lists(st.tuples(places, st.integers(0, 255)), max_size=8))
    for place, value in changes:
        content[place] = value
    path.write_bytes(bytes(content[: data.draw(st.integers(0, len(content)))]))
    try:
        picture = load_image(path)
    except PictureError as error:
        assert str(path) in str(error)
    else:
        assert picture.dtype == np.uint8 and picture.ndim == 3 and picture.shape[-1] == 3


def test_listing_is_recursive_sorted_and_passes_over_the_rest(tmp_path):
    names = ["b.PNG", "a/z.jpg", "a/b.webp"]
    others = ["notes.txt", ".hidden.png", ".cache/c.png"]
    for name in names + others:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (2, 2)).save(tmp_path / name, format="PNG")
    (tmp_path / "folder.png").mkdir()
    found = [str(path.relative_to(tmp_path)) for path in list_images(tmp_path)]
    assert found == ["a/b.webp", "a/z.jpg", "b.PNG"]
    groups = list_images_by_folder(tmp_path)
    assert {name: len(paths) for name, paths in groups.items()} == {"a": 2, tmp_path.name: 1}


def test_a_folder_without_pictures(tmp_path):
    with pytest.raises(PictureError, match="found none"):
        list_images(tmp_path)
    with pytest.raises(PictureError, match="no such path"):
        list_images(tmp_path / "absent")
    (tmp_path / "file").write_text("")
    with pytest.raises(PictureError, match="found a file"):
        list_images(tmp_path / "file")
