import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf

from sr_models.ground.errors import TrainingError
from sr_models.networks.graph import watcher
from sr_models.networks.network import build_trunk, load_trunk, named_weights, save_trunk
from sr_models.networks.presets import Preset
from sr_models.networks.tails import attach_tail
from sr_models.published.pams_file import load_learned
from sr_models.published.pams_student import start_alphas
from sr_models.published.settings import PamsSettings
from sr_models.published.sites import body_output
from sr_models.training.course import PamsCourse
from sr_models.training.finetuning import Start
from sr_models.training.pams_pupil import (
    STARTING_BATCHES,
    PamsPupil,
    attention_map,
    knowledge_transfer_loss,
)
from sr_models.training.run import train
from sr_models.training.trainer import Trainer
from tests.families import random_weights

COURSE = PamsCourse(PamsSettings(4, edges=True))
RECIPE = COURSE.recipe(
    steps=4,
    batch_size=2,
    patch_size=12,
    validation_interval=2,
    validation_pictures=1,
    learning_rate=1e-3,
)
BATCHES = np.random.default_rng(4).random((STARTING_BATCHES, 2, 12, 12, 3), np.float32)


PRESET = Preset("tiny_edsr_x3", "edsr", {"scale": 3, "width": 6, "blocks": 1}, "for tests")


# 1..8 as PyTorch's (N 1, C 2, H 2, W 2), turned into (N, H, W, C).
STUDENT = np.arange(1.0, 9.0, dtype=np.float32).reshape(1, 2, 2, 2).transpose(0, 2, 3, 1)
TEACHER = np.ones_like(STUDENT)


def test_the_map_and_the_loss_are_those_of_a_hand_calculation():
    # Energies (1 + 25)/2, (4 + 36)/2, (9 + 49)/2, (16 + 64)/2 = 13, 20, 29, 40, norm 54.863.
    found = attention_map(STUDENT).numpy()[0]
    np.testing.assert_allclose(found, [0.236952, 0.364541, 0.528585, 0.729083], atol=1e-6)
    np.testing.assert_allclose(attention_map(TEACHER).numpy()[0], 0.5)
    assert float(knowledge_transfer_loss(STUDENT, TEACHER)) == pytest.approx(0.0352098, abs=1e-7)


def test_the_scale_of_features_does_not_matter_and_equal_ones_cost_nothing():
    scaled = knowledge_transfer_loss(7.0 * STUDENT, 0.3 * TEACHER)
    np.testing.assert_allclose(scaled, knowledge_transfer_loss(STUDENT, TEACHER), rtol=1e-5)
    assert float(knowledge_transfer_loss(STUDENT, STUDENT)) == 0.0


def test_the_teacher_gets_no_gradient_and_features_of_zeros_no_nan():
    student, teacher = tf.Variable(np.zeros_like(STUDENT)), tf.Variable(TEACHER)
    with tf.GradientTape() as tape:
        loss = knowledge_transfer_loss(student, teacher)
    gradients = tape.gradient(loss, [student, teacher])
    assert np.isfinite(gradients[0]).all()
    assert gradients[1] is None


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    path = tmp_path_factory.mktemp("teacher") / "tiny.weights.h5"
    save_trunk(random_weights(build_trunk(PRESET)), path)
    return Start(PRESET, path, "the teacher")


@pytest.fixture
def make(teacher):
    def make(**changes):
        return PamsPupil(
            PRESET,
            dataclasses.replace(COURSE, **changes),
            teacher=teacher,
            learning_rate=RECIPE.learning_rate,
            steps=30,
        )

    return make


def test_published_rates_are_those_of_units_of_255_and_alphas_follow_the_first_epoch(make):
    pupil = make(settings=PamsSettings.published(4), alpha_rate=1e-2)
    pupil.begin(lambda step: BATCHES[step])
    rates = [float(group.factor) * RECIPE.learning_rate for group in pupil.groups]
    # Adam moves by its rate: alphas and biases here are a 255th of the released network's.
    np.testing.assert_allclose(rates, [1e-3, 1e-2 / 255.0, 1e-3 / 255.0], rtol=1e-6)
    names = {variable.name for variable in pupil.groups[2].variables}
    layers = ("first", "block0_conv0", "block0_conv1", "body_last", "last")
    assert names == {f"{name}/bias:0" for name in layers}
    alphas = {id(alpha) for alpha in pupil.student.alphas}
    assert {id(v) for v in pupil.groups[1].variables} == alphas
    assert sum(len(group.variables) for group in pupil.groups) == len(pupil.variables)
    # The last batch's statistic is where they start, and where the first of 30 epochs leaves them.
    statistic = [np.abs(b).max() for b in (watcher(pupil.teacher, ["first"])(BATCHES[0]).numpy())]
    key = "block0_add<first"
    seen = []
    for step in (0, 1):
        pupil.step_begins(step)
        pupil.student.model(BATCHES[0] * (1.0 - 0.5 * step), training=True)
        seen.append(float(pupil.student.quantizers[key].alpha))
    assert seen[0] == seen[1] == pytest.approx(np.mean(statistic), rel=1e-5)


