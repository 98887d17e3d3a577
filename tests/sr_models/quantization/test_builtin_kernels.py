import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sr_models.quantization import integer_kernels as kernels
from sr_models.quantization.grids import Grid, half_away
from sr_models.quantization.integer_kernels import IntegerWeights
from sr_models.quantization.ranges import PIXELS, TensorRange

GRIDS = st.builds(Grid, st.just("int8"), st.floats(0.002, 0.05), st.integers(-128, 127))
SEEDS = st.integers(0, 10_000)


def some_codes(seed, shape=(1, 5, 6, 4)):
    return np.random.default_rng(seed).integers(-128, 128, shape).astype(np.int8)


def values(codes, grid):
    return grid.centred(codes) * float(grid.stored_scale)


def test_the_grid_of_pixels():
    grid = Grid.of(PIXELS)
    assert grid == Grid("int8", 1 / 255, -128)
    assert (grid.code(0.0), grid.code(1.0), grid.code(7.0)) == (-128, 127, 127)


@given(top=st.floats(0.01, 100.0))
def test_a_grid_is_that_of_single_precision_bounds(top):
    grid = Grid.of(TensorRange(0.0, top))
    assert grid.scale == float(np.float32(TensorRange(0.0, top).on_grid.maximum)) / 255
    assert grid.stored_scale == np.float32(grid.scale) and grid.zero_point == -128


def test_rounding_takes_halves_away_from_zero():
    assert half_away(np.array([-1.5, -0.5, -0.4, 0.5, 2.5])).tolist() == [-2, -1, 0, 1, 3]


def test_weights_by_hand():
    # Scales 1/64 and 1/32: -1/128 half a code, 0.25 eight.
    kernel = np.array([[127 / 64, 0.25], [-1 / 128, -127 / 32]], np.float32).reshape(1, 1, 2, 2)
    # In steps of 2^-13 and 2^-12: 2.5 and -1.5.
    bias = np.array([2.5 * 2.0**-13, -1.5 * 2.0**-12], np.float32)
    found = IntegerWeights.of(kernel, bias, source=Grid("int8", 2.0**-7, 0))
    assert found.kernel[0, 0].tolist() == [[127, 8], [-1, -127]]
    assert found.scales.tolist() == [1 / 64, 1 / 32]
    assert found.bias.tolist() == [3, -2]


def test_weights_on_given_scales_by_hand():
    # Codes 1 and 100 of 1/64, where the largest weight would have asked for 100/127 of that.
    kernel = np.array([1 / 64, 100 / 64, 5.0], np.float32).reshape(1, 1, 3, 1)
    bias = np.array([2.5 * 2.0**-13], np.float32)
    found = IntegerWeights.of(kernel, bias, source=Grid("int8", 2.0**-7, 0), scales=[1 / 64])
    assert found.kernel.ravel().tolist() == [1, 100, 127], "beyond the grid it saturates"
    assert (found.scales.tolist(), found.bias.tolist()) == ([1 / 64], [3])


def test_a_given_scale_is_divided_in_single_precision():
    # 127 * 0.003 over 127 is 0.003 in float32, and in float64 so much more that 0.3 times it is
    # the next float32 behind 0.0009: 2 of 2^25 steps.
    kernel, bias = np.zeros((1, 1, 1, 1), np.float32), np.float32([0.0009]) * np.float32(2**25)
    found = IntegerWeights.of(kernel, bias, source=Grid("int8", 0.3, 0), scales=[0.003])
    assert found.bias.tolist() == [2**25]


def test_a_bias_is_divided_by_its_scale_in_single_precision():
    # 1e-5 * 2^-7 is no float32 value; the nearest one differs by 2.5e-8 of it, 0.001 of 40000.
    source, kernel = Grid("int8", 2.0**-7, 0), np.full((1, 1, 1, 1), 127e-5, np.float32)
    step = 2.0**-7 * (float(np.float32(127e-5)) / 127)
    bias = np.float32([0.0])
    for count in range(40_000, 40_400):
        bias[0] = np.float32((count + 0.5) * step)
        found = IntegerWeights.of(kernel, bias, source=source).bias[0]
        assert found == np.floor(float(bias[0]) / float(np.float32(step)) + 0.5)


