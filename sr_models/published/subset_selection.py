"""Which values of the universal set a channel uses: K-means with a centre pinned at zero.

DFSQ, arXiv 2305.05888; as in github:zysxmu/DFSQ (utils/kmeans.py, cluster_process.py): 2^b centres
from random values of the channel (distinct ones here, which the sources leave open), at most 100
iterations or until none moves by 1e-3, one centre pinned at 0; each centre then goes to the nearest
value of the universal set, where several may meet. Of five runs the one with the least squared
error after that is kept.

In one dimension the values that are nearest to a centre lie side by side, so with values sorted
and their sums accumulated an iteration costs a binary search per centre, whatever the number of
values. That is exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sr_models.ground.errors import CalibrationError, OptionError
from sr_models.published.dfsq import snapped
from sr_models.published.settings import require_bits

RESTARTS = 5
ITERATIONS = 100
TOLERANCE = 1e-3


@dataclass(frozen=True)
class Subset:
    """The points that one channel uses.

    Attributes:
        points: float64 (2^b,), ascending, with repetitions where centres met; 0 is one of them.
        loss: Sum of squared errors over the values that they were chosen for.
    """

    points: np.ndarray
    loss: float

    @property
    def distinct(self) -> int:
        """How many of the points differ."""
        return len(np.unique(self.points))


class _Sorted:
    """Values in order, with the sums that any run of them adds up to."""

    def __init__(self, values: np.ndarray):
        self.values = np.sort(values)
        self.distinct = self.values[np.flatnonzero(np.diff(self.values, prepend=-np.inf))]
        self._sums = np.concatenate([[0.0], np.cumsum(self.values)])
        self._squares = float(np.square(self.values).sum())

    def clusters(self, centres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Count and sum of the values nearest to each of ascending centres."""
        middles = (centres[1:] + centres[:-1]) / 2
        ends = np.searchsorted(self.values, middles, side="left")
        ends = np.concatenate([[0], ends, [len(self.values)]])
        return np.diff(ends), np.diff(self._sums[ends])

    def loss(self, points: np.ndarray) -> float:
        """Sum of squared distances to the nearest of ascending points."""
        counts, sums = self.clusters(points)
        return max(0.0, float((counts * points**2 - 2.0 * points * sums).sum() + self._squares))


def _k_means(values: _Sorted, count: int, rng: np.random.Generator) -> np.ndarray:
    """Ascending centres, one of them 0."""
    # Distinct ones: half of what a ReLU returns is 0, where centres would only meet.
    again = len(values.distinct) < count - 1
    centres = np.append(rng.choice(values.distinct, count - 1, replace=again), 0.0)
    pinned = count - 1
    for _ in range(ITERATIONS):
        order = np.argsort(centres, kind="stable")
        counts, sums = values.clusters(centres[order])
        moved = centres.copy()
        # A centre without values stays, which the sources leave open.
        full = counts > 0
        moved[order[full]] = sums[full] / counts[full]
        moved[pinned] = 0.0
        distance = np.abs(moved - centres).max()
        centres = moved
        if distance < TOLERANCE:
            break
    return np.sort(centres)


def select_subset(
    values: np.ndarray, *, bits: int, restarts: int = RESTARTS, seed: int = 0
) -> Subset:
    """The points for one channel's normalized values.

    Args:
        values: float (N,) in [-1, 1], at least one.
        bits: Width, 2 to 16; 2^bits points.
        restarts: Runs of K-means, of which the best is kept; a run does not depend on their number.
        seed: Seed of the runs.

    Raises:
        CalibrationError: There are no values, or one is not finite.
        OptionError: Bits outside of 2..16, or no restart.
    """
    count = 2 ** require_bits(bits)
    if restarts < 1:
        raise OptionError(f"expected at least 1 restart, found {restarts}")
    flat = np.asarray(values, np.float64).ravel()
    if not len(flat) or not np.isfinite(flat).all():
        raise CalibrationError(
            f"expected finite values to choose points for, found {len(flat)} values; check "
            "pictures and weights for NaN"
        )
    ordered = _Sorted(flat)
    best = None
    for k in range(restarts):
        centres = _k_means(ordered, count, np.random.default_rng([seed, k]))
        points = snapped(centres)
        loss = ordered.loss(points)
        if best is None or loss < best.loss:
            best = Subset(points, loss)
    return best
