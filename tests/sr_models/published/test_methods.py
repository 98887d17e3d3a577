import json

import numpy as np
import pytest
import skimage.data

from sr_models.ground.pictures import degrade
from sr_models.networks.graph import tensors_of
from sr_models.networks.network import build_trunk, load_model, named_weights
from sr_models.networks.presets import Preset
from sr_models.published.dfsq_student import DfsqSettings
from sr_models.published.outlier_student import OutlierSettings, calibrated, outlier_student
from sr_models.published.pams_student import pams_student, start_alphas
from sr_models.published.registry import quantization_methods, simulate_method
from sr_models.published.settings import PamsSettings
from sr_models.published.tuning import TuningSettings
from tests.families import random_weights

BATCHES = np.random.default_rng(1).random((1, 2, 10, 10, 3), np.float32)
LEVELS = {
    "minmax": 16,
    "pams": 15,
    "outlier-aware": 31,
    "outlier-aware-budgeted": 15,
    "dfsq": 16,
}


@pytest.fixture(scope="module")
def edsr():
    config = {"scale": 2, "blocks": 1, "width": 4}
    return random_weights(build_trunk(Preset("test", "edsr", config, "for tests")))


pytestmark = pytest.mark.usefixtures("without_graphs")


@pytest.mark.parametrize("name", LEVELS)
def test_every_method_simulates_a_network_and_leaves_it_alone(name, edsr):
    assert list(LEVELS) == quantization_methods()
    before, seen = named_weights(edsr), []
    found = simulate_method(
        name,
        edsr,
        batches=BATCHES,
        bits=4,
        epochs=3,
        on_progress=lambda *counts: seen.append(counts),
    )
    assert (found.method, found.bits, found.levels) == (name, 4, LEVELS[name])
    assert seen[-1][0] == seen[-1][1]
    expected = edsr(BATCHES[0]).numpy()
    error = np.mean((found.model(BATCHES[0]).numpy() - expected) ** 2) / np.var(expected)
    assert 0.0 < error < 0.5
    for key, array in named_weights(edsr).items():
        np.testing.assert_array_equal(array, before[key])
    assert (json.loads(json.dumps(found.to_json()))["ranges"] is not None) == (name == "pams")


def published(name, network, monkeypatch, **options):
    """What a method makes with the recipe `"published"`, and the settings that it made it with."""
    seen = {}

    def watched(kind):
        made = kind.__init__

        def remember(self, *arguments, **keywords):
            made(self, *arguments, **keywords)
            seen[kind.__name__] = self

        monkeypatch.setattr(kind, "__init__", remember)

    for kind in (OutlierSettings, TuningSettings, PamsSettings, DfsqSettings):
        watched(kind)
    given = {"batches": BATCHES, "bits": 4, "recipe": "published", "epochs": 1}
    return simulate_method(name, network, **given, **options), seen


def test_published_settings_are_those_of_the_released_option_files(edsr, monkeypatch):
    """Of OAQ-SR's scripts/run.sh, PAMS's main.py and DFSQ's cluster_process.py."""
    _, seen = published("outlier-aware", edsr, monkeypatch)
    settings, tuning = seen["OutlierSettings"], seen["TuningSettings"]
    assert (settings.reading, settings.edges, settings.edge_bits) == ("released", True, 8)
    assert (settings.weight_start, settings.break_points) == ("published", "last")
    assert settings.learn_clipping is False
    assert (tuning.rate, tuning.relative, tuning.decay) == (1e-3, False, 0.9)
    assert (tuning.batch_size, tuning.align) == (2, "released")
    assert TuningSettings.published() == TuningSettings(
        10, 2, 1e-3, 0.9, relative=False, align="released", seed=1
    )
    found, seen = published("pams", edsr, monkeypatch)
    assert seen["PamsSettings"].placement == "code" and not seen["PamsSettings"].edges
    assert found.ranges is None, "no tensor has one grid"
    _, seen = published("dfsq", edsr, monkeypatch)
    assert seen["DfsqSettings"] == DfsqSettings(4, kmeans="released")


def test_the_published_floor_has_both_ends_of_the_range_as_levels(edsr, monkeypatch):
    """AdaBM's quantizer: round((x - l) / (u - l) * 15) / 15 * (u - l) + l, 0 being no level."""
    found, _ = published("minmax", edsr, monkeypatch)
    layer = found.model.get_layer("block0_conv0_regions")
    x = np.linspace(-3.0, 3.0, 101, dtype=np.float32).reshape(1, 1, 101, 1)
    low, high = float(layer.lower), float(layer.upper)
    share = (np.clip(x, low, high) - low) / (high - low)
    expected = np.rint(share * 15) / 15 * (high - low) + low
    np.testing.assert_allclose(layer(x), expected, atol=1e-5)


def students(network, low, *, bits: int):
    """What the methods start from, head and tail at 16 bits whatever the width of the body."""
    for reading in ("single", "released"):
        settings = OutlierSettings(bits, reading=reading, edge_bits=16, weight_start="largest")
        yield calibrated(outlier_student(network, settings), network, batches=[low]).model
    pams = pams_student(network, PamsSettings(bits, edges=True, edge_bits=16), centred=True)
    start_alphas(pams, network, pictures=[low])
    yield pams.model


def test_sixteen_bits_are_the_float_network_and_quality_falls_with_the_width():
    network = load_model("edsr_f32b5_x4", tail="none")
    high = skimage.data.astronaut()[20:148, 160:288]
    # One picture for all: what ranges are taken from is what is measured on, so nothing clips.
    low = degrade(high, 4)[None].astype(np.float32) / np.float32(255.0)

    def psnr_db(model) -> float:
        found = np.clip(model(low).numpy()[0], 0.0, 1.0) * 255.0
        return float(10 * np.log10(255.0**2 / np.mean((np.rint(found) - high) ** 2.0)))

    whole = psnr_db(network)
    for student in students(network, low, bits=6):
        # None of these starts depends on the width, so one student is given one after the other.
        body = [layer for layer in student.layers if getattr(layer, "bits", None) == 6]
        assert len(body) > 10
        found = []
        for bits in (16, 6, 4, 3):
            for layer in body:
                layer.bits = bits
            found.append(psnr_db(student))
        assert found[0] == pytest.approx(whole, abs=0.01)
        assert found == sorted(found, reverse=True)
        assert found[-1] < whole - 0.5


def test_at_eight_bits_no_alpha_clips_what_calibration_shows(edsr):
    picture = BATCHES[0] * np.array([0.2, 1.0], np.float32)[:, None, None, None]
    found = simulate_method("pams", edsr, batches=[picture], bits=8)
    each = next(tensors_of(edsr, sorted(found.ranges), batches=[picture]))
    for name, tensor in zip(sorted(found.ranges), each):
        assert found.ranges[name].maximum == pytest.approx(np.abs(tensor).max(), rel=1e-6), name