def test_a_channel_without_weights_still_has_its_bias():
    kernel = np.zeros((1, 1, 3, 2), np.float32)
    source = Grid.of(PIXELS)
    found = IntegerWeights.of(kernel, np.array([0.0, -0.4], np.float32), source=source)
    assert found.bias.tolist() == [0, -(2**30) + 1]
    assert found.scales[0] == np.float32(5e-7 / 127)
    steps = float(source.stored_scale) * float(found.scales[1])
    assert steps * float(found.bias[1]) == pytest.approx(-0.4, rel=1e-6)


def convolved_in_loops(codes, weights, *, source, factors, halves_up):
    """3x3, zero-padded, in Python's integers."""
    _, height, width, _ = codes.shape
    inputs, outputs = weights.kernel.shape[2:]
    groups = codes.shape[-1] // inputs
    found = np.zeros((1, height, width, outputs), np.int64)
    for y, x, o in np.ndindex(height, width, outputs):
        first = o // (outputs // groups) * inputs
        total = int(weights.bias[o])
        for dy, dx, i in np.ndindex(3, 3, inputs):
            if 0 <= y + dy - 1 < height and 0 <= x + dx - 1 < width:
                centred = int(codes[0, y + dy - 1, x + dx - 1, first + i]) - source.zero_point
                total += centred * int(weights.kernel[dy, dx, i, o])
        fraction, exponent = math.frexp(factors[o])
        high = (total * round(fraction * 2**31) + 2**30) >> 31
        half = 2 ** (-exponent - 1)
        found[0, y, x, o] = (high + half - (high < 0 and not halves_up)) >> -exponent
    return found


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("seed", range(3))
def test_a_convolution_in_loops(groups, seed):
    rng = np.random.default_rng(seed)
    source, target = Grid("int8", 0.01, -7), Grid("int8", 0.02, 11)
    kernel = rng.normal(0.0, 0.2, (3, 3, 4 // groups, 6)).astype(np.float32)
    weights = IntegerWeights.of(kernel, rng.normal(size=6).astype(np.float32), source=source)
    factors = float(source.stored_scale) * weights.scales.astype(float) / float(target.stored_scale)
    codes = some_codes(seed)
    for rectified in (False, True):
        expected = convolved_in_loops(
            codes, weights, source=source, factors=factors, halves_up=groups == 1
        )
        expected = np.clip(expected + 11, 11 if rectified else -128, 127)
        found = kernels.convolve(codes, weights, source=source, target=target, rectified=rectified)
        assert found.dtype == np.int8
        np.testing.assert_array_equal(found, expected)


def test_a_little_less_than_a_half_is_rounded_up_twice_on_one_processor_alone():
    """2 * (1 - 2^-30) / 4: the first of two roundings makes a half of it."""
    weights = IntegerWeights(
        np.ones((1, 1, 1, 1), np.int8), np.full(1, 1 + 2.0**-15, np.float32), np.zeros(1, np.int32)
    )
    grids = {"source": Grid("int8", 1 - 2.0**-15, 0), "target": Grid("int8", 4.0, 0)}
    codes = np.full((1, 1, 1, 1), 2, np.int8)
    found = [
        kernels.convolve(codes, weights, arm64=arm64, **grids).item() for arm64 in (False, True)
    ]
    assert found == [1, 0]


@pytest.mark.parametrize("bound", [0, 1 << 24])
def test_wide_sums_are_exact_in_either_precision(bound, monkeypatch):
    monkeypatch.setattr(kernels, "EXACT_IN_SINGLE", bound)
    weights = IntegerWeights(
        np.full((5, 5, 16, 1), 127, np.int8), np.ones(1, np.float32), np.ones(1, np.int32)
    )
    codes = np.full((1, 5, 5, 16), 127, np.int8)
    # In the middle 400 products of 127 and 254, and one; single precision holds odd ones to 2^24.
    target = Grid("int8", 400 * 127 * 254 + 1, 0)
    unit = Grid("int8", 1.0, -127)
    assert kernels.convolve(codes, weights, source=unit, target=target)[0, 2, 2, 0] == 1


@given(one=GRIDS, two=GRIDS, target=GRIDS, seed=SEEDS)
def test_a_sum_is_the_nearest_code(one, two, target, seed):
    first, second = some_codes(seed), some_codes(seed + 1)
    found = kernels.add(first, second, sources=(one, two), target=target)
    exact = (values(first, one) + values(second, two)) / float(
        target.stored_scale
    ) + target.zero_point
    assert np.abs(found - np.clip(exact, -128, 127)).max() <= 0.5 + 1e-3


def test_a_sum_by_hand():
    grid, target = Grid("int8", 0.5, 0), Grid("int8", 1.0, -3)
    first, second = np.array([3, 4, -3, 120], np.int8), np.array([4, 4, -4, 127], np.int8)
    # 3.5, 4, -3.5 and 123.5 steps; halves away from zero.
    for rectified, expected in ((False, [1, 1, -7, 121]), (True, [1, 1, -3, 121])):
        found = kernels.add(first, second, sources=(grid, grid), target=target, rectified=rectified)
        assert found.tolist() == expected


@given(source=GRIDS, target=GRIDS, seed=SEEDS)
def test_requantizing_and_rectifying_give_a_near_code(source, target, seed):
    codes = some_codes(seed)
    exact = values(codes, source) / float(target.stored_scale)
    # Half a code, and what the first of two roundings is off by: at most a half before a shift.
    for found, wanted in (
        (kernels.requantize(codes, source=source, target=target), exact),
        (kernels.rectify(codes, source=source, target=target), np.maximum(exact, 0.0)),
    ):
        saturated = np.clip(wanted + target.zero_point, -128, 127)
        assert np.abs(found - saturated).max() <= 0.75


@given(grid=GRIDS, seed=SEEDS)
def test_requantizing_to_the_same_grid_changes_nothing(grid, seed):
    codes = some_codes(seed)
    np.testing.assert_array_equal(kernels.requantize(codes, source=grid, target=grid), codes)


def test_a_clip_bounds_at_a_code():
    source = Grid("int8", 0.03, -100)
    codes = np.array([-128, -100, -99, -67, -66, 127], np.int8)
    # 1 / 0.03 is 33.3: the bound is code -67, which is 0.99 and 252.45 pixel steps.
    found = kernels.clip(codes, maximum=1.0, source=source, target=Grid.of(PIXELS))
    assert (found.astype(int) + 128).tolist() == [0, 0, 8, 252, 252, 252]


@given(source=GRIDS, target=GRIDS, seed=SEEDS)
def test_a_prelu_bends_what_is_negative(source, target, seed):
    codes = some_codes(seed)
    slopes = np.array([0.0, 0.25, -0.5, 1.27], np.float32)
    found = kernels.prelu(codes, slopes, source=source, target=target)
    stored = half_away(slopes / 0.01) * 0.01
    exact = values(codes, source)
    exact = np.where(exact >= 0.0, exact, exact * stored) / float(target.stored_scale)
    saturated = np.clip(exact + target.zero_point, -128, 127)
    assert np.abs(found - saturated).max() <= 0.75


@pytest.mark.parametrize(
    ("function", "target"),
    [(np.tanh, Grid("int8", 1 / 128, 0)), (np.exp, Grid("int8", 0.1, -128))],
)
def test_a_table_holds_the_nearest_codes(function, target):
    source, codes = Grid("int8", 0.02, 5), np.arange(-128, 128).astype(np.int8)
    found = kernels.look_up(codes, function, source=source, target=target)
    exact = function(values(codes, source)) / float(target.stored_scale) + target.zero_point
    assert np.abs(found - np.clip(exact, -128, 127)).max() <= 0.5 + 1e-4
