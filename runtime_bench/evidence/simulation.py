"""What eight-bit activations do to a network's pixels, simulated in float: no file is made.

Unlike in `sr_models.quantization.simulator` weights stay float, so the figures are better than a
file's; they compare sets of calibration pictures with each other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import tf_keras

from representative_data.probe import stacked
from sr_models.ground.pictures import to_pixels, unit
from sr_models.networks.graph import (
    INPUT,
    output_name,
    points,
    quantized_points,
    rebuild,
    with_split_groups,
)
from sr_models.quantization.fake_quantization import FakeQuantization
from sr_models.quantization.ranges import TensorRange, TensorRanges
from sr_models.quantization.simulator import stored_ranges

_FIRST = -128
"""The int8 code of which the uint8 code is 0."""


@dataclass(frozen=True)
class SimulatedCodes:
    """A float network whose activations lie on eight-bit grids.

    Attributes:
        model: The Keras network; its weights are those of the float network.
        input: Range of the input.
        output: Range of the output.
    """

    model: tf_keras.Model
    input: TensorRange
    output: TensorRange

    def codes(self, pixels: np.ndarray) -> np.ndarray:
        """uint8 (n, h, w, 3) codes fed as they are -> uint8 codes as they come out."""
        shifted = pixels.astype(np.float32) + _FIRST - self.input.zero_point
        y = self.model(shifted * np.float32(self.input.scale), training=False).numpy()
        codes = np.rint(y / self.output.scale) + self.output.zero_point - _FIRST
        return np.clip(codes, 0, 255).astype(np.uint8)


def simulate_activations(model, ranges: Mapping[str, Sequence[float]]) -> SimulatedCodes:
    """The network with every tensor that an int8 file stores on the grid of its range.

    Args:
        model: Float functional Keras network, input in 0..1.
        ranges: Point name -> (minimum, maximum), for all of `quantized_points(model)`.
    """
    stored = quantized_points(model)
    own = TensorRanges({name: TensorRange(*ranges[name]) for name in stored}, method="simulated")
    grids, graph = stored_ranges(model, own), points(model)

    def store(name, tensor):
        # Whatever is moved, joined or repeated lies on a grid already.
        if name not in own and not graph[name].has_fixed_grid:
            return tensor
        value = grids[name]
        layer_name = f"{name.replace(':', '_')}_stored"
        return FakeQuantization(value.minimum, value.maximum, name=layer_name)(tensor)

    output = output_name(model)
    simulated = rebuild(with_split_groups(model), store)
    # An output that repeats channels has no range of its own.
    return SimulatedCodes(
        simulated, grids[INPUT], grids.get(output) or TensorRange(*ranges[output])
    )


def simulated_fidelity_db(
    simulation: SimulatedCodes, model, pictures: Sequence[np.ndarray]
) -> float:
    """PSNR of the simulated codes, read as pixels, against the float network's pixels.

    Codes go in and come out as they are, so a grid whose codes are not pixels costs what it costs.
    All pictures are pooled, in dB; infinite where nothing differs.

    Args:
        simulation: See `simulate_activations`.
        model: The float network; its output is saturated and rounded here.
        pictures: uint8 (h, w, 3) of one size.
    """
    fast = with_split_groups(model)
    squares, count = 0.0, 0
    for batch in stacked(pictures, fast):
        expected = to_pixels(fast(unit(batch), training=False).numpy())
        difference = simulation.codes(batch).astype(np.int32) - expected
        squares += float(np.square(difference, dtype=np.int64).sum())
        count += difference.size
    return 10.0 * math.log10(255.0**2 * count / squares) if squares else math.inf
