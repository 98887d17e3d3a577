"""What eight-bit activations do to a network's pixels, simulated in float: no file is made.

Weights stay float here, so the figures are better than a file's; they compare sets of calibration
pictures with each other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
import tf_keras

from representative_data.grid import EightBitGrid, grid_of_range
from representative_data.probe import BATCH_PIXELS
from sr_models.graph import INPUT, output_name, points, quantized_points, rebuild, with_split_groups
from sr_models.metrics import to_pixels

_FIXED = {"tanh": (-1.0, 127 / 128), "sigmoid": (0.0, 255 / 256)}


class _Store(tf_keras.layers.Layer):
    """Rounds to a grid and saturates, as an eight-bit store does."""

    def __init__(self, grid: EightBitGrid, **keywords):
        super().__init__(**keywords)
        self.grid = grid

    def call(self, inputs):
        codes = tf.round(inputs / self.grid.scale) + float(self.grid.zero_point)
        codes = tf.clip_by_value(codes, 0.0, 255.0)
        return (codes - float(self.grid.zero_point)) * self.grid.scale


@dataclass(frozen=True)
class Simulation:
    """A float network whose activations lie on eight-bit grids.

    Attributes:
        model: The Keras network; its weights are those of the float network.
        input: Grid of the input.
        output: Grid of the output.
    """

    model: tf_keras.Model
    input: EightBitGrid
    output: EightBitGrid

    def codes(self, pixels: np.ndarray) -> np.ndarray:
        """uint8 (n, h, w, 3) codes fed as they are -> uint8 codes as they come out."""
        values = (pixels.astype(np.float32) - self.input.zero_point) * self.input.scale
        y = self.model(values, training=False).numpy()
        codes = np.rint(y / self.output.scale) + self.output.zero_point
        return np.clip(codes, 0, 255).astype(np.uint8)


def simulate_activations(
    model, ranges: Mapping[str, Sequence[float]]
) -> Simulation:  # fmt: skip
    """The network with every tensor that an int8 file stores on the grid of its range.

    Args:
        model: Float functional Keras network, input in 0..1.
        ranges: Point name -> (minimum, maximum), for all of `quantized_points(model)`.
    """
    grids = {name: grid_of_range(ranges[name]) for name in quantized_points(model)}
    for name, point in points(model).items():
        if point.has_fixed_grid:
            grids[name] = grid_of_range(_FIXED[point.layer.activation.__name__])

    def store(name, tensor):
        if name not in grids:
            return tensor
        return _Store(grids[name], name=f"{name.replace(':', '_')}_stored")(tensor)

    output = output_name(model)
    simulated = rebuild(with_split_groups(model), store)
    # An output that TFLite itself gives a grid, or that repeats channels, has no range of its own.
    return Simulation(simulated, grids[INPUT], grids.get(output) or grid_of_range(ranges[output]))


def simulated_fidelity_db(
    simulation: Simulation, model, pictures: Sequence[np.ndarray]
) -> float:  # fmt: skip
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
    step = max(1, BATCH_PIXELS // (pictures[0].shape[0] * pictures[0].shape[1]))
    for first in range(0, len(pictures), step):
        batch = np.stack(pictures[first : first + step])
        expected = to_pixels(fast(batch.astype(np.float32) / 255.0, training=False).numpy())
        difference = simulation.codes(batch).astype(np.int32) - expected
        squares += float(np.square(difference, dtype=np.int64).sum())
        count += difference.size
    return 10.0 * math.log10(255.0**2 * count / squares) if squares else math.inf
