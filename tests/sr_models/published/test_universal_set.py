import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sr_models.published.dfsq import RESOLUTION, UNIVERSAL_SET, WORDS, snapped


def test_it_has_377_values_both_ways_and_zero():
    # Counted from bits instead of sums: each word adds one of three bits of a 10-bit fraction.
    bits = [[256, 128, 8, 0], [256, 64, 4, 0], [256, 32, 2, 0], [256, 16, 1, 0]]
    sums = {a + b + c + d for a in bits[0] for b in bits[1] for c in bits[2] for d in bits[3]}
    expected = sorted({-s for s in sums} | sums)
    assert len(expected) == 377
    np.testing.assert_array_equal(UNIVERSAL_SET * RESOLUTION, expected)
    assert len(sums) == 189
    assert len(WORDS) == 4


def test_its_ends_gaps_and_steps_are_the_known_ones():
    positive = UNIVERSAL_SET[UNIVERSAL_SET > 0]
    np.testing.assert_array_equal(UNIVERSAL_SET, -UNIVERSAL_SET[::-1])
    assert {0.0, 1.0, -1.0, 2.0**-10, -(2.0**-10)} <= set(UNIVERSAL_SET.tolist())
    np.testing.assert_array_equal(positive[-4:], [0.78125, 0.8125, 0.875, 1.0])
    first = [*range(1, 17), *range(18, 33, 2), 33, 36, 37, 40, 41, 44, 45, 48, 52, 56, 60]
    np.testing.assert_array_equal(positive[: len(first)] * RESOLUTION, first)
    assert np.diff(UNIVERSAL_SET).max() == 0.125


def test_it_cannot_be_changed_by_accident():
    with pytest.raises(ValueError, match="read-only"):
        UNIVERSAL_SET[0] = 0.0


@given(value=st.floats(-1.5, 1.5))
def test_snapping_finds_the_nearest_value_and_keeps_those_of_the_set(value):
    found = snapped(np.array([value]))[0]
    assert abs(found - value) == np.abs(UNIVERSAL_SET - value).min()
    assert snapped(np.array([found]))[0] == found
