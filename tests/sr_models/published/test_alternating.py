from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from sr_models.ground.errors import CalibrationError, TrainingError
from sr_models.networks.network import build_trunk, named_weights
from sr_models.networks.presets import Preset
from sr_models.published.alternating import AlternatingTuner
from sr_models.published.outlier_student import OutlierSettings, calibrated, outlier_student
from sr_models.published.tuning import TuningSettings
from tests.families import random_weights

PICTURES = np.random.default_rng(1).random((6, 8, 8, 3), np.float32)
SETTINGS = TuningSettings(epochs=3, rate=0.02, held_back=0.3, seed=3)


@pytest.fixture(scope="module")
def edsr():
    config = {"scale": 2, "blocks": 1, "width": 4}
    return random_weights(build_trunk(Preset("test", "edsr", config, "for tests")))


@pytest.fixture(autouse=True)
def uncompiled(request):
    if "compiled" not in request.node.name:
        request.getfixturevalue("without_graphs")


@cache
def built(teacher, **changes):
    """A calibrated student and its weights; building one takes longer than tuning it."""
    student = outlier_student(teacher, OutlierSettings(3, **changes))
    student = calibrated(student, teacher, batches=[PICTURES])
    return student, student.model.get_weights()


def student_of(teacher, **changes):
    """The student in its calibrated state: one object for all that ask for the same."""
    student, weights = built(teacher, **changes)
    student.model.set_weights(weights)
    return student


def tuner_of(teacher, *, settings=SETTINGS, state_path=None, student=None, **changes):
    return AlternatingTuner(
        student or student_of(teacher, **changes),
        teacher,
        pictures=PICTURES,
        settings=settings,
        state_path=state_path,
    )


def values_of(student):
    return {
        f"{group}/{i}": v.numpy()
        for group, variables in student.groups.items()
        for i, v in enumerate(variables)
    }


def test_each_epoch_changes_one_group_and_nothing_else(edsr):
    before = named_weights(edsr)
    tuner = tuner_of(edsr)
    kernels = {n: layer.kernel.numpy() for n, layer in tuner.student.convolutions.items()}
    seen, per_epoch = [values_of(tuner.student)], tuner.steps_per_epoch
    assert per_epoch == 2, "four of the six pictures, two at a time"

    def on_step(step, total, loss):
        assert (total, np.isfinite(loss)) == (6, True)
        if step % per_epoch == 0:
            seen.append(values_of(tuner.student))

    tuner.run(on_step=on_step)
    for epoch, group in enumerate(["weights", "bounds", "break_points"]):
        changed = {
            key.split("/")[0]
            for key, value in seen[epoch].items()
            if not np.array_equal(seen[epoch + 1][key], value)
        }
        assert changed == {group}
    for name, layer in tuner.student.convolutions.items():
        np.testing.assert_array_equal(layer.kernel.numpy(), kernels[name])
    for name, array in named_weights(edsr).items():
        np.testing.assert_array_equal(array, before[name])


@pytest.mark.slow
def test_compiled_tuning_lowers_the_loss_on_pictures_it_does_not_see(edsr):
    tuner = tuner_of(edsr, settings=TuningSettings(epochs=6, rate=0.02, held_back=0.3))
    result = tuner.run()
    assert result.finished
    assert len(result.held_losses) == 7
    assert result.best_loss == min(result.held_losses) < 0.95 * result.held_losses[0]
    assert tuner.held_loss() == pytest.approx(result.best_loss, rel=1e-5)


def test_a_run_that_only_harms_ends_with_the_calibrated_state(edsr):
    tuner = tuner_of(edsr, settings=TuningSettings(epochs=2, rate=1.0, seed=3))
    start = values_of(tuner.student)
    result = tuner.run()
    assert (result.best_step, result.best_loss) == (0, result.held_losses[0])
    for key, value in values_of(tuner.student).items():
        np.testing.assert_array_equal(value, start[key])


