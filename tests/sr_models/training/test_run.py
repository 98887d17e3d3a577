import dataclasses
import json
import math
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest

from sr_models.ground.errors import OutputError, PictureError, TrainingError, WeightsError
from sr_models.networks.network import load_trunk, named_weights
from sr_models.networks.presets import Preset
from sr_models.networks.tails import attach_tail
from sr_models.training.finetuning import find_start
from sr_models.training.patches import PatchSampler, load_training_pairs, validation_crops
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
    validation_interval=5,
    validation_pictures=1,
)


@pytest.fixture(scope="module")
def finished(smallest_preset, picture_folder, tmp_path_factory):
    """An uninterrupted run; not to be written to. Its folder, result and losses."""
    run_dir = tmp_path_factory.mktemp("finished")
    losses, validations = [], []
    result = train(
        smallest_preset,
        RECIPE,
        data=picture_folder,
        run_dir=run_dir,
        on_step=lambda step, loss: losses.append(loss),
        on_validation=lambda step, psnr_db: validations.append((step, psnr_db)),
    )
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
    assert [step for step, _ in validations] == list(range(5, 41, 5))
    best_step, best_db = max(validations, key=lambda entry: entry[1])
    assert result.best_step == best_step
    assert result.validation_psnr_db == pytest.approx(best_db, abs=1e-4)
    assert best_db > validations[0][1], "better than nearly untrained"
    log = [json.loads(line) for line in (run_dir / "log.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in log] == [step for step, _ in validations]
    assert list((run_dir / "tensorboard").iterdir())
    assert result.loss == pytest.approx(np.mean(losses[-5:]))
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
from sr_models.training.trainer import Trainer
from sr_models.training.run import train

preset, recipe, data, run_dir, fate, at = *map(json.loads, sys.argv[1:3]), *sys.argv[3:]

def on_step(step, loss):
    if step == int(at) and fate == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if step == int(at) and fate == "disk full":
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, 2_000))

recipe["intensities"] = tuple(recipe["intensities"])
try:
    train(Preset(**preset), TrainingRecipe(**recipe), data=data, run_dir=run_dir, on_step=on_step)
except OutputError as error:
    print(error)
    # Skip what TensorFlow would write at exit: nothing here may depend on a tidy end.
    sys.stdout.flush()
    os._exit(2)
