import numpy as np
import pytest
import tensorflow as tf

from sr_models.ground.errors import CalibrationError, OptionError
from sr_models.networks.graph import tensors_of
from sr_models.networks.network import build_trunk, named_weights
from sr_models.networks.presets import Preset
from sr_models.published.outlier_student import OutlierSettings, calibrated, outlier_student
from sr_models.published.regions import Regions, regions_of
from sr_models.published.sensitivity import sensitivities, spread
from tests.families import random_weights
from tests.networks import sharpening_trunk

BATCHES = np.random.default_rng(1).random((2, 2, 8, 10, 3), np.float32)
BODY = [f"block{b}_conv{k}" for b in range(2) for k in range(2)] + ["body_last"]


@pytest.fixture(scope="module")
def edsr():
    config = {"scale": 2, "blocks": 2, "width": 8}
    return random_weights(build_trunk(Preset("test", "edsr", config, "for tests")))


@pytest.fixture(scope="module")
def four_bits(edsr):
    """A calibrated student; building one takes longer than what most tests do with it."""
    return calibrated(outlier_student(edsr, OutlierSettings(4)), edsr, batches=BATCHES)


@pytest.fixture
def student(four_bits):
    """That student in its calibrated state, which a test may change."""
    before = four_bits.model.get_weights()
    yield four_bits
    four_bits.model.set_weights(before)


def test_every_convolution_has_a_quantizer_and_a_bound_of_its_own(edsr, student):
    widths = {name: layer.bits for name, layer in student.convolutions.items()}
    assert widths == {"first": 8, **dict.fromkeys(BODY, 4), "last": 8}
    assert {name: layer.bits for name, layer in student.quantizers.items()} == widths
    assert student.watched == student.reads
    inner = outlier_student(edsr, OutlierSettings(4, edges=False))
    assert list(inner.quantizers) == list(inner.convolutions) == BODY[:-1], "the last one is float"
    np.testing.assert_array_equal(
        inner.model.get_layer("body_last").get_weights()[0],
        edsr.get_layer("body_last").get_weights()[0],
    )


def test_the_global_fusion_of_rdn_is_quantized_even_where_edges_stay_float():
    config = {"scale": 2, "width": 4, "growth": 3, "blocks": 2, "layers": 1}
    rdn = build_trunk(Preset("test", "rdn", config, "for tests"))
    body = [f"block{b}_{part}" for b in range(2) for part in ("conv0", "fusion")]
    found = outlier_student(rdn, OutlierSettings(4, edges=False)).convolutions
    assert list(found) == [*body, "fusion", "body_last"]


def test_on_tensors_each_one_has_one_grid(edsr):
    settings = OutlierSettings(8, reading="single", placement="tensors", weight_grid="narrow")
    student = outlier_student(edsr, settings)
    assert set(student.quantizers) == {
        "first",
        *BODY,
        "block0_add",
        "block1_add",
        "long_skip",
    }
    assert set(student.groups) == {"weights", "bounds", "break_points"}
    assert student.groups["break_points"] == []
    assert student.convolutions["first"].bound.shape == (8,)


def test_calibration_sets_what_the_float_network_shows(edsr, student):
    each = [t for (t,) in tensors_of(edsr, ["block0_conv0"], batches=BATCHES)]
    expected = regions_of(each[0]).after(each[1])
    found = student.regions()["block0_conv1"]
    assert found.upper == pytest.approx(expected.upper, rel=1e-5)
    assert found.break_point == pytest.approx(expected.break_point, rel=1e-5)
    assert found.lower == 0.0, "behind a ReLU"
    spreads = {
        name: np.mean([spread(t) for (t,) in tensors_of(edsr, [source], batches=BATCHES)])
        for name, source in student.reads.items()
    }
    assert student.sensitivities.convolutions == pytest.approx(sensitivities(spreads))
    # Of the features that are compared, the outputs of the blocks, and of no others.
    blocks = [
        np.mean([t.std(axis=(1, 2, 3), ddof=1) for (t,) in tensors_of(edsr, [n], batches=BATCHES)])
        for n in ("block0_add", "block1_add")
    ]
    shares = np.exp(255.0 * (np.array(blocks) - max(blocks)))
    assert list(student.sensitivities.features) == ["block0_add", "block1_add"]
    np.testing.assert_allclose(
        list(student.sensitivities.features.values()), shares / shares.sum(), rtol=1e-3, atol=1e-12
    )
    with pytest.raises(CalibrationError, match="found none"):
        calibrated(student, edsr, batches=[])


def test_the_released_reading_is_nearer_than_the_budgeted_one(edsr, student, monkeypatch):
    expected, errors = edsr(BATCHES[0]).numpy(), []
    for reading in ("released", "budgeted"):
        for layer in student.quantizers.values():
            monkeypatch.setattr(layer, "reading", reading)
        errors.append(np.mean((student.model(BATCHES[0]).numpy() - expected) ** 2))
    assert errors[0] < errors[1]


def test_the_teacher_shares_nothing(edsr, student):
    before = named_weights(edsr)
    for variable in student.model.weights:
        variable.assign(tf.zeros_like(variable))
    for name, array in named_weights(edsr).items():
        np.testing.assert_array_equal(array, before[name])


def test_what_learning_has_crossed_is_put_in_order(edsr, student):
    student.set_regions({"first": Regions(1.0, -1.0, 9.0)})
    student.convolutions["last"].bound.assign(-3.0)
    student.convolutions["first"].bound.assign(1e9)
    student.put_in_order()
    assert student.regions()["first"] == Regions(-1.0, 1.0, 1.0)
    assert float(student.convolutions["last"].bound) > 0.0
    largest = np.abs(edsr.get_layer("first").get_weights()[0]).max()
    assert float(student.convolutions["first"].bound) == pytest.approx(largest)


@pytest.mark.parametrize(
    "values",
    [
        {"bits": 1},
        {"edge_bits": 32},
        {"reading": "paper"},
        {"placement": "edges"},
        {"weight_grid": "odd"},
        {"weight_start": "mean"},
        {"break_points": "first"},
    ],
)
def test_settings_that_cannot_be_are_refused(values):
    with pytest.raises(OptionError):
        OutlierSettings(**values)


def test_a_network_without_a_body_is_refused_unless_its_edges_count():
    with pytest.raises(OptionError, match="expected convolutions between"):
        outlier_student(sharpening_trunk(), OutlierSettings(edges=False))
    student = outlier_student(sharpening_trunk(), OutlierSettings())
    assert list(student.convolutions) == ["last"]
