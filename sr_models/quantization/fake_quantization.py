"""Ranges written into a network as fake quantization with constant bounds.

The TFLite converter takes such ranges over exactly and leaves no operator behind (verified with
TensorFlow 2.21 by `tests/export/test_conversion.py`).
"""

from __future__ import annotations

import tensorflow as tf
import tf_keras

from sr_models.ground.errors import CalibrationError
from sr_models.networks.graph import quantized_points, rebuild
from sr_models.networks.quick_layers import ShapedLayer
from sr_models.quantization.ranges import TensorRange, TensorRanges


@tf_keras.saving.register_keras_serializable("sr_models")
class FakeQuantization(ShapedLayer):
    """Rounds to the grid of an int8 tensor and saturates, in float.

    float32 in, float32 out, any shape; `tf.quantization.fake_quant_with_min_max_args` with eight
    bits, which nudges the range so that 0 lies on the grid.
    """

    def __init__(self, minimum: float, maximum: float, narrow: bool = False, **keywords):
        super().__init__(**keywords)
        self.range = TensorRange(minimum, maximum, narrow).on_grid

    def call(self, inputs):
        return tf.quantization.fake_quant_with_min_max_args(
            inputs, self.range.minimum, self.range.maximum, 8, self.range.narrow
        )

    def get_config(self):
        values = {name: getattr(self.range, name) for name in ("minimum", "maximum", "narrow")}
        return {**super().get_config(), **values}


def require_ranges(model, ranges: TensorRanges) -> None:
    """Raise `CalibrationError` where a tensor that the int8 file stores has no range."""
    missing = [name for name in quantized_points(model) if name not in ranges]
    if missing:
        raise CalibrationError(
            f"expected a range for every stored tensor, found none for {', '.join(missing)}; "
            "take the ranges from the same network, output tail included"
        )


def write_ranges(model, ranges: TensorRanges, *, batch_shape=None):
    """The network with a `FakeQuantization` behind every tensor that an int8 file stores.

    Run as it is, the result simulates the activations of the int8 file; its weights stay float.

    Args:
        model: Float functional Keras model.
        ranges: A range for each of `sr_models.networks.graph.quantized_points(model)`.
        batch_shape: Shape (N, H, W, C) of the input; the model's own by default.

    Raises:
        CalibrationError: A tensor has no range.
    """
    require_ranges(model, ranges)
    wanted = quantized_points(model)

    def quantize(name, tensor):
        if name not in wanted:
            return tensor
        value = ranges[name]
        layer_name = f"{name.replace(':', '_')}_range"
        return FakeQuantization(value.minimum, value.maximum, value.narrow, name=layer_name)(tensor)

    return rebuild(model, quantize, batch_shape=batch_shape)
