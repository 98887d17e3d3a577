"""What a `Trainer` does to checkpoints and losses is tested through runs in `test_run.py`."""

import numpy as np
import pytest

from sr_models.ground.errors import OptionError
from sr_models.training.recipe import TrainingRecipe
from sr_models.training.soap import Soap
from sr_models.training.trainer import Trainer, make_optimizer

RECIPE = TrainingRecipe(steps=9, batch_size=4, patch_size=12)


def test_an_optimizer_is_what_the_recipe_names():
    assert isinstance(make_optimizer(TrainingRecipe()), Soap)
    assert type(make_optimizer(TrainingRecipe(optimizer="adam"))).__name__ == "Adam"


def test_a_step_follows_the_averages(tiny_preset, tmp_path):
    """The k-th average is (1 - d) w_k + d a_(k-1) with d = (1 + k) / (10 + k) at first."""
    trainer = Trainer(tiny_preset, RECIPE, run_dir=tmp_path)
    rng = np.random.default_rng(0)
    low = rng.random((4, 12, 12, 3), dtype=np.float32)
    high = rng.random((4, 36, 36, 3), dtype=np.float32)
    variable, average = trainer.pupil.variables[0], trainer.averages.values[0]
    expected = variable.numpy()
    for k in range(3):
        trainer._train_step(low, high, np.float32(0.01), np.float32(0.0))
        decay = (1 + k) / (10 + k)
        expected = decay * expected + (1 - decay) * variable.numpy()
    np.testing.assert_allclose(average.numpy(), expected, atol=1e-6)
    assert trainer.step == 3


def test_a_batch_that_replicas_cannot_share_is_refused(tiny_preset, tmp_path):
    class ThreeReplicas:
        def local_batch_size(self, batch_size):
            raise OptionError(
                f"expected a batch size that 3 replicas can share, found {batch_size}"
            )

    with pytest.raises(OptionError, match="found 4"):
        Trainer(tiny_preset, RECIPE, run_dir=tmp_path, distribution=ThreeReplicas())
    assert not list(tmp_path.iterdir())
