import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from representative_data.observation import observe_ranges
from sr_models.ground.errors import CalibrationError
from sr_models.quantization.fake_quantization import FakeQuantization, write_ranges
from sr_models.quantization.ranges import TensorRange, TensorRanges


@given(low=st.floats(-4, 0), high=st.floats(0.5, 4), seed=st.integers(0, 10), narrow=st.booleans())
@example(low=-0.5, high=0.5, seed=0, narrow=False)  # a zero point halfway between two codes
def test_values_land_on_the_int8_grid_and_saturate(low, high, seed, narrow):
    value = TensorRange(low, high, narrow)
    x = np.random.default_rng(seed).uniform(-6, 6, 50).astype(np.float32)
    y = FakeQuantization(low, high, narrow)(x).numpy()
    lowest = -127 if narrow else -128
    codes = np.clip(np.rint(x / value.scale) + value.zero_point, lowest, 127)
    expected = (codes - value.zero_point) * value.scale
    # A tie may round either way; everything else must agree.
    off = np.abs(y - expected)
    assert (off <= value.scale * 1.001).all()
    assert (off > value.scale * 0.01).mean() <= 0.05
    np.testing.assert_allclose(FakeQuantization(low, high, narrow)(y), y, atol=1e-6)


def test_a_missing_range_is_named(sharpening, natural):
    ranges = observe_ranges(sharpening, natural)
    incomplete = TensorRanges({k: v for k, v in ranges.items() if k != "last_relu"}, "test")
    with pytest.raises(CalibrationError, match="found none for last_relu"):
        write_ranges(sharpening, incomplete)


def test_the_network_with_ranges_simulates_the_activations(sharpening, natural):
    ranges = observe_ranges(sharpening, natural)
    simulated = write_ranges(sharpening, ranges)
    (sample,) = next(iter(natural()))
    y = simulated(sample).numpy()
    steps = y / ranges["depth_to_space"].scale
    np.testing.assert_allclose(steps, np.rint(steps), atol=1e-3)
    assert np.abs(y - sharpening(sample).numpy()).max() < 0.02
