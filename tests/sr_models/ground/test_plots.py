import base64
import io
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from sr_models.ground import plots

SVG = "data:image/svg+xml;base64,"
PNG = "data:image/png;base64,"


@pytest.fixture
def noise() -> np.ndarray:
    """uint8 (24, 24, 3) of random pixels."""
    return np.random.default_rng(7).integers(0, 256, (24, 24, 3), dtype=np.uint8)


def bar(label="a", median_ms=2.0, p5_ms=1.5, p95_ms=3.0):
    return {"label": label, "median_ms": median_ms, "p5_ms": p5_ms, "p95_ms": p95_ms}


def drawn(uri):
    """The root of an SVG data URI, which must be well-formed."""
    assert uri.startswith(SVG)
    return ElementTree.fromstring(base64.b64decode(uri[len(SVG) :]))


def references(root):
    return [
        value
        for element in root.iter()
        for name, value in element.attrib.items()
        if name.endswith("href")
    ]


@pytest.mark.parametrize("count", [1, 2, 15])
def test_bars_and_points_are_drawn_for_any_number_of_rows(count):
    rows = [{**bar(f"file {i}", 1.0 + i), "psnr_db": 30.0 + i} for i in range(count)]
    for uri in (plots.latency_bars(rows), plots.scatter(rows)):
        root = drawn(uri)
        assert root.tag.endswith("svg")
        assert all(reference.startswith("#") for reference in references(root))


@pytest.mark.parametrize("label", ["$5 and $x^2$", "<script>", "a & b", r"\frac{", "_hidden", ""])
def test_labels_are_no_mathematics_and_no_markup(label):
    row = {**bar(label), "psnr_db": 30.0}
    drawn(plots.latency_bars([row, bar("other")]))
    drawn(plots.scatter([row]))
    drawn(plots.histograms([(label, np.zeros(4, np.uint8))]))


def test_every_point_is_in_the_legend():
    """Also a label that matplotlib takes for private."""
    points = [{"label": name, "median_ms": 1.0, "psnr_db": 30.0} for name in ("_a", "b")]
    usual = [{"label": name, "median_ms": 1.0, "psnr_db": 30.0} for name in ("xa", "b")]
    count = [len(list(drawn(plots.scatter(rows)).iter())) for rows in (points, usual)]
    assert count[0] >= count[1] - 2


def test_percentiles_beside_the_median_are_no_error():
    drawn(plots.latency_bars([bar(p5_ms=2.5, p95_ms=1.0)]))


def test_the_same_rows_give_the_same_plot():
    assert plots.latency_bars([bar()]) == plots.latency_bars([bar()])


def test_histograms_take_any_shape():
    rows = [("all", np.arange(256, dtype=np.uint8)), ("flat", np.zeros((3, 4, 3), np.uint8))]
    drawn(plots.histograms(rows))


pixels = arrays(np.uint8, (3, 4, 3))


@given(pixels, pixels, st.integers(1, 16))
def test_a_difference_map_is_symmetric_saturating_and_black_for_equals(first, second, gain):
    found = plots.difference_map(first, second, gain=gain)
    np.testing.assert_array_equal(found, plots.difference_map(second, first, gain=gain))
    assert found.dtype == np.uint8
    assert not plots.difference_map(first, first, gain=gain).any()
    assert ((found > 0) == (first != second)).all()


def test_a_difference_map_by_hand():
    first, second = np.array([[[10, 0, 255]]], np.uint8), np.array([[[12, 40, 0]]], np.uint8)
    assert plots.difference_map(first, second, gain=8).tolist() == [[[16, 255, 255]]]


@given(st.one_of(pixels, arrays(np.uint8, (5, 2))))
def test_a_picture_is_kept_without_loss(array):
    uri = plots.picture(array)
    assert uri.startswith(PNG)
    found = np.asarray(Image.open(io.BytesIO(base64.b64decode(uri[len(PNG) :]))))
    np.testing.assert_array_equal(found, array)


def test_a_view_of_a_larger_picture_can_be_drawn(noise):
    assert plots.picture(noise[::2, ::-1]).startswith(PNG)
