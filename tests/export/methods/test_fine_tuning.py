import numpy as np
import pytest

from export.methods import tune as fine_tuning
from export.methods.tune import LearnedRange, draw_patches, fine_tune, rate_at, teach
from export.quantizing.quantized_network import observe
from sr_models.quantization.ranges import PIXELS, TensorRange

SHORT = {"steps": 60, "patches": 32, "side": 16}


def test_a_learned_range_starts_where_it_was():
    value = TensorRange(-0.3, 1.1)
    layer = LearnedRange(value)
    assert layer.range.minimum == pytest.approx(-0.3) and layer.range.maximum == pytest.approx(1.1)
    x = np.linspace(-1.0, 2.0, 400, dtype=np.float32)
    found = layer(x).numpy()
    assert found.max() == pytest.approx(value.on_grid.maximum, rel=1e-4)
    assert found.min() == pytest.approx(value.on_grid.minimum, rel=1e-4)
    assert len(np.unique(found)) <= 256


@pytest.mark.parametrize("logarithms", [(-5.0, 3.0), (2.0, -4.0)])
def test_whatever_is_learned_zero_stays_inside(logarithms):
    layer = LearnedRange(TensorRange(-0.3, 1.1))
    layer.logarithms.assign(logarithms)
    assert layer.range.minimum < 0.0 < layer.range.maximum


def test_patches_are_pieces_of_the_pictures(evidence):
    pictures = evidence.stack(2)
    patches = draw_patches(pictures, count=5, side=8, seed=1)
    assert patches.shape == (5, 8, 8, 3)
    colours = {tuple(p) for p in pictures.reshape(-1, 3).tolist()}
    assert {tuple(p) for p in patches.reshape(-1, 3).tolist()} <= colours
    np.testing.assert_array_equal(patches, draw_patches(pictures, count=5, side=8, seed=1))
    assert draw_patches(pictures, count=2, side=99, seed=1).shape[1] == 32


def test_targets_are_saturated(network, evidence):
    target = teach(network, evidence.stack(3))
    assert target.shape == (3, 96, 96, 3)
    assert target.min() >= 0.0 and target.max() <= 1.0


def test_the_rate_rises_once_and_falls_to_nothing():
    rates = [rate_at(step, steps=100, peak=1.0) for step in range(100)]
    assert rates[0] < rates[4] and max(rates) <= 1.0
    assert rates[10:] == sorted(rates[10:], reverse=True) and rates[-1] < 0.001


@pytest.mark.slow
def test_training_lowers_the_error(network, evidence, distance):
    plain = observe(network, evidence)
    found = fine_tune(plain, evidence, **SHORT)
    assert distance(found, network, evidence.pictures) < distance(plain, network, evidence.pictures)
    assert found.ranges["input"] == found.ranges["depth_to_space"] == PIXELS
    kernel = found.model.get_layer("merge").get_weights()[0]
    codes = kernel / (np.abs(kernel).max(axis=(0, 1, 2)) / 127)
    np.testing.assert_allclose(codes, np.rint(codes), atol=1e-3)


@pytest.mark.slow
def test_a_training_that_did_harm_is_thrown_away(network, evidence, monkeypatch):
    monkeypatch.setattr(fine_tuning, "LEARNING_RATE", 1.0)
    plain = observe(network, evidence)
    assert fine_tune(plain, evidence, steps=5, patches=16, side=16) is plain