"""


def in_another_process(run_python, preset: Preset, *, data, run_dir, fate, at):
    described = json.dumps(dataclasses.asdict(preset)), json.dumps(dataclasses.asdict(RECIPE))
    return run_python(TRAIN, *described, data, run_dir, fate, at)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fate", "status"), [("killed", -signal.SIGKILL), ("disk full", 2)], ids=str
)
def test_an_end_in_the_middle_costs_at_most_an_interval(
    fate, status, run_python, finished, smallest_preset, picture_folder, tmp_path
):
    ended = in_another_process(
        run_python, smallest_preset, data=picture_folder, run_dir=tmp_path / "run", fate=fate, at=13
    )
    assert ended.returncode == status, ended.stderr
    if fate == "disk full":
        assert ended.stdout.count("\n") == 1, ended.stdout
        assert ended.stdout.startswith("expected to write") and "file too large" in ended.stdout
    assert not list((tmp_path / "run").glob(".*partial*"))
    steps = []
    result = train(
        smallest_preset,
        RECIPE,
        data=picture_folder,
        run_dir=tmp_path / "run",
        on_step=lambda step, loss: steps.append(step),
    )
    assert steps == list(range(11, 41)), "goes on from the checkpoint of step 10"
    assert result.best_step == finished[1].best_step
    resumed, uninterrupted = (
        named_weights(load_trunk(smallest_preset, weights=found.weights))
        for found in (result, finished[1])
    )
    # The same but for the order in which threads add floats.
    for name, array in uninterrupted.items():
        np.testing.assert_allclose(resumed[name], array, atol=1e-5, err_msg=name)


@pytest.mark.slow
def test_a_signal_checkpoints_at_once(smallest_preset, picture_folder, tmp_path):
    def on_step(step, loss):
        if step == 7:
            signal.raise_signal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    result = train(smallest_preset, RECIPE, data=picture_folder, run_dir=tmp_path, on_step=on_step)
    assert signal.getsignal(signal.SIGINT) is before
    assert result.stopped_by == "SIGINT" and result.steps in (7, 8)
    trainer = Trainer(smallest_preset, RECIPE, run_dir=tmp_path)
    assert trainer.resume() == result.steps


@pytest.mark.slow
def test_a_loss_beyond_numbers_stops_and_keeps_the_last_checkpoint(
    smallest_preset, picture_folder, tmp_path
):
    recipe = dataclasses.replace(RECIPE, validation_interval=4)
    trainer = Trainer(smallest_preset, recipe, run_dir=tmp_path)
    assert trainer.resume() == 0
    one_step, steps = trainer._train_step, []

    def poisoned(low, high, *rest):
        steps.append(rest)
        return one_step(low, high * np.float32("nan" if len(steps) == 7 else 1.0), *rest)

    trainer._train_step = poisoned
    with pytest.raises(TrainingError, match=r"found nan at step 6.*--learning-rate"):
        run(trainer, picture_folder)
    again = Trainer(smallest_preset, recipe, run_dir=tmp_path)
    assert again.resume() == 4
    assert all(np.isfinite(array).all() for array in named_weights(again.pupil.trunk).values())


@pytest.mark.slow
def test_an_absurd_learning_rate_stops_in_one_line(smallest_preset, picture_folder, tmp_path):
    recipe = dataclasses.replace(RECIPE, warmup_steps=0)
    object.__setattr__(recipe, "learning_rate", 1e18)  # Past the recipe's own check.
    with pytest.raises(TrainingError, match=r"finite .*, found (nan|inf) at step \d+;") as error:
        train(smallest_preset, recipe, data=picture_folder, run_dir=tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.slow
def test_broken_weights_are_not_checkpointed(smallest_preset, picture_folder, tmp_path):
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


def run(trainer, folder):
    pairs = load_training_pairs(folder, scale=3, patch_size=12)
    sampler = PatchSampler(pairs, scale=3, batch_size=2, patch_size=12)
    crops = validation_crops(pairs[:1], scale=3)
    ignored = {"on_step": lambda *_: None, "on_validation": lambda *_: None}
    return trainer.run(sampler, crops, **ignored)


def resumed(preset, run_dir, **changes):
    return Trainer(preset, dataclasses.replace(RECIPE, **changes), run_dir=run_dir).resume()


@pytest.mark.slow
def test_another_recipe_is_refused_and_another_length_is_not(run_dir, smallest_preset):
    before = (run_dir / "recipe.json").read_text()
    with pytest.raises(TrainingError, match="found another batch_size, seed;"):
        resumed(smallest_preset, run_dir, batch_size=3, seed=4)
    with pytest.raises(TrainingError, match="found another preset;"):
        resumed(dataclasses.replace(smallest_preset, name="other_x3"), run_dir)
    assert (run_dir / "recipe.json").read_text() == before
    assert resumed(smallest_preset, run_dir, steps=60) == 40


@pytest.mark.slow
def test_a_damaged_recipe_is_said_and_without_checkpoints_written_anew(run_dir, smallest_preset):
    (run_dir / "recipe.json").write_text('{"preset": "ti')
    with pytest.raises(TrainingError, match="missing or damaged"):
        resumed(smallest_preset, run_dir)
    (run_dir / "recipe.json").unlink()
    with pytest.raises(TrainingError, match="missing or damaged"):
        resumed(smallest_preset, run_dir)
    shutil.rmtree(run_dir / "checkpoints")
    trainer = Trainer(smallest_preset, RECIPE, run_dir=run_dir)
    assert trainer.resume() == 0
    trainer.record_recipe()
    assert json.loads((run_dir / "recipe.json").read_text())["preset"] == "smallest_x3"


def damage(path, how):
    content = bytearray(path.read_bytes())
    if how == "cut":
        content = content[: len(content) // 2]
    elif how == "empty":
        content = b""
    else:
        middle = len(content) // 2
        content[middle : middle + 40] = bytes(255 - byte for byte in content[middle : middle + 40])
    path.write_bytes(bytes(content))


@pytest.mark.slow
@pytest.mark.parametrize("how", ["cut", "empty", "changed"])
@pytest.mark.parametrize("suffix", ["index", "data-00000-of-00001"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_remains(
    suffix, how, run_dir, smallest_preset
):
    newest = run_dir / "checkpoints" / "ckpt-40"
    damage(newest.with_name(f"ckpt-40.{suffix}"), how)
    with pytest.raises(TrainingError, match=r"damaged one: .*ckpt-40 \(.*delete") as error:
        resumed(smallest_preset, run_dir)
    assert "\n" not in str(error.value)
    for path in newest.parent.glob("ckpt-40.*"):
        path.unlink()
    assert resumed(smallest_preset, run_dir) == 35


@pytest.mark.slow
def test_a_damaged_list_of_checkpoints_does_not_begin_anew(run_dir, smallest_preset):
    (run_dir / "checkpoints" / "checkpoint").write_bytes(b"\x00\xff no list")
    assert resumed(smallest_preset, run_dir) == 40


@pytest.mark.slow
def test_a_checkpoint_of_another_network_is_a_training_error(run_dir, smallest_preset):
    wider = dataclasses.replace(smallest_preset, config={**smallest_preset.config, "width": 12})
    with pytest.raises(TrainingError, match="damaged one"):
        resumed(wider, run_dir)


@pytest.mark.slow
def test_patience_ends_a_run_that_gains_nothing(smallest_preset, picture_folder, tmp_path):
    recipe = dataclasses.replace(RECIPE, learning_rate=1e-12, patience=3)
    result = train(smallest_preset, recipe, data=picture_folder, run_dir=tmp_path)
    # At such a rate every validation gives the same PSNR, so the first stays the best.
    assert (result.best_step, result.steps, result.stopped_by) == (5, 20, "patience")
    steps = []
    again = train(
        smallest_preset,
        recipe,
        data=picture_folder,
        run_dir=tmp_path,
        on_step=lambda step, loss: steps.append(step),
    )
    assert (steps, again.steps, again.stopped_by) == ([], 20, "patience"), "it stays ended"


@pytest.mark.slow
def test_a_data_folder_that_vanishes_costs_nothing(
    smallest_preset, picture_folder, finished, tmp_path
):
    data = Path(shutil.copytree(picture_folder, tmp_path / "data"))

    def on_step(step, loss):
        if step == 3:
            shutil.rmtree(data)

    result = train(smallest_preset, RECIPE, data=data, run_dir=tmp_path / "run", on_step=on_step)
    assert result.steps == 40
    assert result.validation_psnr_db == pytest.approx(finished[1].validation_psnr_db, abs=1e-3)


@pytest.mark.slow
def test_a_run_starts_from_trained_weights(finished, smallest_preset, picture_folder, tmp_path):
    start = find_start(str(finished[1].weights), smallest_preset)
    recipe = dataclasses.replace(RECIPE, learning_rate=1e-9, steps=5)
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
@pytest.mark.parametrize("changes", [{"loss": "l1"}, {"optimizer": "adam"}], ids=str)
def test_other_losses_and_optimizers_train(changes, smallest_preset, picture_folder, tmp_path):
    recipe = dataclasses.replace(RECIPE, **changes)
    untrained = Trainer(smallest_preset, recipe, run_dir=tmp_path).pupil.trunk
    result = train(smallest_preset, recipe, data=picture_folder, run_dir=tmp_path)
    trained = load_trunk(smallest_preset, weights=result.weights)
    assert mean_loss(trained, picture_folder) < 0.99 * mean_loss(untrained, picture_folder)


def test_a_loss_is_what_its_formula_says(smallest_preset, tmp_path):
    difference = np.array([[0.3, -0.4], [0.0, 1.2]], np.float32)
    expected = {
        "l1": (0.3 + 0.4 + 0.0 + 1.2) / 4,
        "charbonnier": sum(math.hypot(d, 0.1) for d in (0.3, 0.4, 0.0, 1.2)) / 4,
    }
    for loss, value in expected.items():
        recipe = dataclasses.replace(RECIPE, loss=loss)
        trainer = Trainer(smallest_preset, recipe, run_dir=tmp_path)
        assert float(trainer._loss(difference)) == pytest.approx(value, rel=1e-5)


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