def test_the_student_begins_as_its_teacher_with_alphas_of_what_it_shows(make):
    pupil = make()
    pupil.begin(lambda step: BATCHES[step])
    found = [float(alpha) for alpha in pupil.student.alphas]
    start_alphas(pupil.student, pupil.teacher, pictures=BATCHES)
    assert found == [float(alpha) for alpha in pupil.student.alphas]
    # A full step of an alpha is a thousandth of their mean.
    factor = float(pupil.groups[1].factor) * RECIPE.learning_rate
    assert factor == pytest.approx(1e-3 * np.mean(found), rel=1e-5)
    given = named_weights(pupil.teacher)
    for name, array in named_weights(pupil.student.model).items():
        if name in given:
            np.testing.assert_array_equal(array, given[name])


def test_the_loss_is_the_pictures_plus_a_thousand_transfers_in_units_of_codes(make):
    pupil = make()
    pupil.begin(lambda step: BATCHES[step])
    low, high = BATCHES[0], np.zeros((2, 36, 36, 3), np.float32)
    mean = {"picture_loss": lambda difference: tf.reduce_mean(tf.abs(difference))}
    name = body_output(pupil.teacher)
    features = [watcher(m, [name])(low) for m in (pupil.student.model, pupil.teacher)]
    picture = np.abs(pupil.student.model(low, training=True).numpy()).mean()
    transfer = float(knowledge_transfer_loss(*features))
    assert transfer > 0.0
    found = float(pupil.loss(low, high, **mean))
    assert found == pytest.approx(picture + 1000.0 / 255.0 * transfer, rel=1e-4)
    pupil.course = dataclasses.replace(COURSE, transfer_weight=0.0)
    assert float(pupil.loss(low, high, **mean)) == pytest.approx(picture, rel=1e-4)


def test_every_variable_trains_and_the_teacher_does_not(without_graphs, make, tmp_path):
    trainer = Trainer(PRESET, RECIPE, run_dir=tmp_path, make_pupil=make)
    pupil = trainer.pupil
    pupil.begin(lambda step: BATCHES[step])
    before = [v.numpy() for v in pupil.variables]
    taught = [v.numpy() for v in pupil.teacher.variables]
    rng = np.random.default_rng(5)
    high = rng.random((2, 36, 36, 3), np.float32)
    trainer._train_step(BATCHES[0], high, np.float32(1e-3), np.float32(0.0))
    assert all((v.numpy() != old).any() for v, old in zip(pupil.variables, before))
    for variable, old in zip(pupil.teacher.variables, taught):
        np.testing.assert_array_equal(variable.numpy(), old)


@pytest.mark.slow
def test_a_run_can_be_gone_on_with_and_read_back(
    without_graphs, make, picture_folder, tmp_path, photographs
):
    given = {"data": picture_folder, "make_pupil": make}
    first = dataclasses.replace(RECIPE, steps=2, schedule="stable", decay_fraction=0.0)
    longer = dataclasses.replace(first, steps=4)
    train(PRESET, first, run_dir=tmp_path / "run", **given)
    steps = []
    resumed = train(
        PRESET,
        longer,
        run_dir=tmp_path / "run",
        **given,
        on_step=lambda step, loss: steps.append(step),
    )
    assert steps == [3, 4]
    # At one rate throughout, two halves are a whole: alphas, rates and averages went on.
    plain = train(PRESET, longer, run_dir=tmp_path / "plain", **given)
    a, b = load_learned(resumed.weights), load_learned(plain.weights)
    for name, grid in a.tensors.items():
        assert grid.maximum == pytest.approx(b.tensors[name].maximum, rel=1e-4)
    # The files give back the network that was validated.
    trunk = load_trunk(PRESET, weights=plain.weights)
    model = load_learned(plain.weights).student_of(attach_tail(trunk, "none", scale=3)).model
    picture = photographs["coffee"][None, :24, :24].astype(np.float32) / 255.0
    assert np.isfinite(model(picture).numpy()).all()
    record = json.loads((tmp_path / "run" / "recipe.json").read_text())
    assert record["quantization"]["settings"]["bits"] == 4
    # Another width is another run, and so is the float network.
    other = {**given, "make_pupil": lambda: make(settings=PamsSettings(6, edges=True))}
    with pytest.raises(TrainingError, match="another quantization"):
        train(PRESET, longer, run_dir=tmp_path / "run", **other)
    with pytest.raises(TrainingError, match="another quantization"):
        train(PRESET, longer, run_dir=tmp_path / "run", data=picture_folder)
