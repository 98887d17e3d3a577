"""Which values of the universal set a channel uses: K-means with a centre pinned at zero.

DFSQ, arXiv 2305.05888; as in github:zysxmu/DFSQ (utils/kmeans.py, cluster_process.py): 2^b centres
from random values of the channel, at most 100 iterations or until none moves by 1e-3, one centre
pinned at 0; each centre then goes to the nearest value of the universal set, where several may
meet. Of five runs the one with the least squared error after that is kept.

Two variants of the K-means itself:

- `"released"`: centres start at the values of random places, equal ones among them; one without
  values starts again at a random value; once none moves by 1e-3 the last move is not made.
- `"distinct"`, ours and the default: they start at values that differ; one without values stays;
  the last move is made. Half of what a ReLU returns is 0, where centres of the first kind meet, to
  be thrown anew one iteration after the other.

In one dimension the values that are nearest to a centre lie side by side, so with values sorted
and their sums accumulated an iteration costs a binary search per centre, whatever the number of
values. That is exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sr_models.ground.errors import CalibrationError, OptionError, require_known
from sr_models.published.dfsq import snapped
from sr_models.published.settings import require_bits

KMEANS = ("distinct", "released")
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

    def clusters(
        self, centres: np.ndarray, *, ranks: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Count and sum of the values nearest to each of ascending centres.

        Args:
            centres: float64 (K,).
            ranks: Of two centres at one distance that of the lower rank takes the value; by default
                the greater one.
        """
        middles = (centres[1:] + centres[:-1]) / 2
        ends = np.searchsorted(self.values, middles, side="left")
        if ranks is not None:
            behind = np.searchsorted(self.values, middles, side="right")
            ends = np.where(ranks[:-1] < ranks[1:], behind, ends)
        ends = np.concatenate([[0], ends, [len(self.values)]])
        return np.diff(ends), np.diff(self._sums[ends])

    def loss(self, points: np.ndarray) -> float:
        """Sum of squared distances to the nearest of ascending points."""
        counts, sums = self.clusters(points)
        return max(0.0, float((counts * points**2 - 2.0 * points * sums).sum() + self._squares))


def _released_k_means(values: _Sorted, count: int, rng: np.random.Generator) -> np.ndarray:
    """Ascending centres, one of them 0, by the released code's rules."""
    again = len(values.values) < count - 1
    centres = np.append(rng.choice(values.values, count - 1, replace=again), 0.0)
    for _ in range(ITERATIONS):
        # Of equal centres the first one takes all their values.
        different, first = np.unique(centres, return_index=True)
        moved = rng.choice(values.values, count)
        counts, sums = values.clusters(different, ranks=first)
        full = counts > 0
        moved[first[full]] = sums[full] / counts[full]
        moved[-1] = 0.0
        if np.abs(moved - centres).max() < TOLERANCE:
            break
        centres = moved
    return np.sort(centres)


def _k_means(values: _Sorted, count: int, rng: np.random.Generator) -> np.ndarray:
    """Ascending centres, one of them 0, from distinct values."""
    # Distinct ones: half of what a ReLU returns is 0, where centres would only meet.
    again = len(values.distinct) < count - 1
    centres = np.append(rng.choice(values.distinct, count - 1, replace=again), 0.0)
    pinned = count - 1
    for _ in range(ITERATIONS):
        order = np.argsort(centres, kind="stable")
        counts, sums = values.clusters(centres[order])
        moved = centres.copy()
        full = counts > 0
        moved[order[full]] = sums[full] / counts[full]
        moved[pinned] = 0.0
        distance = np.abs(moved - centres).max()
        centres = moved
        if distance < TOLERANCE:
            break
    return np.sort(centres)


def select_subset(
    values: np.ndarray,
    *,
    bits: int,
    restarts: int = RESTARTS,
    seed: int = 0,
    kmeans: str = "distinct",
) -> Subset:
    """The points for one channel's normalized values.

    Args:
        values: float (N,) in [-1, 1], at least one.
        bits: Width, 2 to 16; 2^bits points.
        restarts: Runs of K-means, of which the best is kept; a run does not depend on their number.
        seed: Seed of the runs.
        kmeans: One of `KMEANS`.

    Raises:
        CalibrationError: There are no values, or one is not finite.
        OptionError: Bits outside of 2..16, no restart, or no such K-means.
    """
    count = 2 ** require_bits(bits)
    require_known("a K-means", kmeans, KMEANS)
    run = _released_k_means if kmeans == "released" else _k_means
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
        centres = run(ordered, count, np.random.default_rng([seed, k]))
        points = snapped(centres)
        loss = ordered.loss(points)
        if best is None or loss < best.loss:
            best = Subset(points, loss)
    return best
