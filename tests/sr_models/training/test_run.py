"""Whole runs: begun, ended, gone on with; `test_trainer.py` has what a `Trainer` does alone."""

import dataclasses
import json
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest

from sr_models.ground.errors import OutputError, PictureError, WeightsError
from sr_models.networks.network import load_trunk, named_weights
from sr_models.networks.tails import attach_tail
from sr_models.training.finetuning import find_start
from sr_models.training.patches import PatchSampler, load_training_pairs
from sr_models.training.recipe import TrainingRecipe
from sr_models.training.run import train
from sr_models.training.trainer import Trainer

RECIPE = TrainingRecipe(
    steps=40,
    batch_size=2,
    patch_size=12,
    learning_rate=3e-3,
    warmup_steps=5,
    candidates=1,
    validation_interval=10,
    validation_pictures=1,
)
FEW = dataclasses.replace(RECIPE, steps=6, optimizer="adam", validation_interval=3)
"""A run of few steps, which run without a graph: compiling them takes longer than running them."""


@pytest.fixture(scope="module")
def finished(smallest_preset, picture_folder, tmp_path_factory):
    """An uninterrupted run, whose pictures vanish at its third step; not to be written to.

    Its folder, result, losses and validations.
    """
    run_dir = tmp_path_factory.mktemp("finished")
    data = Path(shutil.copytree(picture_folder, tmp_path_factory.mktemp("data") / "pictures"))
    losses, validations = [], []

    def on_step(step, loss):
        losses.append(loss)
        if step == 3:
            shutil.rmtree(data)

    result = train(
        smallest_preset,
        RECIPE,
        data=data,
        run_dir=run_dir,
        on_step=on_step,
        on_validation=lambda step, psnr_db: validations.append((step, psnr_db)),
    )
    assert not data.exists()
    return run_dir, result, losses, validations


@pytest.fixture
def run_dir(finished, tmp_path):
    """A copy of the finished run."""
    return Path(shutil.copytree(finished[0], tmp_path / "run"))


def mean_loss(trunk, folder):
    """Mean absolute difference on the same patches, less noisy than the losses while training."""
    model = attach_tail(trunk, "none", scale=3)
    sampler = PatchSampler(
        load_training_pairs(folder, scale=3, patch_size=12), scale=3, batch_size=16, patch_size=12
    )
    low, high = sampler.batch(0)
    return np.abs(model(low).numpy() - high).mean()


