import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from representative_data.grid import grid_of_range, pure_contract

PIXELS = (0.0, 1.0)


def test_black_to_white_is_the_grid_of_pixels():
    grid = grid_of_range(PIXELS)
    assert (grid.scale, grid.zero_point) == (1 / 255, 0)
    assert (grid.minimum, grid.maximum) == (0.0, 1.0)
    assert (grid.scale_error, grid.black_error) == (0.0, 0.0)


@given(low=st.floats(-3.0, 0.5), width=st.floats(0.01, 5.0))
def test_zero_is_a_code_and_the_range_moves_by_half_a_step(low, width):
    grid = grid_of_range((low, low + width))
    assert 0 <= grid.zero_point <= 255
    asked = (min(low, 0.0), max(low + width, 0.0))
    assert grid.minimum == pytest.approx(asked[0], abs=0.5001 * grid.scale)
    assert grid.maximum == pytest.approx(asked[1], abs=0.5001 * grid.scale)


def test_the_grid_is_tensorflows(photographs):
    """`fake_quant_with_min_max_args` nudges by itself; its values are those of our codes."""
    import tensorflow as tf

    bounds = (-0.3171, 1.2243)
    grid = grid_of_range(bounds)
    values = np.linspace(-0.4, 1.3, 997, dtype=np.float32)
    codes = np.clip(np.rint(values / grid.scale) + grid.zero_point, 0, 255)
    theirs = tf.quantization.fake_quant_with_min_max_args(values, *bounds, 8).numpy()
    ours = (codes - grid.zero_point) * grid.scale
    # A value half-way between two codes may go either way.
    assert np.mean(np.abs(ours - theirs) > 1e-5) < 0.01
    assert np.abs(ours - theirs).max() < 1.01 * grid.scale


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
