import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sr_models.quantization.integer_kernels import (
    FixedPoint,
    multiply_halves_away,
    multiply_halves_up,
)

FACTORS = st.floats(2.0**-31, 2.0**4)
ACCUMULATORS = st.integers(-(2**26), 2**26)


@pytest.mark.parametrize(
    ("factor", "multiplier", "exponent"),
    [
        # Each is a fraction of 1/2 to 1 times a power of two; the fraction is counted in 2^-31.
        (0.5, 2**30, 0),
        (1.0, 2**30, 1),
        (0.75, 3 * 2**29, 0),
        (1 / 3, 1431655765, -1),  # 2/3 * 2^31 = 1431655765.33
        (0.1, 1717986918, -3),  # 0.8 * 2^31 = 1717986918.4
        (5.0, 1342177280, 3),  # 0.625 * 2^31
        (0.5 + 2.0**-32, 2**30 + 1, 0),  # half a step is rounded up,
        (1.0 - 2.0**-33, 2**30, 1),  # also into the next power of two
        (2.0**-32, 2**30, -31),
        (2.0**-33, 0, 0),  # would be shifted out
        (0.0, 0, 0),
    ],
)
def test_a_factor_in_fixed_point(factor, multiplier, exponent):
    found = FixedPoint.nearest(factor)
    assert (int(found.multiplier), int(found.exponent)) == (multiplier, exponent)


@given(factor=FACTORS)
def test_the_nearest_factor_is_within_half_a_step(factor):
    found = FixedPoint.nearest(factor)
    assert 2**30 <= found.multiplier < 2**31
    assert abs(float(found.value) - factor) <= factor * 2.0**-31


@pytest.mark.parametrize(
    ("x", "once", "up", "away"),
    [
        # The factor 0.15 is 0.6 / 4: rounded after the 0.6 and again after the quarter.
        (3, 0, 1, 1),  # 0.45; 1.8 becomes 2, and 2 / 4 a half
        (-3, 0, 0, -1),  # -0.45; -2 / 4 is a half below zero
        (17, 3, 3, 3),  # 2.55; 10.2 becomes 10, and 10 / 4 a half
        (-17, -3, -2, -3),  # -2.55
        (20, 3, 3, 3),  # 3.00
        (10, 2, 2, 2),  # 1.50; 6 / 4 is a half
        (-10, -2, -1, -2),  # -1.5000000003, as 0.6 is rounded up to 31 bits; -6 / 4 is a half
        (0, 0, 0, 0),
    ],
)
def test_two_roundings_by_hand(x, once, up, away):
    factor = FixedPoint.nearest(0.15)
    assert int(rounded_once(x, factor)) == once
    assert int(multiply_halves_up(x, factor)) == up
    assert int(multiply_halves_away(x, factor)) == away


def test_a_factor_above_one_is_rounded_once():
    factor = FixedPoint.nearest(2.5)
    assert multiply_halves_up([-3, -1, 1, 3], factor).tolist() == [-7, -2, 3, 8]


def test_channels_have_factors_of_their_own():
    # Of -1.5 nothing is left for the second rounding; the first takes halves up.
    factor = FixedPoint.nearest([0.5, 0.15, 2.0])
    assert multiply_halves_away([[3, 3, 3], [-3, -3, -3]], factor).tolist() == [
        [2, 1, 6],
        [-1, -1, -6],
    ]


def rounded_once(x, factor):
    """What single-rounding builds of TFLite do: the planted fault."""
    shift = 31 - factor.exponent
    return (np.asarray(x, np.int64) * factor.multiplier + (1 << (shift - 1))) >> shift


def by_definition(x, factor, *, halves_up):
    """In exact fractions."""
    exponent = int(factor.exponent)
    product = Fraction(x * 2 ** max(exponent, 0) * int(factor.multiplier), 2**31)
    half = Fraction(1, 2)
    first = Fraction(math.floor(product + half), 2 ** max(-exponent, 0))
    if halves_up or first >= 0:
        return math.floor(first + half)
    return -math.floor(-first + half)


@given(x=ACCUMULATORS, factor=FACTORS)
def test_they_agree_with_exact_fractions(x, factor):
    fixed = FixedPoint.nearest(factor)
    assert multiply_halves_up(x, fixed) == by_definition(x, fixed, halves_up=True)
    assert multiply_halves_away(x, fixed) == by_definition(x, fixed, halves_up=False)


@given(x=ACCUMULATORS, factor=FACTORS)
def test_they_are_near_the_real_product(x, factor):
    fixed = FixedPoint.nearest(factor)
    exact = x * float(fixed.value)
    for multiply in (multiply_halves_up, multiply_halves_away):
        assert abs(int(multiply(x, fixed)) - exact) <= 1.0


def disagreements(multiply, *, halves_up, exponents=(-9, 1)):
    """How many of 20000 products of the size of a convolution's differ from exact fractions."""
    rng = np.random.default_rng(4)
    wrong = 0
    for _ in range(20):
        factor = FixedPoint.nearest(rng.uniform(0.5, 1.0) * 2.0 ** rng.integers(*exponents))
        x = rng.integers(-40_000, 40_000, 1000)
        expected = [by_definition(int(v), factor, halves_up=halves_up) for v in x]
        wrong += int(np.sum(multiply(x, factor) != expected))
    return wrong


def test_a_wrong_rounding_is_caught():
    assert disagreements(multiply_halves_up, halves_up=True) == 0
    assert disagreements(multiply_halves_away, halves_up=False) == 0
    assert disagreements(rounded_once, halves_up=True) > 10
    assert disagreements(rounded_once, halves_up=False) > 10
    assert disagreements(multiply_halves_up, halves_up=False) > 10
    assert disagreements(multiply_halves_away, halves_up=True) > 10
