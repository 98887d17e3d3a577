import dataclasses
import math
from itertools import pairwise

import pytest

from sr_models.ground.errors import OptionError
from sr_models.training.recipe import TrainingRecipe, recipe_for


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": 0},
        {"batch_size": -1},
        {"patch_size": 0},
        {"learning_rate": 0.0},
        {"learning_rate": math.nan},
        {"learning_rate": 1.0},
        {"seed": -1},
        {"validation_pictures": -1},
        {"validation_interval": 0},
        {"warmup_steps": -1},
        {"patience": -1},
        {"ema_decay": 1.0},
        {"charbonnier_epsilon": 0.0},
        {"decay_fraction": 1.5},
        {"intensities": ()},
        {"intensities": (1.0, 0.0)},
        {"intensities": (1.2,)},
        {"optimizer": "sgd"},
        {"loss": "l2"},
        {"schedule": "linear"},
    ],
    ids=str,
)
def test_values_out_of_range_are_refused(wrong):
    with pytest.raises(OptionError, match=next(iter(wrong))):
        TrainingRecipe(**wrong)


def test_the_learning_rate_rises_stays_and_falls():
    recipe = TrainingRecipe(steps=1000, learning_rate=0.01, warmup_steps=100, decay_fraction=0.4)
    rates = [recipe.learning_rate_at(step) for step in range(1000)]
    assert rates[0] == pytest.approx(0.01 / 100) and rates[99] == pytest.approx(0.01)
    assert all(rate == pytest.approx(0.01) for rate in rates[99:600])
    assert rates[800] == pytest.approx(0.005, rel=1e-6), "half way down a half cosine"
    assert all(later <= earlier for earlier, later in pairwise(rates[600:]))
    assert 0.0 < rates[-1] < 1e-6


def test_a_recipe_takes_the_preset_and_what_is_given(tiny_preset):
    preset = dataclasses.replace(tiny_preset, recipe={"steps": 77})
    recipe = recipe_for(preset, steps=None, seed=3, batch_size=None)
    assert (recipe.steps, recipe.seed, recipe.batch_size) == (77, 3, TrainingRecipe().batch_size)


def test_a_cosine_falls_from_the_first_step():
    recipe = TrainingRecipe(steps=1000, learning_rate=0.01, warmup_steps=0, schedule="cosine")
    for step in (0, 250, 500, 999):
        expected = 0.005 * (1.0 + math.cos(math.pi * step / 1000))
        assert recipe.learning_rate_at(step) == pytest.approx(expected)


def test_steps_halve_the_rate_after_each_fifth():
    recipe = TrainingRecipe(steps=1000, learning_rate=0.016, warmup_steps=0, schedule="step")
    rates = [recipe.learning_rate_at(step) for step in (0, 199, 200, 400, 600, 800, 999)]
    assert rates == pytest.approx([0.016, 0.016, 0.008, 0.004, 0.002, 0.001, 0.001])
    longer = dataclasses.replace(recipe, steps=5)
    assert longer.learning_rate_at(7) == pytest.approx(0.001), "past the end it stays"
