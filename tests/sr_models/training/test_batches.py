import types

import numpy as np
import pytest

from sr_models.training.distribution import Distribution
from sr_models.training.patches import PatchSampler, distributed_batches, load_training_pairs
from sr_models.training.recipe import TrainingRecipe

RECIPE = TrainingRecipe(steps=9, batch_size=4, patch_size=12)


@pytest.fixture(scope="module")
def sampler(picture_folder):
    pairs = load_training_pairs(picture_folder, scale=3, patch_size=12)
    return PatchSampler(pairs, scale=3, batch_size=4, patch_size=12)


def batches(sampler, distribution, *, first):
    return list(distributed_batches(sampler, distribution, first=first, recipe=RECIPE, scale=3))


def test_batches_go_on_where_a_run_stands(sampler):
    found = batches(sampler, Distribution("none"), first=6)
    assert len(found) == 3
    for step, (low, high) in enumerate(found, start=6):
        expected = sampler.batch(step)
        np.testing.assert_array_equal(low, expected[0])
        np.testing.assert_array_equal(high, expected[1])


def test_after_the_last_step_there_are_none(sampler):
    assert batches(sampler, Distribution("none"), first=9) == []


def second_of_two_workers():
    """A process of four replicas in all, two of them here: what a strategy would be asked."""
    strategy = types.SimpleNamespace(distribute_datasets_from_function=lambda made: made(None))
    return types.SimpleNamespace(
        strategy=strategy,
        replicas=4,
        workers=2,
        index=1,
        local_batch_size=lambda batch_size: batch_size // 4,
    )


def test_each_replica_has_its_own_rows_of_the_same_batch(sampler):
    found = batches(sampler, second_of_two_workers(), first=7)
    assert len(found) == 4  # two steps, two replicas
    for number, (low, high) in enumerate(found):
        step, row = 7 + number // 2, 2 + number % 2
        expected = sampler.batch(step)
        np.testing.assert_array_equal(low, expected[0][row : row + 1])
        np.testing.assert_array_equal(high, expected[1][row : row + 1])
