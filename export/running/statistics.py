"""Timing statistics: summaries of one sample, and whether two samples truly differ.

"Faster" needs two witnesses: a Mann-Whitney U test, as airspeed-velocity and google/benchmark use
it, and a bootstrap interval of the ratio of medians that leaves out every ratio near 1. Both judge
chance only. That two interpreters of one file lie elsewhere in memory is no chance but stays for as
long as they live, and makes one of them up to a percent slower: hence the width of "near".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

# With 0.05 here and without the least difference below, 7 of 70 comparisons of a file with itself
# told the two apart; as they are, none of the same 70 (`sr-bench evidence trust`: 30 by processor
# time, 40 on a busy machine).
SIGNIFICANCE = 0.01
# Of those by processor time, ratios of medians went up to 1.012, and the 95 % intervals began at
# 1.0045 at most.
LEAST_DIFFERENCE = 0.01
# Below nine repetitions the U test is not to be relied on (google/benchmark, docs/tools.md).
LEAST_ROUNDS = 9
RESAMPLES = 2000
# Resamples that are in memory together, so that long measurements need little of it.
_AT_ONCE = 250


@dataclass(frozen=True)
class Summary:
    """One sample of durations.

    Attributes:
        runs: Number of timed runs.
        median_ms: Median, milliseconds.
        p5_ms: 5th percentile (linear interpolation), milliseconds.
        p95_ms: 95th percentile, milliseconds.
        std_ms: Standard deviation (n - 1 in the denominator; 0 for one run), milliseconds.
    """

    runs: int
    median_ms: float
    p5_ms: float
    p95_ms: float
    std_ms: float

    def to_json(self) -> dict:
        """The attributes by name."""
        return asdict(self)


@dataclass(frozen=True)
class Comparison:
    """A baseline against a candidate, timed in the same rounds.

    Attributes:
        speedup: Median of the baseline over median of the candidate; above 1 the candidate wins.
        low: Lower end of the 95 % bootstrap interval of `speedup`.
        high: Upper end of that interval.
        p_value: Two-sided Mann-Whitney U test.
        significant: Whether test, interval and number of rounds all speak for a difference of more
            than `LEAST_DIFFERENCE`.
    """

    speedup: float
    low: float
    high: float
    p_value: float
    significant: bool

    @property
    def verdict(self) -> str:
        """`faster`, `slower` or `no difference shown`, of the candidate."""
        if not self.significant:
            return "no difference shown"
        return "faster" if self.speedup > 1 else "slower"

    def to_json(self) -> dict:
        """The attributes with the names that a comparison's results use, and the verdict."""
        return {
            "speedup": self.speedup,
            "speedup_low": self.low,
            "speedup_high": self.high,
            "p_value": self.p_value,
            "significant": self.significant,
            "verdict": self.verdict,
        }


def summarize(samples_ms: Sequence[float]) -> Summary:
    """Median, percentiles and spread of at least one duration in milliseconds."""
    samples = np.asarray(samples_ms, dtype=np.float64)
    if samples.size == 0:
        raise ValueError("cannot summarize no samples")
    p5, median, p95 = (float(value) for value in np.percentile(samples, (5, 50, 95)))
    return Summary(
        runs=int(samples.size),
        median_ms=median,
        p5_ms=p5,
        p95_ms=p95,
        std_ms=float(samples.std(ddof=1)) if samples.size > 1 else 0.0,
    )


def mann_whitney(first: Sequence[float], second: Sequence[float]) -> float:
    """p-value of the two-sided Mann-Whitney U test; 1 where all values are the same."""
    from scipy.stats import mannwhitneyu

    if len({*map(float, first), *map(float, second)}) == 1:
        return 1.0
    return float(mannwhitneyu(first, second, alternative="two-sided").pvalue)