@pytest.mark.slow
def test_training_gains_and_keeps_the_best(finished, smallest_preset, picture_folder, tmp_path):
    run_dir, result, losses, validations = finished
    assert (result.steps, result.stopped_by, len(losses)) == (40, None, 40)
    untrained = Trainer(smallest_preset, RECIPE, run_dir=tmp_path).pupil.trunk
    trained = load_trunk(smallest_preset, weights=result.weights)
    assert mean_loss(trained, picture_folder) < 0.99 * mean_loss(untrained, picture_folder)
    assert [step for step, _ in validations] == [10, 20, 30, 40]
    best_step, best_db = max(validations, key=lambda entry: entry[1])
    assert result.best_step == best_step
    assert result.validation_psnr_db == pytest.approx(best_db, abs=1e-4)
    assert best_db > validations[0][1], "better than nearly untrained"
    log = [json.loads(line) for line in (run_dir / "log.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in log] == [step for step, _ in validations]
    assert list((run_dir / "tensorboard").iterdir())
    assert result.loss == pytest.approx(np.mean(losses[-10:]))
    assert result.weights == run_dir / "best.weights.h5"
    assert json.dumps(result.to_json())


@pytest.mark.slow
def test_a_complete_run_is_not_trained_on(run_dir, finished, smallest_preset, picture_folder):
    steps, data = [], []
    result = train(
        smallest_preset,
        RECIPE,
        data=picture_folder,
        run_dir=run_dir,
        on_step=lambda step, loss: steps.append(step),
        on_data=lambda *pairs: data.append([len(part) for part in pairs]),
    )
    assert steps == [] and data == [[3, 1]]
    assert result.loss == pytest.approx(finished[1].loss), "known from the log"
    assert result.best_step == finished[1].best_step


TRAIN = """
import json, os, resource, signal, sys
from sr_models.ground.errors import OutputError
from sr_models.networks.presets import Preset
from sr_models.training.recipe import TrainingRecipe
from sr_models.training.run import train

preset, recipe, data, run_dir = *map(json.loads, sys.argv[1:3]), *sys.argv[3:]
recipe["intensities"] = tuple(recipe["intensities"])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)

def full_disk(step, loss):
    if step == 13:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, unlimited[1]))

def killed(step, loss):
    print(step, flush=True)
    if step == 13:
        os.kill(os.getpid(), signal.SIGKILL)

for fate in (full_disk, killed):
    try:
        train(Preset(**preset), TrainingRecipe(**recipe), data=data, run_dir=run_dir, on_step=fate)
    except OutputError as error:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
        print(error, flush=True)
"""


@pytest.mark.slow
def test_an_end_in_the_middle_costs_at_most_an_interval(
    run_python, finished, smallest_preset, picture_folder, tmp_path
):
    """A full disk ends the run, the same command goes on and is killed, and a third one finishes.

    Neither that nor the pictures, which are there all the time here, makes a difference.
    """
    described = (json.dumps(dataclasses.asdict(part)) for part in (smallest_preset, RECIPE))
    run_dir = tmp_path / "run"
    ended = run_python(TRAIN, *described, picture_folder, run_dir)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    said, *begun_again = ended.stdout.splitlines()
    assert said.startswith("expected to write") and "file too large" in said
    assert begun_again == ["11", "12", "13"], "from the checkpoint of step 10"
    assert not list(run_dir.glob(".*partial*"))
    steps = []
    result = train(
        smallest_preset,
        RECIPE,
        data=picture_folder,
        run_dir=run_dir,
        on_step=lambda step, loss: steps.append(step),
    )
    assert steps == list(range(11, 41))
    assert result.best_step == finished[1].best_step
    resumed, uninterrupted = (
        named_weights(load_trunk(smallest_preset, weights=found.weights))
        for found in (result, finished[1])
    )
    # The same but for the order in which threads add floats.
    for name, array in uninterrupted.items():
        np.testing.assert_allclose(resumed[name], array, atol=1e-5, err_msg=name)


def test_a_signal_checkpoints_at_once(without_graphs, smallest_preset, picture_folder, tmp_path):
    def on_step(step, loss):
        if step == 4:
            signal.raise_signal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    result = train(smallest_preset, FEW, data=picture_folder, run_dir=tmp_path, on_step=on_step)
    assert signal.getsignal(signal.SIGINT) is before
    assert result.stopped_by == "SIGINT" and result.steps in (4, 5)
    trainer = Trainer(smallest_preset, FEW, run_dir=tmp_path)
    assert trainer.resume() == result.steps


def test_patience_ends_a_run_that_gains_nothing(
    without_graphs, smallest_preset, picture_folder, tmp_path
):
    recipe = dataclasses.replace(FEW, learning_rate=1e-12, patience=3, validation_interval=1)
    result = train(smallest_preset, recipe, data=picture_folder, run_dir=tmp_path)
    # At such a rate every validation gives the same PSNR, so the first stays the best.
    assert (result.best_step, result.steps, result.stopped_by) == (1, 4, "patience")
    steps = []
    again = train(
        smallest_preset,
        recipe,
        data=picture_folder,
        run_dir=tmp_path,
        on_step=lambda step, loss: steps.append(step),
    )
    assert (steps, again.steps, again.stopped_by) == ([], 4, "patience"), "it stays ended"


@pytest.mark.slow
def test_a_run_starts_from_trained_weights(
    without_graphs, finished, smallest_preset, picture_folder, tmp_path
):
    start = find_start(str(finished[1].weights), smallest_preset)
    recipe = dataclasses.replace(FEW, learning_rate=1e-9, steps=2)
    validations = []
    train(
        smallest_preset,
        recipe,
        data=picture_folder,
        run_dir=tmp_path,
        start=start,
        on_validation=lambda step, psnr_db: validations.append(psnr_db),
    )
    assert validations == [pytest.approx(finished[1].validation_psnr_db, abs=1e-3)]


@pytest.mark.slow
def test_the_other_loss_and_optimizer_train(smallest_preset, picture_folder, tmp_path):
    recipe = dataclasses.replace(RECIPE, loss="l1", optimizer="adam", validation_interval=40)
    untrained = Trainer(smallest_preset, recipe, run_dir=tmp_path).pupil.trunk
    result = train(smallest_preset, recipe, data=picture_folder, run_dir=tmp_path)
    trained = load_trunk(smallest_preset, weights=result.weights)
    assert mean_loss(trained, picture_folder) < 0.99 * mean_loss(untrained, picture_folder)


def test_unusable_data_is_said_before_a_run_folder_is_made(smallest_preset, tmp_path):
    with pytest.raises(PictureError, match="no such path"):
        train(smallest_preset, RECIPE, data=tmp_path / "absent", run_dir=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("junk", ["weights", "patches"])
@pytest.mark.parametrize("existing", [False, True], ids=["new folder", "existing folder"])
def test_a_refused_run_leaves_the_folder_as_it_was(
    junk, existing, smallest_preset, picture_folder, tmp_path
):
    run_dir = tmp_path / "runs" / "mine"
    if existing:
        run_dir.mkdir(parents=True)
        (run_dir / "notes.txt").write_text("precious")
    before = sorted(tmp_path.rglob("*"))
    start, recipe = None, RECIPE
    if junk == "weights":
        (tmp_path.parent / "junk.weights.h5").write_text("no weights")
        start = find_start(str(tmp_path.parent / "junk.weights.h5"), smallest_preset)
    else:
        recipe = dataclasses.replace(RECIPE, patch_size=400)
    with pytest.raises((WeightsError, PictureError)):
        train(smallest_preset, recipe, data=picture_folder, run_dir=run_dir, start=start)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_run_folder_that_cannot_be_made(smallest_preset, picture_folder, tmp_path):
    (tmp_path / "file").write_text("precious")
    with pytest.raises(OutputError, match="a file stands where a folder is needed"):
        train(smallest_preset, RECIPE, data=picture_folder, run_dir=tmp_path / "file" / "run")
    assert (tmp_path / "file").read_text() == "precious"


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not stop the superuser")
def test_a_run_folder_without_permission(smallest_preset, picture_folder, tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(OutputError, match="you may write to"):
            train(smallest_preset, RECIPE, data=picture_folder, run_dir=tmp_path / "run")
    finally:
        tmp_path.chmod(0o700)
