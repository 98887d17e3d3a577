from __future__ import annotations

import numpy as np
import pytest

from export.methods.quantized_network import Evidence
from representative_data.dataset import RepresentativeDataset
from sr_models.network import build_trunk
from sr_models.tails import attach_tail
from tests.families import random_weights


@pytest.fixture(scope="session")
def pictures(photographs):
    """Eight uint8 (32, 32, 3) pieces of photographs."""
    pieces = [p[y : y + 96 : 3, 150:246:3] for p in photographs.values() for y in (60, 180)]
    return [np.ascontiguousarray(piece) for piece in pieces]


@pytest.fixture(scope="session")
def evidence(pictures):
    return Evidence(RepresentativeDataset(pictures, [], "natural", "test", "", 3), pictures)


@pytest.fixture(scope="session")
def network(tiny_preset):
    """A small XLSR with random weights: groups, a concatenation, ReLUs, linear layers."""
    trunk = random_weights(build_trunk(tiny_preset))
    return attach_tail(trunk, "relu", scale=3)


@pytest.fixture(scope="session")
def distance():
    """Mean squared error of a quantized network, simulated, against a float network."""
    from sr_models.int8.simulator import simulate

    def measure(quantized, model, pictures):
        x = np.stack(pictures).astype(np.float32) / 255.0
        found = simulate(quantized.model, quantized.ranges)(x, training=False).numpy()
        return float(np.square(found - np.clip(model(x).numpy(), 0.0, 1.0)).mean())

    return measure
