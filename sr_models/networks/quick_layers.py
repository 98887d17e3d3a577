"""Bases of layers that Keras puts into a network without a detour.

Keras has two, for layers that it knows nothing of: it rewrites their code for values that decide
what is computed, and it computes them once in a graph of its own, to see what shape comes out. A
network is rebuilt some twenty times in an export, where a layer of a simulation has forty operators
of its own.
"""

from __future__ import annotations

import tensorflow as tf
import tf_keras
from tf_keras.src.engine.keras_tensor import KerasTensor


class PlainLayer(tf_keras.layers.Layer):
    """A layer whose Python decides by shapes and settings alone, never by values of tensors."""

    def _should_use_autograph(self) -> bool:
        return False


class ShapedLayer(PlainLayer):
    """A plain layer that has one input and says itself what shape it returns.

    That of its input, unless `compute_output_shape` says otherwise.
    """

    def compute_output_shape(self, input_shape):
        return input_shape

    def _keras_tensor_symbolic_call(self, inputs, input_masks, args, kwargs):
        self._maybe_build(inputs)
        shape = self.compute_output_shape(tuple(inputs.shape))
        self._set_save_spec(inputs, args, kwargs)
        return KerasTensor(tf.TensorSpec(shape, inputs.dtype))
