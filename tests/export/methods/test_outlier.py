import dataclasses

import numpy as np
import pytest

from export.exporting.conversion import convert_with_ranges
from export.inspecting.audit import audit_model, missing_ranges
from export.methods.outlier import INT8, learned_network, tuned_student
from export.quantizing.quantized_network import QuantizedNetwork
from export.quantizing.recipe import parse_recipe
from export.running.interpreters import open_model
from sr_models.ground.errors import TrainingError
from sr_models.networks.network import build_trunk
from sr_models.networks.presets import Preset
from sr_models.networks.tails import attach_tail
from sr_models.published.outlier_student import calibrated, outlier_student
from sr_models.published.student import MEAN_COLOUR
from sr_models.quantization.integer_network import simulate_builtin
from tests.families import random_weights
from tests.tensor_codes import apart, steps_apart


@pytest.fixture(scope="module")
def edsr():
    preset = Preset("tiny_edsr_x2", "edsr", {"scale": 2, "width": 6, "blocks": 1}, "for tests")
    return attach_tail(random_weights(build_trunk(preset)), "relu", scale=2)


@pytest.fixture(scope="module")
def stack(pictures):
    return np.stack(pictures).astype(np.float32) / np.float32(255.0)


@pytest.fixture(scope="module")
def student(edsr, stack):
    return tuned_student(edsr, stack, epochs=2)


def test_the_state_of_the_least_held_back_loss_is_no_worse_than_calibration(edsr, stack):
    settings = dataclasses.replace(INT8, bits=4)
    tuned = tuned_student(edsr, stack, settings=settings, epochs=2)
    start = calibrated(outlier_student(edsr, settings), edsr, batches=[stack])
    bounds = [
        np.concatenate([layer.bound.numpy() for layer in student.convolutions.values()])
        for student in (start, tuned)
    ]
    assert (bounds[0] != bounds[1]).any() or start.regions() != tuned.regions(), "it learns"
    expected = np.clip(edsr(stack).numpy(), 0.0, 1.0)
    before, after = (np.abs(s.model(stack).numpy() - expected).mean() for s in (start, tuned))
    assert after < 1.1 * before


@pytest.fixture(scope="module")
def learned(edsr, student, evidence):
    found = learned_network(edsr, student)
    return QuantizedNetwork(found.model, evidence.observe(edsr).replacing(found.ranges))


@pytest.fixture(scope="module")
def content(learned, pictures):
    return convert_with_ranges(
        learned.model, learned.ranges, sample=pictures[0], height=32, width=32
    )


def test_the_file_holds_what_was_learned(edsr, student, stack, pictures, learned, content):
    ranges = learned_network(edsr, student).ranges
    assert set(ranges) == {
        "first",
        "block0_conv0",
        "block0_conv1",
        "block0_add",
        "body_last",
        "long_skip",
    }
    for name, found in student.regions().items():
        assert (ranges[name].minimum, ranges[name].maximum) == (found.lower, found.upper)
    audit = audit_model(content)
    assert audit.full_integer and audit.pixel_contract.holds
    assert missing_ranges(content, learned.ranges) == []
    runner = open_model(content, delegate="xnnpack")
    simulated = np.rint(255.0 * np.clip(student.model(stack).numpy(), 0.0, 1.0)).astype(int)
    found = np.concatenate([runner.run(p[None]) for p in pictures]).astype(int)
    assert simulated.std() > 20.0
    # Biases are whole numbers in the file alone, and codes that flip inside spread.
    assert np.abs(found - simulated).mean() < 0.3
    assert abs((found - simulated).mean()) < 0.1


@pytest.mark.parametrize("delegate", ["builtin", "xnnpack"])
def test_no_tensor_is_more_than_one_code_from_the_student(
    delegate, edsr, student, content, pictures
):
    """Given the same codes to read; on both kernel paths, at the border and inside of it."""
    found = steps_apart(student, content, pictures, delegate=delegate, network=edsr)
    assert len(found) == 7, "six tensors and the pixels"
    for name, places in found.items():
        for place, difference in places.items():
            assert difference.max() <= 1, (name, place)
            # Measured: up to 0.5 % of the codes and 0.7 % of the pixels, by builtin kernels.
            assert np.mean(difference > 0) < 0.02, (name, place)


