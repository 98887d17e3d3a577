import json

import numpy as np
import pytest
from PIL import Image

from export.bundle.model_card import render


@pytest.fixture
def contents(made_bundle):
    return json.loads((made_bundle / "manifest.json").read_text())


def test_the_card_is_a_page_with_its_picture(made_bundle, contents):
    card = (made_bundle / "model_card.md").read_text()
    assert card.startswith("# sharpening, x2\n")
    assert "(card/comparison.png)" in card
    # Four crops of 96 pixels, three times enlarged, and three gaps.
    assert Image.open(made_bundle / "card" / "comparison.png").size == (4 * 288 + 3 * 6, 288)
    picture = np.asarray(Image.open(made_bundle / "card" / "comparison.png"))
    crops = [picture[:, i * 294 : i * 294 + 288] for i in range(4)]
    assert all(not np.array_equal(crops[0], other) for other in crops[1:])


def test_the_clipped_twin_stands_beside_the_file(contents):
    contents["clipped_twin"]["fidelity"]["psnr_db"] = 41.234
    rows = [line for line in render(contents, size_bytes=2000).splitlines() if "| 2.0 kB" in line]
    assert rows == ["| **this file** | 0 | 1.0000 | 2 | 2.0 kB | 50.00 dB | 0.030 / 0.020 dB |"]
    assert "| clipped baseline | 2 |" in render(contents, size_bytes=1)
    assert "| 41.23 dB |" in render(contents, size_bytes=1)


def test_the_card_says_how_codes_are_pixels(contents):
    card = render(contents, size_bytes=1)
    assert "`pixel xor 0x80`" in card and "\n\n\n" not in card
    contents["interface"]["dtype"] = "uint8"
    assert "copy bytes\nin, copy bytes out" in render(contents, size_bytes=1)


def test_what_is_not_known_is_said(contents):
    contents |= {"clipped_twin": None, "receptive_field": None}
    contents["quality"]["int8_drop"] = None
    contents["quality"]["fidelity"]["psnr_db"] = None
    card = render(contents, size_bytes=1)
    assert "clipped baseline" not in card and "cut into tiles" not in card
    assert "| equal | not measured |" in card
    assert "Not measured for this bundle" in card
    assert "What the weights were trained on is not stated" in card


def test_a_noisy_machine_is_not_kept_quiet(contents):
    row = {"model": "a.tflite", "sha256": "0", "delegate": "xnnpack", "threads": 1, "median_ms": 1}
    contents["latency"] = {"results": [row], "machine": {"cpu": "a slow one", "warning": None}}
    assert "warned" not in render(contents, size_bytes=1)
    contents["latency"]["machine"]["warning"] = "noisy machine: load average 9"
    assert "It warned of a noisy machine: load average 9." in render(contents, size_bytes=1)


def test_the_shown_picture_is_credited(contents):
    assert "The picture above: chelsea.png of scikit-image: CC0" in render(contents, size_bytes=1)


def test_tables_have_no_gaps(contents):
    lines = render(contents, size_bytes=1).splitlines()
    for before, line, after in zip(lines, lines[1:], lines[2:]):
        assert line or not (before.startswith("|") and after.startswith("|"))
