"""Receptive fields: the arithmetic against brute force over index sets, and its refusals."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sr_models.networks.receptive_field import (
    PIXELWISE,
    ReceptiveField,
    Spread,
    Transposed,
    Untileable,
    Window,
    find_receptive_field,
)


def chain(*readings):
    names = ["in", *map(str, range(len(readings)))]
    return {after: [(before, r)] for before, after, r in zip(names, names[1:], readings)}


def field(*readings) -> ReceptiveField:
    return find_receptive_field([chain(*readings)], source="in", target=str(len(readings) - 1))


def test_stacked_convolutions_add_up():
    assert field(Window.same(3), Window.same(5), PIXELWISE, Spread(3)) == ReceptiveField(3, 1, 3)
    assert field(Window.same(3, dilation=2), Spread(2)).radius == 2
    assert field(PIXELWISE) == ReceptiveField(0, 1, 1)


def test_an_even_kernel_looks_further_behind_than_ahead():
    """A kernel of four at SAME: one in front, two behind."""
    assert field(Window.same(4)).radius == 2


def test_a_window_on_the_large_picture_counts_by_what_it_crosses():
    """Kernel 5 behind x2: two large pixels to the side are one small one."""
    assert field(Spread(2), Window.same(5)) == ReceptiveField(1, 1, 2)
    # Kernel 7 reaches three of them, which cross into the second small pixel.
    assert field(Spread(2), Window.same(7)).radius == 2


def test_reducing_inside_asks_for_aligned_tiles():
    found = field(Window(2, 2), Window.same(3), Spread(4))
    # A block of two input pixels reads one block to either side.
    assert found == ReceptiveField(2, 2, 2)
    assert found.least_tile == 6


def test_branches_join_at_the_widest():
    steps = {
        "wide": [("in", Window.same(9))],
        "narrow": [("in", Window.same(3))],
        "sum": [("wide", PIXELWISE), ("narrow", PIXELWISE)],
    }
    assert find_receptive_field([steps], source="in", target="sum").radius == 4


@given(
    size=st.integers(1, 6),
    stride=st.integers(1, 4),
    before=st.integers(0, 3),
    first=st.integers(-5, 5),
    length=st.integers(0, 6),
)
def test_a_transposed_convolution_reads_what_writes_there(size, stride, before, first, length):
    """Brute force: input i writes the outputs `i stride + k - before` for each k."""
    writers = [
        i
        for i in range(-40, 40)
        if any(first <= i * stride + k - before <= first + length for k in range(size))
    ]
    needed = Transposed(size, stride, before).needed((first, first + length))
    if writers:
        assert needed == (writers[0], writers[-1])
    else:
        assert needed[0] > needed[1], "where the kernel has gaps nothing is read"


@given(
    sizes=st.lists(st.sampled_from([1, 2, 3, 4, 5]), min_size=1, max_size=4),
    spread=st.integers(1, 3),
)
def test_the_radius_is_that_of_brute_force(sizes, spread):
    readings = [*(Window.same(size) for size in sizes), Spread(spread), Window.same(3)]
    reached = set(range(spread))
    for reading in reversed(readings):
        reached = {
            i
            for index in reached
            for i in range(reading.needed((index, index))[0], reading.needed((index, index))[1] + 1)
        }
    assert field(*readings).radius == max(-min(reached), max(reached))


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(Untileable, match="no whole number"):
        field(Window(2, 2))
    steps = {"up": [("in", Spread(2))], "sum": [("up", PIXELWISE), ("in", PIXELWISE)]}
    with pytest.raises(Untileable, match="different sizes meet in sum"):
        find_receptive_field([steps], source="in", target="sum")
    with pytest.raises(Untileable, match="scaled differently"):
        find_receptive_field([chain(Spread(2)), chain(Spread(3))], source="in", target="0")


def test_ratios_are_exact():
    assert Window(3, 2).ratio * Spread(2).ratio == Fraction(1)
    assert Transposed.same(9, stride=3).ratio == 3
