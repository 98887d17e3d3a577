import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from sr_models.ground.errors import CalibrationError, OptionError
from sr_models.published.dfsq import UNIVERSAL_SET
from sr_models.published.subset_selection import (
    _k_means,
    _released_k_means,
    _Sorted,
    select_subset,
)


def laplace(count=20_000, seed=0):
    x = np.random.default_rng(seed).laplace(size=count)
    return x / np.abs(x).max()


def error_of(points, values):
    return np.square(np.abs(values[:, None] - np.unique(points)[None]).min(axis=1)).sum()


@pytest.mark.parametrize("bits", range(2, 9))
def test_points_are_values_of_the_set_ascending_with_zero(bits):
    found = select_subset(laplace(), bits=bits)
    assert len(found.points) == 2**bits
    assert np.isin(found.points, UNIVERSAL_SET).all()
    assert (np.diff(found.points) >= 0.0).all()
    assert 0.0 in found.points
    assert found.loss == pytest.approx(error_of(found.points, laplace()), rel=1e-6)


@given(
    values=arrays.arrays(np.float64, st.integers(1, 60), elements=st.floats(-1.0, 1.0)),
    bits=st.integers(2, 5),
    seed=st.integers(0, 100),
)
def test_zero_is_a_point_whatever_the_values(values, bits, seed):
    for these in (values, np.abs(values), 0.5 + np.abs(values) / 2):
        found = select_subset(these, bits=bits, seed=seed)
        assert 0.0 in found.points and len(found.points) == 2**bits
        assert np.isin(found.points, UNIVERSAL_SET).all()


@given(seed=st.integers(0, 1000), bits=st.integers(2, 5))
def test_no_further_restart_raises_the_loss(seed, bits):
    values = laplace(500, seed=seed)
    losses = [select_subset(values, bits=bits, restarts=n, seed=seed).loss for n in range(1, 6)]
    assert losses == sorted(losses, reverse=True)


def plain_k_means(values, centres, *, iterations):
    """Lloyd's algorithm with a table of all distances, its last centre pinned."""
    centres = np.array(centres)
    for _ in range(iterations):
        nearest = np.abs(values[:, None] - centres[None]).argmin(axis=1)
        moved = centres.copy()
        for k in range(len(centres) - 1):
            if (nearest == k).any():
                moved[k] = values[nearest == k].mean()
        done = np.abs(moved - centres).max() < 1e-3
        centres = moved
        if done:
            break
    return np.sort(centres)


def test_sorted_k_means_is_that_of_a_table_of_all_distances():
    values = laplace(2000)
    found = _k_means(_Sorted(values), 8, np.random.default_rng(5))
    start = np.append(np.random.default_rng(5).choice(np.sort(values), 7, replace=False), 0.0)
    np.testing.assert_allclose(found, plain_k_means(values, start, iterations=100), atol=1e-9)


def released_k_means(values, count, rng):
    """The loop of the released `KMeans.fit` with a table of all distances, its draws from `rng`."""
    centres = np.append(rng.choice(values, count - 1, replace=False), 0.0)
    for _ in range(100):
        nearest = np.abs(values[:, None] - centres[None]).argmin(axis=1)
        drawn = rng.choice(values, count)
        moved = [
            values[nearest == k].mean() if (nearest == k).any() else drawn[k]
            for k in range(count - 1)
        ]
        moved = np.append(moved, 0.0)
        if np.abs(centres - moved).max() < 1e-3:
            break
        centres = moved
    return np.sort(centres)


@pytest.mark.parametrize("rectified", [False, True])
def test_the_released_k_means_draws_again_and_leaves_its_last_move_out(rectified):
    values = np.sort(np.maximum(laplace(500), 0.0) if rectified else laplace(500))
    found = _released_k_means(_Sorted(values), 8, np.random.default_rng(5))
    expected = released_k_means(values, 8, np.random.default_rng(5))
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_more_restarts_never_raise_the_loss_and_seeds_repeat():
    losses = [select_subset(laplace(), bits=4, restarts=n, seed=7).loss for n in (1, 2, 5, 9)]
    assert losses == sorted(losses, reverse=True)
    assert losses[0] > losses[-1]
    again = select_subset(laplace(), bits=4, seed=7)
    np.testing.assert_array_equal(again.points, select_subset(laplace(), bits=4, seed=7).points)


def uniform_error(values, *, bits):
    step = np.abs(values).max() / (2 ** (bits - 1) - 1)
    return np.square(np.rint(values / step) * step - values).sum()


def test_on_laplace_values_four_bits_beat_a_uniform_grid_and_eight_do_not():
    # An independent simulation of as many values: errors of 2.3e-4 against 1.6e-3 at 4 bits, and
    # of 1.2e-5 against 5.1e-6 at 8, where 158 points differ.
    values = laplace(70_000)
    assert select_subset(values, bits=4).loss / 70_000 == pytest.approx(2.3e-4, rel=0.15)
    assert select_subset(values, bits=4).loss < 0.25 * uniform_error(values, bits=4)
    eight = select_subset(values, bits=8, restarts=2)
    assert eight.loss > 1.5 * uniform_error(values, bits=8)
    assert 140 < eight.distinct < 180, "the set is too small for 256 points that differ"


def test_behind_a_relu_all_points_are_put_to_use():
    values = np.maximum(laplace(70_000), 0.0)
    values /= values.max()
    found = select_subset(values, bits=4)
    assert found.distinct == 16
    # The same simulation found 7.6e-5 and 1.8e-4 for 15 uniform steps, with other starts.
    steps = np.square(np.rint(values * 15) / 15 - values).mean()
    assert steps == pytest.approx(1.8e-4, rel=0.2)
    assert found.loss / 70_000 < 7.6e-5


def test_a_channel_of_zeros_has_nothing_but_zero():
    found = select_subset(np.zeros(100), bits=4)
    assert (found.distinct, found.loss) == (1, 0.0)


def test_what_cannot_be_used_is_refused():
    for values in (np.array([]), np.array([0.1, np.nan])):
        with pytest.raises(CalibrationError, match="expected finite values"):
            select_subset(values, bits=4)
    with pytest.raises(OptionError, match="expected at least 1 restart, found 0"):
        select_subset(laplace(), bits=4, restarts=0)
    with pytest.raises(OptionError):
        select_subset(laplace(), bits=1)
