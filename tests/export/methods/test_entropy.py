import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from export.methods.entropy import divergence, entropy, entropy_range
from export.quantizing.histograms import Histogram, histogram
from export.quantizing.quantized_network import observe


@given(seed=st.integers(0, 200))
def test_a_divergence_is_never_negative(seed):
    counts = np.random.default_rng(seed).integers(0, 50, 512).astype(float) + 1.0
    assert divergence(counts, levels=64) >= -1e-9


def test_what_is_flat_within_a_level_loses_nothing():
    counts = np.repeat(np.arange(1.0, 9.0), 4)
    assert abs(divergence(counts, levels=8)) < 1e-12
    assert divergence(counts, levels=4) > 1e-4


def test_by_hand():
    """Counts 1, 3 merged into one level: p = 1/4, 3/4 against q = 1/2, 1/2."""
    expected = 0.25 * np.log(0.5) + 0.75 * np.log(1.5)
    assert abs(divergence(np.array([1.0, 3.0]), levels=1) - expected) < 1e-12


def test_a_lone_outlier_is_cut():
    x = np.append(np.abs(np.random.default_rng(0).normal(size=200_000)), 40.0)
    found = entropy_range(histogram(x))
    assert 2.0 < found.maximum < 20.0


def test_what_a_relu_cuts_off_does_not_narrow_the_range():
    x = np.maximum(np.random.default_rng(0).normal(size=200_000), 0.0)
    assert entropy_range(histogram(x)).maximum > 2.0


def test_a_histogram_of_few_bins_keeps_its_range():
    found = entropy_range(Histogram(-1.0, 1.0, np.ones(100)))
    assert (found.minimum, found.maximum) == (-1.0, 1.0)


def test_it_gives_every_tensor_a_range(network, evidence):
    plain = observe(network, evidence)
    assert entropy(plain, evidence).ranges.keys() == plain.ranges.keys()
