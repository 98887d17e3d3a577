from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import tf_keras

from export.exporting.conversion import convert_with_ranges
from representative_data.dataset import RepresentativeDataset
from representative_data.observation import observe_ranges, pin_pixels
from sr_models.networks.network import build_trunk
from sr_models.networks.presets import Preset
from sr_models.networks.tails import attach_tail
from sr_models.quantization.ranges import TensorRanges
from tests.families import random_weights

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
