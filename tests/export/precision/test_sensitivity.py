import math

import numpy as np
import pytest
import tf_keras

from export.precision.sensitivity import LayerSensitivity, measure_sensitivity, most_sensitive
from representative_data.dataset import RepresentativeDataset
from representative_data.observation import observe_ranges, pin_pixels
from sr_models.networks.tails import attach_tail
from sr_models.quantization.ranges import TensorRange
from sr_models.quantization.simulator import quantized_kernel
from tests.families import random_weights
from tests.networks import branched_trunk, conv


@pytest.fixture(scope="module")
def pictures():
    rng = np.random.default_rng(5)
    return [rng.integers(0, 256, (12, 14, 3), dtype=np.uint8) for _ in range(3)]


def ranges_of(model, pictures):
    natural = RepresentativeDataset(list(pictures), [], "natural", "test", "", 2)
    return pin_pixels(observe_ranges(model, natural), model)


@pytest.fixture(scope="module")
def branched(pictures):
    model = attach_tail(branched_trunk(), "none", scale=2)
    return model, ranges_of(model, pictures)


def saturated(model, pictures):
    return np.clip(model(np.stack(pictures) / np.float32(255.0)).numpy().astype(float), 0.0, 1.0)


def test_every_layer_that_computes_has_a_row(branched, pictures):
    rows = measure_sensitivity(*branched, pictures)
    assert [(row.layer, row.kind) for row in rows] == [
        ("a", "Conv2D"),
        ("b", "Conv2D"),
        ("joined", "Concatenate"),
        ("c", "Conv2D"),
        ("added", "Add"),
        ("last", "Conv2D"),
    ]
    assert sum(row.share for row in rows) == pytest.approx(1.0)
    by_name = {row.layer: row for row in rows}
    assert by_name["joined"].weights_db == by_name["added"].weights_db == math.inf
    assert math.isfinite(by_name["added"].activation_db)


def test_weights_cost_what_a_network_with_rounded_weights_differs_by(branched, pictures):
    model, ranges = branched
    (row,) = [r for r in measure_sensitivity(model, ranges, pictures) if r.layer == "c"]
    expected = saturated(model, pictures)
    layer, kept = model.get_layer("c"), model.get_layer("c").get_weights()
    try:
        layer.set_weights([quantized_kernel(kept[0]).numpy(), kept[1]])
        error = np.mean((saturated(model, pictures) - expected) ** 2)
    finally:
        layer.set_weights(kept)
    # The bias is rounded as well, to steps hundreds of times finer.
    assert row.weights_db == pytest.approx(10 * math.log10(1 / error), abs=0.1)


def test_an_activation_costs_what_its_steps_make_of_it(pictures):
    """The output alone, on 256 codes: a uniform error of one step, 10 log10(12 * 255^2) dB."""
    model = attach_tail(branched_trunk(), "none", scale=2)
    (*_, last) = measure_sensitivity(model, ranges_of(model, pictures), pictures)
    y = model(np.stack(pictures) / np.float32(255.0)).numpy()
    inside = np.mean((y > 0.0) & (y < 1.0))
    assert last.activation_db == pytest.approx(10 * math.log10(12 * 255**2 / inside), abs=0.3)


def test_a_coarser_range_makes_a_layer_the_most_sensitive(branched, pictures):
    model, ranges = branched
    wide = ranges.replacing({"c": TensorRange(-400.0, 400.0)})
    before, after = (measure_sensitivity(model, r, pictures) for r in (ranges, wide))
    assert most_sensitive(after, 1) == ["c"]
    for old, new in zip(before, after):
        if old.layer != "c":
            assert new.activation_db == old.activation_db
        else:
            assert new.activation_db < old.activation_db - 20.0
    assert max(after, key=lambda row: row.share).layer == "c"


def test_slopes_and_groups_are_quantized_too(pictures):
    layers = tf_keras.layers
    picture = tf_keras.Input((None, None, 3), name="input")
    bent = layers.PReLU(shared_axes=[1, 2], name="bent")(conv(8, "first")(picture))
    apart = layers.Conv2D(8, 3, padding="same", groups=4, name="apart")(bent)
    trunk = random_weights(tf_keras.Model(picture, conv(12, "last")(apart)))
    model = attach_tail(trunk, "relu", scale=2)
    rows = {r.layer: r for r in measure_sensitivity(model, ranges_of(model, pictures), pictures)}
    for name in ("bent", "apart"):
        assert 20.0 < rows[name].weights_db < 100.0


def test_layers_that_cost_nothing_are_never_the_most_sensitive():
    rows = [
        LayerSensitivity("free", "Add", math.inf, math.inf, math.inf, 0.0),
        LayerSensitivity("some", "Conv2D", 60.0, 60.0, 57.0, 0.1),
        LayerSensitivity("much", "Conv2D", 50.0, 60.0, 49.0, 0.9),
    ]
    assert most_sensitive(rows, 5) == ["much", "some"]
    assert most_sensitive(rows, 1) == ["much"]
