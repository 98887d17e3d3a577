import dataclasses
import json
import math
import shutil
import signal

import numpy as np
import pytest

from sr_models.ground.errors import OptionError, TrainingError
from sr_models.networks.network import named_weights
from sr_models.training.patches import PatchSampler, load_training_pairs, validation_crops
from sr_models.training.recipe import TrainingRecipe
from sr_models.training.soap import Soap
from sr_models.training.trainer import StopSignal, Trainer, make_optimizer

RECIPE = TrainingRecipe(
    steps=40,
    batch_size=2,
    patch_size=12,
    optimizer="adam",
    candidates=1,
    validation_interval=4,
    validation_pictures=1,
)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_noted_and_handlers_come_back(number):
    before = signal.getsignal(number)
    with StopSignal() as stop:
        assert stop.name is None
        signal.raise_signal(number)
        assert stop.name == signal.Signals(number).name
    assert signal.getsignal(number) is before


def test_an_optimizer_is_what_the_recipe_names():
    assert isinstance(make_optimizer(TrainingRecipe()), Soap)
    assert type(make_optimizer(TrainingRecipe(optimizer="adam"))).__name__ == "Adam"


def test_a_step_follows_the_averages(without_graphs, smallest_preset, tmp_path):
    """The k-th average is (1 - d) w_k + d a_(k-1) with d = (1 + k) / (10 + k) at first."""
    trainer = Trainer(smallest_preset, RECIPE, run_dir=tmp_path)
    rng = np.random.default_rng(0)
    low = rng.random((2, 12, 12, 3), dtype=np.float32)
    high = rng.random((2, 36, 36, 3), dtype=np.float32)
    variable, average = trainer.pupil.variables[0], trainer.averages.values[0]
    expected = variable.numpy()
    for k in range(3):
        trainer._train_step(low, high, np.float32(0.01), np.float32(0.0))
        decay = (1 + k) / (10 + k)
        expected = decay * expected + (1 - decay) * variable.numpy()
    np.testing.assert_allclose(average.numpy(), expected, atol=1e-6)
    assert trainer.step == 3


def test_a_loss_is_what_its_formula_says(smallest_preset, tmp_path):
    difference = np.array([[0.3, -0.4], [0.0, 1.2]], np.float32)
    expected = {
        "l1": (0.3 + 0.4 + 0.0 + 1.2) / 4,
        "charbonnier": sum(math.hypot(d, 0.1) for d in (0.3, 0.4, 0.0, 1.2)) / 4,
    }
    trainer = Trainer(smallest_preset, RECIPE, run_dir=tmp_path)
    for loss, value in expected.items():
        trainer.recipe = dataclasses.replace(RECIPE, loss=loss)
        assert float(trainer._loss(difference)) == pytest.approx(value, rel=1e-5)


def test_a_batch_that_replicas_cannot_share_is_refused(smallest_preset, tmp_path):
    class ThreeReplicas:
        def local_batch_size(self, batch_size):
            raise OptionError(
                f"expected a batch size that 3 replicas can share, found {batch_size}"
            )

    with pytest.raises(OptionError, match="found 2"):
        Trainer(smallest_preset, RECIPE, run_dir=tmp_path, distribution=ThreeReplicas())
    assert not list(tmp_path.iterdir())


def run(trainer, folder):
    pairs = load_training_pairs(folder, scale=3, patch_size=12)
    sampler = PatchSampler(pairs, scale=3, batch_size=2, patch_size=12)
    crops = validation_crops(pairs[:1], scale=3)
    ignored = {"on_step": lambda *_: None, "on_validation": lambda *_: None}
    return trainer.run(sampler, crops, **ignored)


def test_a_loss_beyond_numbers_stops_and_keeps_the_last_checkpoint(
    without_graphs, smallest_preset, picture_folder, tmp_path
):
    trainer = Trainer(smallest_preset, RECIPE, run_dir=tmp_path)
    assert trainer.resume() == 0
    one_step, steps = trainer._train_step, []

    def poisoned(low, high, *rest):
        steps.append(rest)
        return one_step(low, high * np.float32("nan" if len(steps) == 7 else 1.0), *rest)

    trainer._train_step = poisoned
    with pytest.raises(
        TrainingError, match=r"a finite loss, found nan at step 6;.*--learning-rate"
    ) as error:
        run(trainer, picture_folder)
    assert "\n" not in str(error.value)
    again = Trainer(smallest_preset, RECIPE, run_dir=tmp_path)
    assert again.resume() == 4
    assert all(np.isfinite(array).all() for array in named_weights(again.pupil.trunk).values())


def test_broken_weights_are_not_checkpointed(
    without_graphs, smallest_preset, picture_folder, tmp_path
):
    """The loss of a step is that of the weights before it: its update may be what breaks them."""
    recipe = dataclasses.replace(RECIPE, validation_interval=2)
    trainer = Trainer(smallest_preset, recipe, run_dir=tmp_path)
    one_step = trainer._train_step

    def breaking(*given):
        loss = one_step(*given)
        if trainer.step == 4:
            average = trainer.averages.values[0]
            average.assign(average * math.nan)
        return loss

    trainer._train_step = breaking
    with pytest.raises(TrainingError, match="finite validation PSNR, found nan at step 3"):
        run(trainer, picture_folder)
    assert [path.stem for path in (tmp_path / "checkpoints").glob("*.index")] == ["ckpt-2"]


@pytest.fixture
def run_dir(smallest_preset, tmp_path):
    """The folder of a run that was stopped at step 40."""
    trainer = Trainer(smallest_preset, RECIPE, run_dir=tmp_path)
    trainer.record_recipe()
    trainer.optimizers[0].iterations.assign(40)
    trainer.checkpoints.save(40)
    return tmp_path


def resumed(preset, run_dir, **changes):
    return Trainer(preset, dataclasses.replace(RECIPE, **changes), run_dir=run_dir).resume()


def test_another_recipe_is_refused_and_another_length_is_not(run_dir, smallest_preset):
    before = (run_dir / "recipe.json").read_text()
    with pytest.raises(TrainingError, match="found another batch_size, seed;"):
        resumed(smallest_preset, run_dir, batch_size=3, seed=4)
    with pytest.raises(TrainingError, match="found another preset;"):
        resumed(dataclasses.replace(smallest_preset, name="other_x3"), run_dir)
    assert (run_dir / "recipe.json").read_text() == before
    assert resumed(smallest_preset, run_dir, steps=60) == 40


def test_a_damaged_recipe_is_said_and_without_checkpoints_written_anew(run_dir, smallest_preset):
    (run_dir / "recipe.json").write_text('{"preset": "ti')
    trainer = Trainer(smallest_preset, RECIPE, run_dir=run_dir)
    with pytest.raises(TrainingError, match="missing or damaged"):
        trainer.resume()
    (run_dir / "recipe.json").unlink()
    with pytest.raises(TrainingError, match="missing or damaged"):
        trainer.resume()
    shutil.rmtree(run_dir / "checkpoints")
    assert trainer.resume() == 0
    trainer.record_recipe()
    assert json.loads((run_dir / "recipe.json").read_text())["preset"] == "smallest_x3"
