"""Kernels on grids that a method chose, written into a network for the converter to take over.

Left alone, the TFLite converter gives each output channel of a kernel the scale of its largest
weight. A method whose weights lie on another grid (one scale for the whole kernel, or steps of its
own) would have them rounded once more. Fake quantization of the kernel with the wanted bounds is
taken over as it is, code for code, and leaves no operator
(`tests/sr_models/int8/test_weight_grids.py` reads both back).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import tensorflow as tf
import tf_keras

from sr_models.ground.errors import CalibrationError
from sr_models.networks.graph import rebuild
from sr_models.networks.quick_layers import PlainLayer
from sr_models.quantization.integer_kernels import LARGEST_WEIGHT_CODE


@tf_keras.saving.register_keras_serializable("sr_models")
class GridConvolution(PlainLayer, tf_keras.layers.Conv2D):
    """A convolution whose kernel lies on int8 codes of given scales.

    Args:
        scales: Scale of each output channel, greater than 0.
    """

    def __init__(self, *arguments, scales: list[float], **keywords):
        super().__init__(*arguments, **keywords)
        self.scales = [float(scale) for scale in scales]

    def call(self, inputs):
        bound = LARGEST_WEIGHT_CODE * np.asarray(self.scales, np.float32)
        kernel = tf.quantization.fake_quant_with_min_max_vars_per_channel(
            self.kernel, -bound, bound, num_bits=8, narrow_range=True
        )
        y = self.convolution_op(inputs, kernel)
        return self.activation(y + self.bias if self.use_bias else y)

    def get_config(self):
        return {**super().get_config(), "scales": self.scales}


def with_weight_scales(model, scales: Mapping[str, np.ndarray]):
    """The network with the kernels of some convolutions on grids of given scales.

    Args:
        model: Float functional network; its other layers are shared.
        scales: float (C,) for the name of each such convolution.

    Raises:
        CalibrationError: A name that is no convolution, or scales that cannot be.
    """
    convolutions = {x.name: x for x in model.layers if type(x) is tf_keras.layers.Conv2D}
    made: dict[str, GridConvolution] = {}
    for name, values in scales.items():
        layer = convolutions.get(name)
        if layer is None:
            raise CalibrationError(
                f"expected the name of a convolution, found {name!r}; there are "
                f"{', '.join(convolutions)}"
            )
        values = np.asarray(values, np.float64)
        if values.shape != (layer.filters,) or not (values > 0.0).all():
            raise CalibrationError(
                f"expected {layer.filters} scales greater than 0 for {name}, found an array of "
                f"shape {values.shape}, the least being {values.min(initial=np.inf):g}"
            )
        made[name] = GridConvolution(**layer.get_config(), scales=values.tolist())

    def replace_layer(layer):
        return made.get(layer.name, layer)

    written = rebuild(model, lambda _, tensor: tensor, replace_layer=replace_layer)
    for name, layer in made.items():
        layer.set_weights(convolutions[name].get_weights())
    return written
