import numpy as np
import pytest

from representative_data.probe import OutputProber, probe_layers
from sr_models.ground.errors import CalibrationError
from tests.networks import branched_trunk, sharpening_network


@pytest.fixture
def pictures():
    rng = np.random.default_rng(0)
    sizes = [(9, 9), (12, 7), (9, 9), (8, 8), (12, 7)]
    return [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes]


def test_output_ranges_are_those_of_each_picture_alone(pictures):
    model = sharpening_network(tail="none")
    found = OutputProber(model)(pictures)
    for index, picture in enumerate(pictures):
        y = model(picture[None].astype(np.float32) / 255.0).numpy()[0]
        np.testing.assert_allclose(found.minimum[index], y.min(axis=(0, 1)), atol=1e-6)
        np.testing.assert_allclose(found.maximum[index], y.max(axis=(0, 1)), atol=1e-6)


def test_layer_ranges_cover_every_tensor(pictures):
    trunk = branched_trunk()
    found = probe_layers(trunk, pictures)
    assert found.names == ("input", "a", "b", "joined", "c", "added", "rectified", "last")
    assert found.minimum.shape == (5, 8)
    union = found.union()
    lowest = min(int(p.min()) for p in pictures) / 255.0
    assert union["input"][0] == pytest.approx(lowest, abs=1e-7)
    assert union["joined"][0] == pytest.approx(min(union["a"][0], union["b"][0]))
    assert union["rectified"] == pytest.approx((0.0, max(0.0, union["added"][1])))


def test_progress_counts_pictures(pictures):
    seen = []
    OutputProber(sharpening_network())(pictures, on_batch=lambda *step: seen.append(step))
    assert seen[-1] == (5, 5)


def test_a_tensor_that_is_not_finite_is_named(pictures):
    trunk = branched_trunk()
    kernel, bias = trunk.get_layer("c").get_weights()
    trunk.get_layer("c").set_weights([kernel * np.nan, bias])
    with pytest.raises(CalibrationError, match="tensor c;"):
        probe_layers(trunk, pictures)


def test_pictures_are_counted_and_an_output_that_is_not_finite_is_told(pictures):
    model = sharpening_network(tail="none")
    probe = OutputProber(model)
    probe(pictures)
    probe(pictures[:2])
    assert probe.forward_passes == 7
    kernel, bias = model.get_layer("last").get_weights()
    model.get_layer("last").set_weights([kernel, bias * np.nan])
    with pytest.raises(CalibrationError, match="infinity for 5 of 5 pictures"):
        probe(pictures)
