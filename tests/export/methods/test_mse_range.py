import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from export.methods.mse import least_squares, mse_range
from export.quantizing.histograms import histogram, rounding_error
from export.quantizing.quantized_network import observe
from sr_models.quantization.ranges import TensorRange


@given(seed=st.integers(0, 100), shift=st.floats(-1.0, 1.0))
def test_it_is_never_worse_than_min_and_max(seed, shift):
    x = np.random.default_rng(seed).standard_t(3, size=5000) + shift
    found = histogram(x)
    whole = TensorRange(found.minimum, found.maximum)
    assert rounding_error(found, mse_range(found)) <= rounding_error(found, whole) * (1 + 1e-9)


def test_heavy_tails_are_cut_and_flat_ones_are_not():
    rng = np.random.default_rng(0)
    heavy = histogram(np.append(rng.normal(size=1_000_000), [30.0, -20.0]))
    found = mse_range(heavy)
    # (30 - t)^2 of one in a million against a step of (t + 20) / 255: far below 30.
    assert found.maximum < 15.0 and found.minimum > -12.0
    flat = mse_range(histogram(rng.uniform(-1.0, 1.0, 100_000)))
    assert flat.maximum > 0.97 and flat.minimum < -0.97


def test_zero_stays_inside():
    found = mse_range(histogram(np.random.default_rng(0).uniform(2.0, 3.0, 1000)))
    assert found.minimum == 0.0 and found.maximum > 2.5


def test_it_lowers_the_error_of_each_tensor(network, evidence):
    from export.quantizing.histograms import observe_histograms

    plain = observe(network, evidence)
    found = least_squares(plain, evidence)
    for name, seen in observe_histograms(network, evidence).items():
        before = rounding_error(seen, TensorRange(seen.minimum, seen.maximum))
        assert rounding_error(seen, found.ranges[name]) <= before * (1 + 1e-9), name
