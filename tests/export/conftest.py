"""Small networks, with their int8 files, that the rooms of `export` are tested on."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tf_keras

from export.exporting.conversion import convert_with_ranges
from export.quantizing.quantized_network import Evidence
from representative_data.dataset import RepresentativeDataset
from representative_data.observation import observe_ranges, pin_pixels
from sr_models.ground.child import Sandbox
from sr_models.networks.network import build_trunk
from sr_models.networks.presets import Preset
from sr_models.networks.tails import attach_tail
from sr_models.quantization.ranges import TensorRanges
from tests.families import random_weights
from tests.networks import conv


@pytest.fixture(scope="session")
def sandbox():
    """A child process that runs files; shared, since starting one takes a second."""
    with Sandbox("export.stripping.proof") as child:
        yield child


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


HEIGHT, WIDTH = 12, 16


@dataclass(frozen=True)
class Int8Network:
    """A small network with the int8 file that was made of it.

    Attributes:
        model: The float network.
        ranges: The ranges in the file.
        content: The file, 12x16 pixels, uint8 in and out.
        picture: uint8 (12, 16, 3).
    """

    model: Any
    ranges: TensorRanges
    content: bytes
    picture: np.ndarray

    @property
    def expected(self) -> np.ndarray:
        """The float network's pixels, float64 in 0..255, saturated."""
        y = self.model(self.picture[None] / np.float32(255.0)).numpy().astype(np.float64)
        return 255.0 * np.clip(y, 0.0, 1.0)


def _made(model, *, io="uint8") -> Int8Network:
    picture = np.random.default_rng(3).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    natural = RepresentativeDataset([picture], [], "natural", "test", "", 2)
    ranges = pin_pixels(observe_ranges(model, natural), model)
    content = convert_with_ranges(model, ranges, sample=picture, height=HEIGHT, width=WIDTH, io=io)
    return Int8Network(model, ranges, content, picture)


def _rare_trunk():
    """Operators that no shipped network has: depthwise, transposed, a leaky ReLU."""
    layers = tf_keras.layers
    picture = tf_keras.Input((None, None, 3), name="input")
    y = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(picture)
    y = layers.LeakyReLU(0.3, name="leaky")(layers.Conv2D(6, 3, padding="same", name="body")(y))
    y = layers.Conv2DTranspose(12, 3, padding="same", name="last")(y)
    return tf_keras.Model(picture, y, name="rare")


_CONFIGS = {
    "xlsr": {"scale": 2, "width": 8, "blocks": 1, "skip_width": 4, "merge_width": 8},
    "abpn": {"scale": 2, "width": 6, "blocks": 1},
    "fsrcnn": {"scale": 2, "width": 6, "shrunk_width": 4, "blocks": 1},
    "espcn": {"scale": 2, "first_width": 6, "second_width": 6},
    "sesr": {"scale": 2, "width": 6, "blocks": 1},
}


@pytest.fixture(scope="session")
def int8_network():
    """Makes an `Int8Network`: of a family with random weights, or of `"rare"`."""
    made: dict = {}

    def make(family: str, *, tail: str = "relu", io: str = "uint8") -> Int8Network:
        key = family, tail, io
        if key not in made:
            if family == "rare":
                trunk = _rare_trunk()
            else:
                trunk = build_trunk(Preset("tiny_x2", family, _CONFIGS[family], "for tests"))
            model = attach_tail(random_weights(trunk), tail, scale=2)
            made[key] = _made(model, io=io)
        return made[key]

    return make


@pytest.fixture
def bundle(made_bundle, tmp_path) -> Path:
    """A copy of the bundle, to be spoiled."""
    return Path(shutil.copytree(made_bundle, tmp_path / "phone"))