def test_the_integer_simulation_is_the_builtin_file_code_for_code(learned, content, pictures):
    expected = simulate_builtin(learned.model, learned.ranges)(np.stack(pictures))
    runner = open_model(content, delegate="builtin")
    found = np.concatenate([runner.run(picture[None]) for picture in pictures])
    assert found.std() > 20.0, "a network with something to compute"
    for difference in apart(found, expected, border=2).values():
        assert not difference.any()


def test_the_heads_bias_keeps_the_mean_colour(edsr, student):
    learned = learned_network(edsr, student).model
    flat = np.broadcast_to(np.float32(MEAN_COLOUR), (1, 5, 5, 3))
    found, expected = (model.get_layer("first")(flat)[0, 2, 2] for model in (learned, edsr))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_grid_of_a_tanh_stays_that_of_its_operator(stack, pictures, evidence):
    config = {"scale": 2, "first_width": 8, "second_width": 6}
    trunk = random_weights(build_trunk(Preset("tiny_espcn_x2", "espcn", config, "for tests")))
    espcn = attach_tail(trunk, "relu", scale=2)
    student = tuned_student(espcn, stack, epochs=0)
    found = learned_network(espcn, student)
    assert "first_tanh" in student.regions() and "first_tanh" not in found.ranges
    ranges = evidence.observe(espcn).replacing(found.ranges)
    content = convert_with_ranges(found.model, ranges, sample=pictures[0], height=16, width=16)
    assert audit_model(content).full_integer
    assert missing_ranges(content, ranges) == []


@pytest.mark.slow
def test_the_method_keeps_pixels_and_is_near_the_float_network(edsr, evidence, monkeypatch):
    monkeypatch.setattr("export.methods.outlier.PATCHES", 12)
    monkeypatch.setattr("export.methods.outlier.PATCH_SIZE", 24)
    before = [w.copy() for w in edsr.get_weights()]
    found = parse_recipe("outlier").apply(edsr, evidence)
    assert isinstance(found, QuantizedNetwork)
    assert found.ranges.method == "natural+outlier"
    assert found.ranges["input"].maximum == 1.0
    for old, new in zip(before, edsr.get_weights()):
        np.testing.assert_array_equal(old, new)
    x = np.stack(evidence.pictures).astype(np.float32) / 255.0
    np.testing.assert_allclose(found.model(x), edsr(x), atol=0.1)


@pytest.mark.slow
def test_tuning_that_was_interrupted_is_gone_on_with(edsr, evidence, monkeypatch, tmp_path):
    monkeypatch.setattr("export.methods.outlier.PATCHES", 5)
    monkeypatch.setattr("export.methods.outlier.PATCH_SIZE", 24)
    seen = []

    def interrupted(done, total):
        seen.append((done, total))
        if done == 13:
            raise KeyboardInterrupt

    def found(**changes):
        return parse_recipe("outlier").apply(edsr, dataclasses.replace(evidence, **changes))

    with pytest.raises(KeyboardInterrupt):
        found(run_dir=tmp_path / "run", on_progress=interrupted)
    # Four pictures are tuned on, two at a step: six epochs are whole.
    assert seen[-1] == (13, 20)
    seen.clear()
    resumed = found(run_dir=tmp_path / "run", on_progress=lambda *at: seen.append(at))
    assert (seen[0], seen[-1]) == ((13, 20), (20, 20))
    whole = found()
    assert resumed.ranges == whole.ranges
    for first, second in zip(resumed.model.get_weights(), whole.model.get_weights()):
        np.testing.assert_array_equal(first, second)
    with pytest.raises(TrainingError, match="found another pictures, seed"):
        found(run_dir=tmp_path / "run", seed=1)