def test_a_stopped_run_goes_on_to_the_very_same_end(edsr, tmp_path):
    whole = tuner_of(edsr)
    expected, values = whole.run(), values_of(whole.student)
    path = tmp_path / "state.npz"
    for stop_after in (1, 4):  # In the middle of an epoch, and at its end.
        tuner = tuner_of(edsr, state_path=path)
        done = []
        part = tuner.run(
            on_step=lambda step, total, loss: done.append(step),  # noqa: B023
            should_stop=lambda: done[-1] == stop_after,  # noqa: B023
        )
        assert (part.steps, part.finished) == (stop_after, False)
    last = tuner_of(edsr, state_path=path)
    assert last.run() == expected
    for key, value in values.items():
        np.testing.assert_array_equal(values_of(last.student)[key], value)


def test_a_run_can_be_prolonged_but_not_changed(edsr, tmp_path):
    path = tmp_path / "state.npz"
    tuner_of(edsr, state_path=path, settings=TuningSettings(epochs=1, held_back=0.3)).run()
    longer = TuningSettings(epochs=2, held_back=0.3)
    assert tuner_of(edsr, state_path=path, settings=longer).run().steps == 4
    with pytest.raises(TrainingError, match="found another seed"):
        other = TuningSettings(epochs=2, held_back=0.3, seed=2)
        tuner_of(edsr, state_path=path, settings=other).run()
    with pytest.raises(TrainingError, match="found another student"):
        student = student_of(edsr)
        student = replace(student, settings=replace(student.settings, reading="budgeted"))
        tuner_of(edsr, state_path=path, settings=longer, student=student).run()


def test_a_loss_that_is_no_number_ends_the_run_with_the_best_state_before(edsr, tmp_path):
    path = tmp_path / "state.npz"
    tuner = tuner_of(edsr, state_path=path)
    seen = []

    def spoil(step, total, loss):
        seen.append(values_of(tuner.student))
        if step == 3:
            layer = tuner.student.convolutions["last"]
            layer.bias.assign(np.full(layer.bias.shape, np.nan))

    with pytest.raises(TrainingError, match=r"expected a finite loss, found nan at step 4; the"):
        tuner.run(on_step=spoil)
    assert len(seen) == 3
    for key, value in values_of(tuner.student).items():
        assert np.isfinite(value).all(), key
    # The file holds the end of the first epoch, from which a sound network goes on.
    again = tuner_of(edsr, state_path=path)
    steps = []
    again.run(on_step=lambda step, total, loss: steps.append(step))
    assert steps == [3, 4, 5, 6]


def test_a_grid_for_files_is_tuned_without_break_points(edsr):
    changes = {"reading": "single", "placement": "tensors", "weight_grid": "narrow"}
    tuner = tuner_of(edsr, settings=TuningSettings(epochs=4, rate=0.02, held_back=0.3), **changes)
    assert set(tuner.groups) == {"weights", "bounds"}
    result = tuner.run()
    assert result.best_loss < result.held_losses[0]


def test_the_published_units_are_much_smaller_steps_for_activations(edsr):
    published = TuningSettings(epochs=3, rate=1e-3, relative=False, held_back=0.3)
    tuner = tuner_of(edsr, settings=published)
    start = values_of(tuner.student)
    last = {}
    tuner.run(on_step=lambda step, total, loss: last.update(values_of(tuner.student)))
    moved = max(np.abs(last[k] - start[k]).max() for k in start if k.startswith("bounds"))
    # Two steps of Adam, each of about 1e-3 / 255.
    assert 1e-6 < moved < 2.5e-3 / 255


def test_too_few_pictures_and_uncalibrated_students_are_refused(edsr):
    with pytest.raises(CalibrationError, match="expected at least 2 pictures"):
        AlternatingTuner(student_of(edsr), edsr, pictures=PICTURES[:1], settings=SETTINGS)
    with pytest.raises(CalibrationError, match="expected a calibrated student"):
        tuner_of(edsr, student=replace(student_of(edsr), sensitivities=None))
