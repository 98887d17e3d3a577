from __future__ import annotations

import numpy as np
import pytest
import tf_keras

from export.quantizing.quantized_network import Evidence
from representative_data.dataset import RepresentativeDataset
from sr_models.networks.network import build_trunk
from sr_models.networks.tails import attach_tail
from tests.families import random_weights
from tests.networks import conv


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
    from sr_models.quantization.simulator import simulate

    def measure(quantized, model, pictures):
        x = np.stack(pictures).astype(np.float32) / 255.0
        found = simulate(quantized.model, quantized.ranges)(x, training=False).numpy()
        return float(np.square(found - np.clip(model(x).numpy(), 0.0, 1.0)).mean())

    return measure


@pytest.fixture(scope="session")
def residual():
    """Two blocks around a sum, whose channels have very different widths."""
    rng = np.random.default_rng(0)
    picture = tf_keras.Input((None, None, 3), name="input")
    y = head = conv(4, "head")(picture)
    for k in range(2):
        z = conv(4, f"inner{k}", activation="relu")(y)
        y = tf_keras.layers.Add(name=f"sum{k}")([y, conv(4, f"outer{k}")(z)])
    y = tf_keras.layers.Add(name="long")([y, head])
    model = tf_keras.Model(picture, conv(3, "last")(y))
    for layer in model.layers:
        if layer.weights:
            kernel, bias = layer.get_weights()
            # Channels that are narrow count as much as wide ones.
            spread = 1.0 if layer.name == "last" else np.geomspace(1.0, 0.1, kernel.shape[3])
            heard = (
                1.0 if layer.name == "head" else np.geomspace(1.0, 10.0, kernel.shape[2])[:, None]
            )
            kernel = 0.15 * rng.normal(size=kernel.shape) * spread * heard
            layer.set_weights([kernel, 0.1 * spread * rng.normal(size=bias.shape)])
    return model
