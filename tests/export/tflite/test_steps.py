import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from export.tflite.steps import (
    Step,
    Store,
    activation_range,
    clamp_step,
    full_step,
    greatest_difference,
    rounding_slack,
)
from sr_models.quantization.grids import Grid

PIXELS = Grid("int8", 1 / 255, -128)


def store(grid, activation="NONE"):
    return Store(grid, *activation_range(activation, grid))


def written_by_hand(value, producer, steps):
    """Code of a real value at the end of a path, one number at a time, in Python's own rounding."""
    code = round(value / producer.grid.scale) + producer.grid.zero_point
    code = min(max(code, producer.lowest), producer.highest)
    for step in steps:
        real = (code - step.source.zero_point) * step.source.scale
        code = round(real / step.target.scale) + step.target.zero_point
        code = min(max(code, step.lowest), step.highest)
    return code


grids = st.builds(Grid, st.just("int8"), st.floats(0.002, 0.02), st.integers(-128, 60))


@given(grids, grids, st.floats(0.1, 2.0), st.randoms(use_true_random=False))
def test_no_value_ends_further_apart_than_the_bound_says(before, after, top, random):
    highest = min(127, round(top / before.scale) + before.zero_point)
    rectified = Step(before, after, *activation_range("RELU", after))
    old = store(before), [clamp_step(before, highest=max(highest, -128)), rectified]
    new = store(after), []
    bound = greatest_difference(old, new)
    reach = 300 * max(before.scale, after.scale)
    for _ in range(50):
        value = random.uniform(-reach, reach)
        assert abs(written_by_hand(value, *old) - written_by_hand(value, *new)) <= bound


def test_the_bound_is_reached():
    # Steps of 1.19 against 1.0: 0.7 codes lie in the old code 1 (0.595..1.785), which is 1.19, so
    # 1; all of it is 1 or 2 on the new grid. The clip behind both ends where the type does.
    before = Grid("int8", 1.19 / 255, -88)
    old = store(before), [Step(before, PIXELS, *activation_range("RELU", PIXELS))]
    assert greatest_difference(old, (store(PIXELS), [])) == 1
    values = np.linspace(-0.5, 1.5, 4001)
    apart = [abs(written_by_hand(v, *old) - written_by_hand(v, store(PIXELS), [])) for v in values]
    assert max(apart) == 1


@pytest.mark.parametrize("scale", [2.1, 2.9])
def test_a_grid_twice_as_coarse_can_be_two_codes_away(scale):
    before = Grid("int8", scale / 255, -80)
    old = store(before), [Step(before, PIXELS, *activation_range("RELU", PIXELS))]
    assert greatest_difference(old, (store(PIXELS), [])) == 2


def test_a_producer_that_saturates_below_white_is_seen():
    # The old tensor ends at (127 - -86) / 255 = 0.835: it never writes a pixel above 213.
    before = Grid("int8", 1 / 255, -86)
    old = store(before), [Step(before, PIXELS, *activation_range("RELU", PIXELS))]
    assert greatest_difference(old, (store(PIXELS), [])) == 42


def test_a_clip_inside_of_the_grid_is_no_saturation():
    wide = Grid("int8", 1.5 / 255, -128)
    old = store(wide), [clamp_step(wide, highest=round(1.0 / wide.scale) - 128)]
    # 255 codes reach 1.5, white has code 42: 85 codes could appear that the clip held back.
    assert greatest_difference(old, (store(wide), [])) == 85


def test_a_mere_shift_is_exact():
    before, after = Grid("int8", 1 / 255, -100), Grid("int8", 1 / 255, -128)
    old = store(before), [clamp_step(before, lowest=-100), full_step(before, after)]
    narrowed = Store(after, -128, 99)  # What -100 cut off above.
    assert greatest_difference(old, (narrowed, [])) == 0
    assert greatest_difference(old, (store(after), [])) == 28


def test_a_fused_relu_stands_for_a_maximum():
    grid = Grid("int8", 1.25 / 255, -77)
    old = store(grid), [clamp_step(grid, lowest=-77)]
    assert greatest_difference(old, (store(grid), [])) == 51
    assert greatest_difference(old, (store(grid, "RELU"), [])) == 0


@pytest.mark.parametrize(
    ("activation", "grid", "expected"),
    [
        ("NONE", PIXELS, (-128, 127)),
        ("RELU", Grid("int8", 0.1, -20), (-20, 127)),
        ("RELU6", Grid("uint8", 0.1, 10), (10, 70)),
        ("RELU_N1_TO_1", Grid("int16", 0.001, 0), (-1000, 1000)),
        ("RELU_0_TO_1", Grid("uint8", 1 / 255, 0), (0, 255)),
        ("RELU6", PIXELS, (-128, 127)),
    ],
)
def test_activations_bound_codes_as_the_runtime_does(activation, grid, expected):
    assert activation_range(activation, grid) == expected


def test_an_activation_that_does_not_bound_is_refused():
    with pytest.raises(KeyError):
        activation_range("TANH", PIXELS)


@pytest.mark.parametrize(
    ("multipliers", "slack"),
    [([], 1e-4), ([0.5, 3.0], 1e-4), ([0.3], 0.25), ([0.01, 0.001], 2**-7)],
)
def test_two_roundings_are_allowed_for(multipliers, slack):
    assert rounding_slack(np.array(multipliers)) == slack


def test_eight_bit_grids_have_twins():
    assert PIXELS.as_dtype("uint8") == Grid("uint8", 1 / 255, 0)
    assert PIXELS.as_dtype("uint8").as_dtype("int8") == PIXELS
    assert PIXELS.as_dtype("int16") is None
    assert PIXELS.span == (0.0, pytest.approx(1.0))
