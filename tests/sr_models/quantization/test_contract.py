import pytest
from hypothesis import given
from hypothesis import strategies as st

from sr_models.quantization.contract import PixelGrid, PureContract
from sr_models.quantization.ranges import TensorRange

PIXELS = (0.0, 1.0)


def pure_contract(input_range, output_range):
    return PureContract.of_ranges(TensorRange(*input_range), TensorRange(*output_range))


def test_black_to_white_is_the_grid_of_pixels():
    grid = PixelGrid.of_range(TensorRange(*PIXELS))
    assert (grid.scale, grid.zero_point) == (1 / 255, 0)
    assert (grid.scale_error, grid.black_error) == (0.0, 0.0)


@given(low=st.floats(-3.0, 0.5), width=st.floats(0.01, 5.0))
def test_code_zero_is_as_far_from_black_as_the_range_begins_below_it(low, width):
    grid = PixelGrid.of_range(TensorRange(low, low + width))
    assert 0 <= grid.zero_point <= 255
    # By at most half a step: the range moves so that 0 is a code.
    assert grid.black_error / 510 == pytest.approx(max(0.0, -low), abs=0.5001 * grid.scale)


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ((0.0, 1.0 + 1 / 511), None),
        ((-1 / 1100, 1.0 + 1 / 1100), None),
        ((0.0, 1.0 + 1 / 509), "output scale"),
        ((0.0, 1.0 - 1 / 509), "output scale"),
        ((-0.1, 0.9), "output zero point is 26"),  # 0.1 of 255 codes, scale right by chance
    ],
)
def test_the_contract_allows_half_a_code(output, said):
    contract = pure_contract(PIXELS, output)
    assert contract.holds == (said is None)
    assert all(said in reason for reason in contract.reasons)


def test_a_shrunken_input_breaks_the_contract():
    contract = pure_contract((0.0, 0.794), PIXELS)
    assert contract.reasons == (
        "input scale is 0.003114 instead of 0.003922: code 255 stands for 202.5 of 255",
    )
    assert contract.to_json()["input"]["scale_error"] == pytest.approx(-0.206 * 510)
