import math

import numpy as np
import pytest
import tf_keras

from representative_data.probe import probe_layers
from runtime_bench.evidence.simulation import simulate_activations, simulated_fidelity_db
from sr_models.networks.graph import quantized_points
from sr_models.networks.tails import attach_tail
from tests.networks import branched_trunk, sharpening_network


@pytest.fixture(scope="module")
def pictures():
    rng = np.random.default_rng(3)
    return [rng.integers(0, 256, (10, 12, 3), dtype=np.uint8) for _ in range(3)]


def test_every_stored_tensor_lies_on_its_grid(pictures):
    """At most 256 values each, zero among them, and none outside of the range by half a step."""
    model = attach_tail(branched_trunk(), "relu", scale=2)
    ranges = probe_layers(model, pictures).union()
    simulation = simulate_activations(model, ranges)
    stores = [layer for layer in simulation.model.layers if layer.name.endswith("_stored")]
    wanted = list(quantized_points(model))
    assert [layer.name for layer in stores] == [f"{name}_stored" for name in wanted]
    watched = tf_keras.Model(simulation.model.input, [layer.output for layer in stores])
    batch = np.stack(pictures).astype(np.float32) / 255.0
    for name, values in zip(wanted, watched(batch)):
        low, high = (min(ranges[name][0], 0.0), max(ranges[name][1], 0.0))
        step = (high - low) / 255.0
        codes = values.numpy().astype(np.float64) / step
        np.testing.assert_allclose(codes, np.rint(codes), atol=1e-3)
        assert values.numpy().min() >= low - 0.51 * step
        assert values.numpy().max() <= high + 0.51 * step


def test_pixels_go_through_a_network_that_copies_them_untouched(pictures):
    model = sharpening_network(strength=0.0)
    ranges = dict.fromkeys(quantized_points(model), (0.0, 1.0))
    simulation = simulate_activations(model, ranges)
    codes = simulation.codes(np.stack(pictures))
    np.testing.assert_array_equal(codes, np.stack(pictures).repeat(2, axis=1).repeat(2, axis=2))
    assert simulated_fidelity_db(simulation, model, pictures) == math.inf


@pytest.mark.parametrize("wrong", ["input", "output"])
def test_codes_that_are_no_pixels_cost_what_reading_them_as_pixels_costs(pictures, wrong):
    """A grid up to 1.25 (or 0.8) makes every code 0.8 of what it should be: derived by hand."""
    model = sharpening_network(strength=0.0)
    ranges = dict.fromkeys(quantized_points(model), (0.0, 1.0))
    if wrong == "input":
        ranges["input"] = (0.0, 0.8)
    else:
        ranges.update({name: (0.0, 1.25) for name in ranges if name != "input"})
    found = simulated_fidelity_db(simulate_activations(model, ranges), model, pictures)
    pixels = np.stack(pictures).astype(np.float64)
    error = np.mean((np.rint(pixels * 0.8) - pixels) ** 2)
    assert found == pytest.approx(10 * math.log10(255**2 / error), abs=0.02)


def test_a_narrow_range_inside_costs_fidelity(pictures):
    model = attach_tail(branched_trunk(), "none", scale=2)
    ranges = {**probe_layers(model, pictures).union(), "input": (0.0, 1.0)}
    ranges.update(dict.fromkeys(("last", "depth_to_space"), (0.0, 1.0)))

    def fidelity(factor):
        low, high = ranges["c"]
        narrowed = {**ranges, "c": (low * factor, high * factor)}
        return simulated_fidelity_db(simulate_activations(model, narrowed), model, pictures)

    assert fidelity(1.0) > fidelity(0.5) + 3.0
