import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

from export.running.statistics import (
    LEAST_DIFFERENCE,
    LEAST_ROUNDS,
    Comparison,
    bootstrap_ratio,
    bootstrap_ratio_apart,
    compare_samples,
    compare_sessions,
    mann_whitney,
    summarize,
)

durations_ms = st.lists(st.floats(0.01, 1e4), min_size=1, max_size=60)


def noisy(rng, rounds, *, slowdown=1.0):
    """Milliseconds of two entries in the same rounds: skewed noise, as timings have it."""
    baseline = 10.0 * rng.lognormal(0.0, 0.03, rounds)
    return baseline, slowdown * 10.0 * rng.lognormal(0.0, 0.03, rounds)


def test_a_summary_by_hand():
    summary = summarize([4.0, 1.0, 3.0, 2.0, 5.0])
    # Linear interpolation between sorted values: 5 % of the way over four gaps is 1 + 0.2.
    assert (summary.runs, summary.median_ms) == (5, 3.0)
    assert summary.p5_ms == pytest.approx(1.2)
    assert summary.p95_ms == pytest.approx(4.8)
    # Squared deviations 4 + 1 + 0 + 1 + 4 over n - 1 = 4.
    assert summary.std_ms == pytest.approx(2.5**0.5)
    assert summary.to_json() == {
        "runs": 5,
        "median_ms": 3.0,
        "p5_ms": summary.p5_ms,
        "p95_ms": summary.p95_ms,
        "std_ms": summary.std_ms,
    }


def test_the_median_of_an_even_number_lies_between():
    assert summarize([1.0, 2.0, 10.0, 20.0]).median_ms == 6.0


def test_one_run_has_no_spread():
    summary = summarize([7.5])
    assert (summary.median_ms, summary.p5_ms, summary.p95_ms, summary.std_ms) == (7.5, 7.5, 7.5, 0)


def test_no_samples_cannot_be_summarized():
    with pytest.raises(ValueError, match="no samples"):
        summarize([])


@given(durations_ms)
def test_percentiles_are_ordered_and_within_the_sample(samples):
    summary = summarize(samples)
    assert summary.p5_ms <= summary.median_ms <= summary.p95_ms
    assert min(samples) <= summary.p5_ms and summary.p95_ms <= max(samples)


def test_the_u_test_of_two_samples_that_do_not_overlap():
    # By hand: of the C(8, 4) = 70 ways to rank, two are as far apart as this: p = 2/70.
    assert mann_whitney([1, 2, 3, 4], [5, 6, 7, 8]) == pytest.approx(2 / 70)


def test_the_u_test_is_scipys():
    rng = np.random.default_rng(0)
    first, second = rng.normal(10, 1, 40), rng.normal(10.5, 1, 40)
    expected = mannwhitneyu(first, second, alternative="two-sided").pvalue
    assert mann_whitney(first, second) == expected


def test_equal_values_show_no_difference():
    assert mann_whitney([3.0] * 20, [3.0] * 20) == 1.0
    found = compare_samples([3.0] * 20, [3.0] * 20)
    assert (found.speedup, found.low, found.high) == (1.0, 1.0, 1.0)
    assert found.verdict == "no difference shown"


def test_the_interval_is_the_same_for_the_same_seed():
    first, second = noisy(np.random.default_rng(0), 30)
    assert bootstrap_ratio(first, second, seed=3) == bootstrap_ratio(first, second, seed=3)
    assert bootstrap_ratio(first, second, seed=3) != bootstrap_ratio(first, second, seed=4)


def test_the_interval_contains_the_truth():
    """A 95 % interval: at least 85 % of 60 draws leave room for chance and short samples."""
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(60):
        low, high = bootstrap_ratio(*noisy(rng, 25, slowdown=1.25), resamples=400)
        held += low <= 1 / 1.25 <= high
    assert held >= 51


def test_a_drift_common_to_both_cancels():
    drift = np.linspace(1.0, 3.0, 30)
    low, high = bootstrap_ratio(drift * 12.0, drift * 10.0)
    assert (low, high) == (pytest.approx(1.2), pytest.approx(1.2))


def test_only_paired_rounds_can_be_resampled():
    for first, second in (([], []), ([1.0, 2.0], [1.0])):
        with pytest.raises(ValueError, match="cannot pair"):
            bootstrap_ratio(first, second)