def bootstrap_ratio(
    baseline: Sequence[float],
    candidate: Sequence[float],
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> tuple[float, float]:
    """95 % interval of median(baseline) / median(candidate), by a paired block bootstrap.

    Both samples are drawn by the same rounds, so that a drift that touches both cancels, and in
    blocks of about the cube root of their number (Künsch 1989; the length of Hall, Horowitz and
    Jing 1995), so that neighbouring rounds may resemble each other.

    Args:
        baseline: Milliseconds per round.
        candidate: Milliseconds of the same rounds.
        seed: Seed of the resampling.
        resamples: Number of resampled ratios.

    Returns:
        The 2.5 and 97.5 percentiles of the resampled ratios.
    """
    first, second = np.asarray(baseline, float), np.asarray(candidate, float)
    if first.shape != second.shape or first.size == 0:
        raise ValueError(f"cannot pair {first.size} with {second.size} rounds")
    rng = np.random.default_rng(seed)
    ratios: list[np.ndarray] = []
    for start in range(0, resamples, _AT_ONCE):
        rounds = _blocks(rng, first.size, draws=min(_AT_ONCE, resamples - start))
        ratios.append(np.median(first[rounds], axis=1) / np.median(second[rounds], axis=1))
    return _interval(ratios)


def bootstrap_ratio_apart(
    earlier: Sequence[float], later: Sequence[float], *, seed: int = 0, resamples: int = RESAMPLES
) -> tuple[float, float]:
    """95 % interval of median(earlier) / median(later) for samples of two separate measurements.

    As `bootstrap_ratio`, but each sample is drawn on its own, for its rounds have no partners.
    """
    first, second = np.asarray(earlier, float), np.asarray(later, float)
    if not first.size or not second.size:
        raise ValueError(f"cannot compare {first.size} with {second.size} rounds")
    rng = np.random.default_rng(seed)
    ratios: list[np.ndarray] = []
    for start in range(0, resamples, _AT_ONCE):
        draws = min(_AT_ONCE, resamples - start)
        medians = [
            np.median(sample[_blocks(rng, sample.size, draws=draws)], axis=1)
            for sample in (first, second)
        ]
        ratios.append(medians[0] / medians[1])
    return _interval(ratios)


def _blocks(rng: np.random.Generator, count: int, *, draws: int) -> np.ndarray:
    """Numbers of rounds, (draws, count), in blocks of neighbours."""
    length = max(1, round(count ** (1 / 3)))
    starts = rng.integers(count, size=(draws, -(-count // length), 1))
    # Circular blocks, or the first and last rounds would be drawn less often.
    return ((starts + np.arange(length)) % count).reshape(draws, -1)[:, :count]


def _interval(ratios: Sequence[np.ndarray]) -> tuple[float, float]:
    low, high = np.percentile(np.concatenate(ratios), (2.5, 97.5))
    return float(low), float(high)


def compare_samples(
    baseline: Sequence[float], candidate: Sequence[float], *, seed: int = 0
) -> Comparison:
    """Judge two samples in milliseconds that were timed in the same interleaved rounds."""
    return _judge(baseline, candidate, bootstrap_ratio(baseline, candidate, seed=seed))


def compare_sessions(
    earlier: Sequence[float], later: Sequence[float], *, seed: int = 0
) -> Comparison:
    """Judge two samples in milliseconds of the same work that were timed in separate sessions.

    What a machine does otherwise from one day to the next is in neither sample: a difference that
    this shows may still be the machine's (`runtime_bench.history.trend` asks for more).
    """
    return _judge(earlier, later, bootstrap_ratio_apart(earlier, later, seed=seed))


def _judge(
    baseline: Sequence[float], candidate: Sequence[float], interval: tuple[float, float]
) -> Comparison:
    low, high = interval
    speedup = float(np.median(baseline) / np.median(candidate))
    p_value = mann_whitney(baseline, candidate)
    near = 1 + LEAST_DIFFERENCE
    apart = (low > near and speedup > near) or (high < 1 / near and speedup < 1 / near)
    enough = min(len(baseline), len(candidate)) >= LEAST_ROUNDS
    return Comparison(
        speedup, low, high, p_value, bool(apart and enough and p_value < SIGNIFICANCE)
    )
