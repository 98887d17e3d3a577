import json

import numpy as np
import pytest

from sr_models.ground.errors import WeightsError
from sr_models.networks.network import build_trunk, save_trunk
from sr_models.networks.tails import attach_tail
from sr_models.published.pams_file import (
    copy_learned,
    learned_by,
    load_learned,
    quantization_path_of,
    save_learned,
)
from sr_models.published.pams_student import pams_student
from sr_models.published.settings import PamsSettings
from tests.families import random_weights
from tests.networks import sharpening_network


@pytest.fixture(scope="module")
def model(tiny_preset):
    return attach_tail(random_weights(build_trunk(tiny_preset)), "none", scale=3)


@pytest.fixture(scope="module")
def student(model):
    student = pams_student(model, PamsSettings(6, edges=True, unsigned=True, per_channel=True))
    for place, layer in enumerate(student.quantizers.values(), start=1):
        layer.alpha.assign(0.25 * place)
    return student


@pytest.fixture
def weights(model, student, tmp_path):
    path = tmp_path / "tiny.weights.h5"
    save_trunk(model, path)
    save_learned(learned_by(student, teacher="itself"), path)
    return path


def test_what_was_learned_reads_back_as_the_same_network(model, student, weights):
    learned = load_learned(weights)
    assert learned == learned_by(student, teacher="itself")
    picture = np.random.default_rng(2).random((1, 9, 8, 3), np.float32)
    again = learned.student_of(model).model
    np.testing.assert_array_equal(again(picture).numpy(), student.model(picture).numpy())


def test_grids_are_those_of_the_formula(student, weights):
    data = json.loads(quantization_path_of(weights).read_text())
    for name, grid in data["tensors"].items():
        layer = student.quantizers[name]
        steps = 2**layer.bits - 1 if layer.unsigned else 2 ** (layer.bits - 1) - 1
        assert grid["scale"] == pytest.approx(float(layer.alpha) / steps)
        assert grid["minimum"] == (0.0 if layer.unsigned else -grid["maximum"])


def test_a_copy_belongs_to_the_copied_weights(weights, tmp_path):
    out = tmp_path / "other.weights.h5"
    copy_learned(weights, out)
    out.write_bytes(weights.read_bytes())
    assert load_learned(out) == load_learned(weights)


def damaged(weights, how):
    path = quantization_path_of(weights)
    data = json.loads(path.read_text())
    if how == "missing":
        path.unlink()
        return
    if how == "negative":
        next(iter(data["tensors"].values()))["maximum"] = -1.0
    if how == "method":
        data["method"] = "magic"
    if how == "bits":
        data["settings"]["bits"] = 40
    path.write_text("{" if how == "cut" else json.dumps(data))
    if how == "other weights":
        weights.write_bytes(weights.read_bytes() + b" ")


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("missing", "expected alphas beside the weights.*--quantize pams"),
        ("cut", "found other content"),
        ("negative", "that it does not"),
        ("method", "that it does not"),
        ("bits", "from 2 to 16"),
        ("other weights", "take both files from one run"),
    ],
)
def test_a_file_that_cannot_be_used_is_said(how, message, weights):
    damaged(weights, how)
    with pytest.raises(Exception, match=message) as error:
        load_learned(weights)
    assert "\n" not in str(error.value)


def test_a_file_of_another_network_is_refused(weights):
    with pytest.raises(WeightsError, match="belongs to another network"):
        load_learned(weights).student_of(sharpening_network(tail="none", scale=3))
