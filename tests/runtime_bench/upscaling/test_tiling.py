"""Tiles: they cover a picture once, and what they keep is what the whole picture gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime_bench.upscaling.tiling import Span, aligned, margin_of, spans
from sr_models.ground.errors import OptionError
from sr_models.networks.receptive_field import ReceptiveField

sizes = st.tuples(st.integers(1, 90), st.integers(1, 40), st.integers(0, 9)).filter(
    lambda size: size[1] > 2 * size[2]
)


@given(sizes)
def test_what_tiles_keep_covers_a_picture_once_and_stays_off_inner_edges(size):
    length, tile, margin = size
    found = spans(length, tile=tile, margin=margin)
    assert [span.first for span in found] == [0, *(span.stop for span in found[:-1])]
    assert found[-1].stop == length
    for span in found:
        assert 0 <= span.start <= span.first < span.stop
        if length > tile:
            assert span.stop <= span.start + tile <= length
        assert span.start == 0 or span.first - span.start >= margin
        assert span.start + tile >= length or span.start + tile - span.stop >= margin


def test_spans_by_hand():
    """Tiles of 8 with margin 2 keep their middle 4; the last is moved back to the border."""
    assert spans(15, tile=8, margin=2) == [Span(0, 0, 6), Span(4, 6, 10), Span(7, 10, 15)]
    assert spans(8, tile=8, margin=2) == [Span(0, 0, 8)]
    assert spans(5, tile=8, margin=2) == [Span(0, 0, 5)]


def test_tiles_without_a_middle_are_refused():
    with pytest.raises(OptionError, match="more than 14 pixels"):
        spans(100, tile=14, margin=7)


def box(picture: np.ndarray, radius: int) -> np.ndarray:
    """A network in whole numbers: the sum over a window, black outside, of no two equal weights."""
    weights = np.arange(1, 2 * radius + 2, dtype=np.uint64)
    return np.convolve(picture, weights, mode="full")[radius : radius + len(picture)]


def tiled(picture: np.ndarray, *, tile: int, margin: int, radius: int) -> np.ndarray:
    parts = [
        box(picture[s.start : s.start + tile], radius)[s.first - s.start : s.stop - s.start]
        for s in spans(len(picture), tile=tile, margin=margin)
    ]
    return np.concatenate(parts)


@given(radius=st.integers(1, 160), alignment=st.sampled_from([1, 2, 4]))
def test_tiles_by_any_receptive_field_leave_no_seam(radius, alignment):
    """The presets' radii are from 4 to some 130; `test_keras_windows.py` holds each of them."""
    field = ReceptiveField(radius, alignment, 2)
    tile = field.least_tile + 5
    picture = np.random.default_rng(0).integers(0, 256, 3 * tile + 7).astype(np.uint64)
    whole = box(picture, radius)
    margin = margin_of(field)
    assert np.array_equal(tiled(picture, tile=tile, margin=margin, radius=radius), whole)
    # One pixel less shows: the field is not larger than it must be.
    if alignment == 1:
        short = tiled(picture, tile=tile, margin=margin - 1, radius=radius)
        assert not np.array_equal(short, whole)


def test_margins_are_multiples_of_the_alignment():
    assert margin_of(ReceptiveField(5, 1, 2)) == 5
    assert margin_of(ReceptiveField(5, 4, 2)) == 8
    assert aligned(13, 4) == 16 and aligned(12, 4) == 12
