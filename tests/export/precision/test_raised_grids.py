import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from export.precision.raised_weights import raised_bias, wide_grid
from export.tflite.additions import exact_grid
from sr_models.quantization.grids import Grid


@given(scale=st.floats(1e-5, 1.0), zero_point=st.integers(-128, 127))
def test_16_bits_reach_twice_as_far_on_both_sides(scale, zero_point):
    grid = Grid("int8", scale, zero_point)
    farthest = max(abs(end) for end in grid.span)
    wide = wide_grid(grid)
    assert (wide.dtype, wide.zero_point) == ("int16", 0)
    assert wide.span[1] == pytest.approx(2 * farthest)
    # 65534 steps over four times the farthest value: at least 64 of them in a step of eight bits.
    assert wide.scale < scale / 64


@given(scale=st.floats(1e-5, 1.0), zero_point=st.integers(-128, 127), code=st.integers(-128, 127))
def test_eight_bit_codes_move_up_without_rounding(scale, zero_point, code):
    grid = exact_grid(Grid("int8", scale, zero_point))
    above = code - zero_point
    assert grid.limits[0] <= above <= grid.limits[1]
    assert above * grid.scale == (code - zero_point) * scale


def bias_of(values, kernel, *, scale=1e-3):
    return raised_bias(
        np.asarray(values, float),
        np.asarray(kernel, np.int8),
        kernel_scales=np.full(len(kernel), 0.01),
        input_grid=Grid("int16", scale, 0),
    )


def test_a_bias_is_in_steps_of_the_sums():
    bias = bias_of([0.5, -0.25], [[1, 2], [3, -4]])
    assert bias.is_short
    np.testing.assert_array_equal(bias.codes, [50_000, -25_000])
    np.testing.assert_allclose(bias.scales, [1e-5, 1e-5])


def test_32_bits_are_used_only_where_no_input_can_overflow_them():
    """127 * 32768 = 4161536 for one weight: 516 of them stay below 2^31, 517 do not."""
    assert bias_of([0.0], np.full((1, 516), 127)).is_short
    assert not bias_of([0.0], np.full((1, 517), 127)).is_short
    assert not bias_of([0.0], np.full((1, 517), -127)).is_short
    assert bias_of([0.0], np.full((1, 517), -127)).codes.dtype == np.int64
    # 2^31 - 516 * 4161536 = 131072 codes are left: 1.31072 in steps of 1e-5.
    assert bias_of([1.3107], np.full((1, 516), 127)).is_short
    assert not bias_of([-1.3109], np.full((1, 516), 127)).is_short
