import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sr_models.ground.errors import CalibrationError
from sr_models.quantization.ranges import PIXELS, TensorRange, TensorRanges


def test_the_pixel_range_is_the_pixel_contract():
    assert PIXELS.scale == pytest.approx(1 / 255, rel=1e-12)
    assert PIXELS.zero_point == -128


def test_a_narrow_range_is_symmetric():
    # PAMS writes alpha / 127 so.
    symmetric = TensorRange(-2.0, 2.0, narrow=True)
    assert symmetric.scale == pytest.approx(2.0 / 127)
    assert symmetric.zero_point == 0


@given(low=st.floats(-50, 50), span=st.floats(1e-3, 50))
def test_zero_is_always_on_the_grid_and_the_range_is_covered(low, span):
    value = TensorRange(low, low + span)
    codes = np.arange(-128, 128)
    grid = (codes - value.zero_point) * value.scale
    assert 0.0 in grid
    # Nudging moves the grid by at most half a step.
    assert grid[0] <= min(low, 0.0) + 0.51 * value.scale
    assert grid[-1] >= max(low + span, 0.0) - 0.51 * value.scale


@given(low=st.floats(-50, 50), span=st.floats(1e-3, 50), narrow=st.booleans())
def test_a_range_on_the_grid_has_the_same_grid_and_stays_there(low, span, narrow):
    value = TensorRange(low, low + span, narrow)
    nudged = value.on_grid
    assert nudged.scale == pytest.approx(value.scale, rel=1e-9)
    assert nudged.zero_point == value.zero_point
    assert nudged.minimum <= 0.0 <= nudged.maximum
    assert abs(nudged.minimum - value.with_zero.minimum) <= 0.5001 * value.scale
    lowest = -127 if narrow else -128
    assert nudged.minimum == pytest.approx((lowest - value.zero_point) * value.scale, abs=1e-9)
    again = nudged.on_grid
    assert (again.minimum, again.maximum) == pytest.approx((nudged.minimum, nudged.maximum))


def test_union_holds_both():
    assert TensorRange(-1.0, 2.0).union(TensorRange(0.0, 3.0)) == TensorRange(-1.0, 3.0)


@pytest.mark.parametrize("ends", [(math.nan, 1.0), (0.0, math.inf), (1.0, 0.0)])
def test_ranges_that_cannot_be_are_refused(ends):
    with pytest.raises(CalibrationError):
        TensorRange(*ends)


def test_a_constant_tensor_still_has_a_scale():
    assert TensorRange(0.0, 0.0).scale == pytest.approx(1 / 255)
    assert TensorRange(-1e-7, 1e-7).on_grid == TensorRange(0.0, 0.0).on_grid
    assert TensorRange(0.0, 2e-5).scale == pytest.approx(2e-5 / 255)


def test_replacing_makes_a_new_mapping():
    ranges = TensorRanges({"a": PIXELS}, "minmax")
    changed = ranges.replacing({"b": TensorRange(-1.0, 1.0)})
    assert list(ranges) == ["a"]
    assert sorted(changed) == ["a", "b"]
    assert changed.to_json()["tensors"]["b"] == {"minimum": -1.0, "maximum": 1.0, "narrow": False}
