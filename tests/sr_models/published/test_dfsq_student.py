import numpy as np
import pytest
import tf_keras

from sr_models.ground.errors import CalibrationError, OptionError
from sr_models.networks.network import build_trunk, named_weights
from sr_models.networks.presets import Preset
from sr_models.published.dfsq import quantized_weights
from sr_models.published.dfsq_student import DfsqSettings, dfsq_student
from tests.families import random_weights
from tests.networks import sharpening_trunk

BATCHES = np.random.default_rng(1).random((2, 2, 12, 12, 3), np.float32)


@pytest.fixture(scope="module")
def edsr():
    config = {"scale": 2, "blocks": 2, "width": 6}
    return random_weights(build_trunk(Preset("test", "edsr", config, "for tests")))


@pytest.fixture(scope="module")
def four(edsr):
    return dfsq_student(edsr, DfsqSettings(4), batches=BATCHES)


BODY = [f"block{b}_conv{k}" for b in range(2) for k in range(2)]


def test_the_body_is_quantized_and_only_what_no_relu_made_is_centred(edsr, four):
    assert list(four.subsets) == BODY
    layers = {n: four.model.get_layer(f"{n}_dfsq") for n in BODY}
    assert [layer.centred for layer in layers.values()] == [True, False, True, False]
    assert all(len(each) == 6 for each in four.subsets.values())
    merged = dfsq_student(edsr, DfsqSettings(4, merge=True, restarts=1), batches=BATCHES)
    assert list(merged.subsets) == [*BODY, "body_last"]


def test_the_global_fusion_of_rdn_is_quantized_and_no_input_of_it_counts_as_rectified():
    config = {"scale": 2, "width": 4, "growth": 3, "blocks": 2, "layers": 1}
    rdn = random_weights(build_trunk(Preset("test", "rdn", config, "for tests")))
    found = dfsq_student(rdn, DfsqSettings(4, restarts=1), batches=BATCHES[:1])
    inner = [f"block{b}_{part}" for b in range(2) for part in ("conv0", "fusion")]
    assert list(found.subsets) == [*inner, "fusion", "body_last"]
    assert all(found.model.get_layer(f"{name}_dfsq").centred for name in found.subsets)


def test_weights_of_the_body_are_quantized_and_all_others_kept(edsr, four):
    float_weights, found = named_weights(edsr), named_weights(four.model)
    for name, array in float_weights.items():
        layer, variable = name.split("/")
        quantized = layer in BODY and variable == "kernel"
        expected = quantized_weights(array, bits=4) if quantized else array
        np.testing.assert_array_equal(found[name], expected)


def test_fewer_bits_lose_more(edsr, four):
    expected, errors = edsr(BATCHES[0]).numpy(), []
    for bits in (6, 4, 3, 2):
        student = four
        if bits != 4:
            student = dfsq_student(edsr, DfsqSettings(bits, restarts=1), batches=BATCHES)
        errors.append(float(np.mean((student.model(BATCHES[0]).numpy() - expected) ** 2)))
    assert errors == sorted(errors)
    assert errors[0] < 0.2 * errors[-1]


def test_runs_repeat_and_report_their_layers(edsr, four):
    seen = []
    again = dfsq_student(
        edsr, DfsqSettings(4), batches=BATCHES, on_layer=lambda *counts: seen.append(counts)
    )
    assert seen == [(k, 4) for k in range(1, 5)]
    np.testing.assert_array_equal(again.model(BATCHES[0]), four.model(BATCHES[0]))
    assert 8 < four.distinct_points <= 16


def test_the_simulation_survives_being_saved(four, tmp_path):
    four.model.save(tmp_path / "four.keras")
    again = tf_keras.models.load_model(tmp_path / "four.keras")
    np.testing.assert_array_equal(again(BATCHES[0]), four.model(BATCHES[0]))


def test_what_cannot_be_used_is_refused(edsr):
    with pytest.raises(CalibrationError, match="expected patches to choose points with"):
        dfsq_student(edsr, DfsqSettings(), batches=[])
    with pytest.raises(OptionError, match="expected convolutions between"):
        dfsq_student(sharpening_trunk(), DfsqSettings(), batches=BATCHES)
    for values in ({"bits": 17}, {"restarts": 0}, {"seed": -1}):
        with pytest.raises(OptionError):
            DfsqSettings(**values)
    assert DfsqSettings(**DfsqSettings(6).to_json()) == DfsqSettings(6)