@given(st.integers(0, 1000), st.floats(0.2, 5.0))
def test_the_interval_is_ordered_and_does_not_depend_on_the_unit(seed, unit):
    first, second = noisy(np.random.default_rng(seed), 12)
    low, high = bootstrap_ratio(first, second, resamples=50)
    assert low <= high
    assert bootstrap_ratio(first * unit, second * unit, resamples=50) == pytest.approx((low, high))


@pytest.mark.slow
def test_two_equal_entries_are_rarely_told_apart():
    rng = np.random.default_rng(2)
    found = [compare_samples(*noisy(rng, 20), seed=draw).significant for draw in range(200)]
    # One in a hundred is what the U test alone would let through.
    assert sum(found) <= 4


@pytest.mark.slow
def test_a_planted_slowdown_of_five_percent_is_found():
    rng = np.random.default_rng(3)
    draws = [compare_samples(*noisy(rng, 30, slowdown=1.05), seed=draw) for draw in range(100)]
    assert sum(draw.verdict == "slower" for draw in draws) >= 90
    assert not any(draw.verdict == "faster" for draw in draws)


@given(st.integers(1, LEAST_ROUNDS - 1))
def test_too_few_rounds_are_never_significant(rounds):
    baseline, candidate = np.arange(rounds) + 100.0, np.arange(rounds) + 1.0
    assert not compare_samples(baseline, candidate).significant


def test_enough_rounds_far_apart_are_significant():
    baseline, candidate = np.arange(LEAST_ROUNDS) + 100.0, np.arange(LEAST_ROUNDS) + 50.0
    found = compare_samples(baseline, candidate)
    assert found.verdict == "faster"
    # Medians 104 and 54.
    assert found.speedup == pytest.approx(104 / 54)
    assert compare_samples(candidate, baseline).verdict == "slower"


@pytest.mark.parametrize("share", [-1, 1])
def test_a_difference_that_memory_alone_can_make_is_not_shown(share):
    """Twenty rounds without any noise: chance is ruled out, and still it proves nothing."""
    rng = np.random.default_rng(0)
    baseline = 10.0 + rng.normal(0.0, 1e-4, 20)
    near, far = 1 + share * 0.9 * LEAST_DIFFERENCE, 1 + share * 1.1 * LEAST_DIFFERENCE
    found = compare_samples(baseline, baseline * near)
    assert found.p_value < 1e-6 and not found.low <= 1 <= found.high
    assert found.verdict == "no difference shown"
    assert compare_samples(baseline, baseline * far).verdict == ("slower", "faster")[share < 0]


def test_json_has_the_agreed_keys():
    row = Comparison(1.5, 1.4, 1.6, 0.001, True).to_json()
    assert row == {
        "speedup": 1.5,
        "speedup_low": 1.4,
        "speedup_high": 1.6,
        "p_value": 0.001,
        "significant": True,
        "verdict": "faster",
    }


def test_sessions_of_different_length_are_judged():
    rng = np.random.default_rng(3)
    earlier, later = 10.0 * rng.lognormal(0, 0.02, 40), 11.0 * rng.lognormal(0, 0.02, 25)
    found = compare_sessions(earlier, later)
    assert found.verdict == "slower"
    assert found.low < found.speedup < found.high < 1
    assert found.speedup == np.median(earlier) / np.median(later)
    assert compare_sessions(earlier, later[: LEAST_ROUNDS - 1]).verdict == "no difference shown"


def test_sessions_of_the_same_work_rarely_differ():
    rng = np.random.default_rng(4)
    shown = sum(compare_sessions(*noisy(rng, 30), seed=i).significant for i in range(100))
    assert shown <= 5


def test_the_interval_of_sessions_is_that_of_independent_medians():
    # Medians of 101 of a normal distribution scatter by 1.2533 sigma / sqrt(101); two of them.
    rng = np.random.default_rng(5)
    low, high = bootstrap_ratio_apart(*(100 + rng.normal(0, 1, 101) for _ in range(2)))
    width = 2 * 1.96 * np.sqrt(2) * 1.2533 / np.sqrt(101) / 100
    assert (high - low) == pytest.approx(width, rel=0.5)


def test_sessions_without_samples_are_refused():
    with pytest.raises(ValueError, match="0 with 1"):
        bootstrap_ratio_apart([], [1.0])
