import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from export.quantizing.histograms import histogram, observe_histograms, rounding_error
from sr_models.networks.graph import quantized_points
from sr_models.quantization.ranges import TensorRange


@given(seed=st.integers(0, 200), low=st.floats(-3.0, 0.0), high=st.floats(0.2, 3.0))
def test_the_error_is_that_of_quantizing_the_values(seed, low, high):
    """Against rounding and saturating each value by itself."""
    x = np.random.default_rng(seed).normal(size=20_000)
    grid = TensorRange(low, high).on_grid
    codes = np.clip(np.rint(x / grid.scale) + grid.zero_point, -128, 127)
    exact = np.square((codes - grid.zero_point) * grid.scale - x).mean()
    assert rounding_error(histogram(x), TensorRange(low, high)) == pytest.approx(exact, rel=0.1)


def test_a_fine_grid_has_the_error_of_uniform_noise():
    x = np.random.default_rng(0).random(100_000)
    value = TensorRange(0.0, 1.0)
    assert rounding_error(histogram(x), value) == pytest.approx(value.scale**2 / 12, rel=0.15)


def test_every_stored_tensor_is_observed(network, evidence):
    found = observe_histograms(network, evidence)
    assert list(found) == quantized_points(network)
    values = np.stack(evidence.pictures) / 255.0
    assert found["input"].minimum == pytest.approx(values.min())
    assert found["input"].maximum == pytest.approx(values.max())
    assert found["input"].counts.sum() == values.size


def test_a_constant_tensor_has_a_histogram():
    found = histogram(np.zeros(10))
    assert found.counts.sum() == 10 and found.maximum > found.minimum
