import json

import numpy as np
import pytest
import tensorflow as tf

from sr_models.network import build_trunk, named_weights
from sr_models.presets import Preset
from sr_models.quantizers.registry import quantization_methods, simulate_method
from tests.families import random_weights

BATCHES = np.random.default_rng(1).random((1, 2, 10, 10, 3), np.float32)
LEVELS = {
    "minmax": 16, "pams": 15, "outlier-aware": 31, "outlier-aware-budgeted": 15, "dfsq": 16,
}  # fmt: skip


@pytest.fixture(scope="module")
def edsr():
    config = {"scale": 2, "blocks": 1, "width": 4}
    return random_weights(build_trunk(Preset("test", "edsr", config, "for tests")))


@pytest.fixture(autouse=True)
def without_graphs():
    """Few steps of a tiny network: compiling them takes longer than running them."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.mark.parametrize("name", LEVELS)
def test_every_method_simulates_a_network_and_leaves_it_alone(name, edsr):
    assert list(LEVELS) == quantization_methods()
    before, seen = named_weights(edsr), []
    found = simulate_method(
        name, edsr, batches=BATCHES, bits=4, on_progress=lambda *counts: seen.append(counts)
    )
    assert (found.method, found.bits, found.levels) == (name, 4, LEVELS[name])
    assert seen[-1][0] == seen[-1][1]
    expected = edsr(BATCHES[0]).numpy()
    error = np.mean((found.model(BATCHES[0]).numpy() - expected) ** 2) / np.var(expected)
    assert 0.0 < error < 0.5
    for key, array in named_weights(edsr).items():
        np.testing.assert_array_equal(array, before[key])
    assert (json.loads(json.dumps(found.to_json()))["ranges"] is not None) == (name == "pams")
