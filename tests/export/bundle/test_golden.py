import numpy as np
import pytest
from PIL import Image

from export.bundle.golden import (
    GoldenPair,
    Tolerance,
    difference,
    golden_picture,
    make_pair,
    turned,
    write_pair,
)
from tests.tiny_files import TinyFile, pixel_grid


def test_differences_by_hand():
    found = difference(np.array([[0, 255, 7, 7]], np.uint8), np.array([[255, 0, 7, 8]], np.uint8))
    assert found == Tolerance(255, 0.75)
    assert Tolerance(2, 0.5).allows(Tolerance(2, 0.5))
    assert not Tolerance(2, 0.5).allows(Tolerance(3, 0.1))
    assert not Tolerance(2, 0.5).allows(Tolerance(1, 0.6))


def test_the_picture_fits_any_size_and_reaches_both_ends():
    for size in ((4, 5), (40, 60), (900, 1300)):
        picture = golden_picture(*size)
        assert picture.shape == (*size, 3) and picture.dtype == np.uint8
        assert picture.min() == 0 and picture.max() == 255
    assert np.array_equal(golden_picture(40, 60), golden_picture(40, 60))
    # A photograph below the noise: neighbours are alike.
    rows = golden_picture(60, 60)[20:].astype(int)
    assert np.abs(np.diff(rows, axis=1)).mean() < 10


@pytest.mark.parametrize("codes", ["uint8", "int8"])
def test_a_pair_is_what_xnnpack_gives_with_measured_differences(codes):
    file = TinyFile()
    source = file.tensor("picture", (1, 8, 10, 3), grid=pixel_grid(codes))
    tensor = file.convolution(source, pixel_grid(codes), channels=12)
    content = file.finished([source], [file.depth_to_space(tensor)])
    pair = make_pair(content, height=8, width=10)
    assert pair.output.shape == (16, 20, 3) and pair.output.dtype == codes
    assert np.array_equal(turned(pair.input), golden_picture(8, 10))
    assert set(pair.tolerance) == {"xnnpack", "builtin", "reference"}
    assert pair.tolerance["xnnpack"] == Tolerance(0, 0.0)
    assert pair.output.std() > 10


def test_raw_holds_codes_and_png_their_pixels(tmp_path):
    rng = np.random.default_rng(0)
    low, high = (rng.integers(-128, 128, (n, 2 * n, 3), dtype=np.int8) for n in (3, 6))
    entry = write_pair(GoldenPair(low, high, {"xnnpack": Tolerance(0, 0.0)}), tmp_path)
    for part, codes in (("input", low), ("output", high)):
        raw = np.frombuffer((tmp_path / entry[part]).read_bytes(), np.int8)
        assert np.array_equal(raw.reshape(codes.shape), codes)
        pixels = np.asarray(Image.open(tmp_path / entry[f"{part}_png"]))
        assert np.array_equal(pixels, codes.astype(int) + 128)
    assert entry["tolerance"] == {
        "xnnpack": {"max_abs_code_difference": 0, "differing_fraction": 0.0}
    }
