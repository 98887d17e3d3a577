import itertools
import signal
from dataclasses import replace

import pytest

from runtime_bench.evidence import training_speed
from runtime_bench.evidence.training import select_presets
from runtime_bench.evidence.training_speed import (
    LEAST_STEPS,
    Pace,
    TrainingSpeed,
    WatchedTrainer,
    speed_of,
    time_presets,
    time_training,
)
from sr_models.ground.errors import OptionError, UnknownModelError
from sr_models.networks.presets import get_preset
from sr_models.training.patches import load_training_pairs
from sr_models.training.recipe import TrainingRecipe
from sr_models.training.trainer import Trainer

RECIPE = TrainingRecipe(steps=200, batch_size=2, patch_size=8)


@pytest.fixture(scope="module")
def pairs(picture_folder):
    return load_training_pairs(picture_folder, scale=3, patch_size=8)


def test_figures_derived_by_hand(tiny_preset):
    """Two steps of warm-up, then steps of 100, 200 and 300 ms with 10, 20 and 30 ms of waiting."""
    found = speed_of(
        tiny_preset,
        RECIPE,
        ends=[3.0, 4.0, 4.1, 4.3, 4.6],
        waits=[2.0, 0.5, 0.01, 0.02, 0.03, 7.0],
        warmup=2,
    )
    assert found.steps == 3
    assert found.steps_per_second == pytest.approx(3 / 0.6)
    assert found.step_ms == pytest.approx(200.0)
    assert found.waiting_fraction == pytest.approx(0.06 / 0.6)
    assert (found.preset, found.family, found.optimizer) == ("tiny_x3", "xlsr", "soap")
    assert (found.batch_size, found.patch_size) == (2, 8)


def test_waiting_is_the_time_until_a_batch_is_there(smallest_preset, clock, tmp_path, monkeypatch):
    def slow_batches(self, sampler, first):
        for seconds in (0.5, 0.25):
            clock.seconds += seconds
            yield seconds, first

    monkeypatch.setattr(Trainer, "batches", slow_batches)
    trainer = WatchedTrainer(smallest_preset, RECIPE, run_dir=tmp_path, clock=clock)
    for _, first in trainer.batches(None, 6):
        assert first == 6
        clock.seconds += 70.0  # the step itself
    assert trainer.waits == [0.5, 0.25]


def test_a_run_of_the_real_trainer_is_watched(smallest_preset, pairs, tmp_path):
    pace = Pace(warmup=2, steps=12, seconds=600.0)
    found = time_training(smallest_preset, pairs, run_dir=tmp_path, pace=pace, recipe=RECIPE)
    assert found.steps == 12 and found.steps_per_second > 0.0 and found.step_ms > 0.0
    assert 0.0 < found.waiting_fraction < 1.0
    assert not list(tmp_path.rglob("ckpt*")) and not list(tmp_path.rglob("*.h5"))


def test_the_budget_of_seconds_ends_a_run(without_graphs, smallest_preset, pairs, tmp_path):
    ticks = itertools.count().__next__  # a second for every look at the clock
    pace = Pace(warmup=1, steps=1000, seconds=3.0)
    found = time_training(
        smallest_preset, pairs, run_dir=tmp_path, pace=pace, recipe=RECIPE, clock=ticks
    )
    assert found.steps == LEAST_STEPS, "never less, whatever the budget"


def test_a_run_may_end_before_the_pace_does(without_graphs, smallest_preset, pairs, tmp_path):
    recipe = replace(RECIPE, steps=13, validation_interval=2)
    found = time_training(
        smallest_preset, pairs, run_dir=tmp_path, pace=Pace(warmup=1, steps=50), recipe=recipe
    )
    assert found.steps == 12
    assert [path.name for path in tmp_path.rglob("ckpt*.index")] == ["ckpt-13.index"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_watching(without_graphs, number, smallest_preset, pairs, tmp_path):
    looks = itertools.count()

    def clock():
        look = next(looks)
        if look == 7:
            signal.raise_signal(number)
        return float(look)

    with pytest.raises(KeyboardInterrupt):
        time_training(smallest_preset, pairs, run_dir=tmp_path, recipe=RECIPE, clock=clock)
    assert next(looks) < 20, "it did not go on"


def test_a_recipe_too_short_to_watch(smallest_preset, pairs, tmp_path):
    with pytest.raises(OptionError, match="at least 20 steps, found 15"):
        time_training(
            smallest_preset,
            pairs,
            run_dir=tmp_path,
            recipe=TrainingRecipe(steps=15),
            pace=Pace(warmup=10),
        )


def test_pictures_are_loaded_once_for_networks_that_share_them(monkeypatch, picture_folder):
    def fake(preset, pairs, *, run_dir, pace):
        timed.append((preset.name, id(pairs), len(pairs), run_dir.is_dir()))
        return TrainingSpeed(preset.name, preset.family, "soap", 1, 1, 1, 1.0, 1.0, 0.0)

    timed, told = [], []
    monkeypatch.setattr(training_speed, "time_training", fake)
    presets = select_presets(["espcn_x3", "etds_t_x3", "sesr_m5_x2"])
    results = time_presets(presets, data=picture_folder, on_network=lambda *step: told.append(step))
    assert [result.preset for result in results] == ["espcn_x3", "etds_t_x3", "sesr_m5_x2"]
    assert timed[0][1] == timed[1][1] != timed[2][1]
    assert all(count == 4 and made for _, _, count, made in timed)
    assert told == [(0, 3, "espcn_x3"), (1, 3, "etds_t_x3"), (2, 3, "sesr_m5_x2")]


def test_scikit_images_pictures_serve_where_no_folder_is_given(monkeypatch):
    seen = []
    monkeypatch.setattr(
        training_speed, "time_training", lambda preset, pairs, **_: seen.extend(pairs)
    )
    time_presets([get_preset("espcn_x3")])
    assert "rocket.jpg" in {pair.path.name for pair in seen}
    assert all(min(pair.low.shape[:2]) >= 32 for pair in seen)


def test_one_of_each_family_is_chosen():
    chosen = [preset.name for preset in select_presets()]
    assert {"abpn_x3", "xlsr_x3", "edsr_f32b5_x2", "sesr_m5_x2", "quicksrnet_s_x2"} <= set(chosen)
    families = [get_preset(name).family for name in chosen]
    assert len(set(families)) == len(families)
    assert "rdn" not in families, "too large to be chosen unasked"
    assert [preset.name for preset in select_presets(["rdn_x2"])] == ["rdn_x2"]


def test_patterns_and_names():
    names = [preset.name for preset in select_presets(["xlsr_x3", "xlsr*"])]
    assert names == ["xlsr_x3", "xlsr_x2", "xlsr_x4"]
    with pytest.raises(UnknownModelError, match=r"did you mean .*xlsr_x3"):
        select_presets(["xlsr_x3", "xslr_x3"])


@pytest.mark.parametrize(
    ("values", "said"),
    [({"warmup": 0}, "warm-up"), ({"steps": 9}, "10 steps"), ({"seconds": 0.0}, "seconds")],
)
def test_a_pace_that_tells_nothing(values, said):
    with pytest.raises(OptionError, match=said):
        Pace(**values)
