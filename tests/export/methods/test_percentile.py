import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from export.methods.percentile import percentile, percentile_range
from export.quantizing.histograms import histogram
from export.quantizing.quantized_network import observe
from sr_models.quantization.ranges import TensorRange


@given(seed=st.integers(0, 200), kept=st.floats(0.9, 0.9999))
def test_it_keeps_at_least_the_share_that_is_asked_for(seed, kept):
    x = np.random.default_rng(seed).standard_t(3, size=5000)
    found = percentile_range(histogram(x), kept=kept)
    inside = ((x >= found.minimum) & (x <= found.maximum)).mean()
    assert inside >= kept - 1e-3
    assert x.min() <= found.minimum and found.maximum <= x.max() + 1e-9


def test_one_outlier_in_a_hundred_thousand_is_left_out():
    x = np.append(np.random.default_rng(0).random(100_000), 50.0)
    assert percentile_range(histogram(x)).maximum < 1.1


def test_everything_kept_is_the_whole_range():
    x = np.random.default_rng(0).normal(size=1000)
    found = percentile_range(histogram(x), kept=1.0)
    np.testing.assert_allclose([found.minimum, found.maximum], [x.min(), x.max()], atol=1e-6)


def test_it_gives_every_tensor_a_range_within_min_and_max(network, evidence):
    plain = observe(network, evidence)
    found = percentile(plain, evidence)
    assert found.ranges.keys() == plain.ranges.keys()
    for name, value in found.ranges.items():
        if name not in ("input", "depth_to_space", "last_relu"):
            whole = plain.ranges[name]
            assert isinstance(value, TensorRange)
            assert whole.minimum - 1e-5 <= value.minimum and value.maximum <= whole.maximum + 1e-5
