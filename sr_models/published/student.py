"""A network rebuilt with quantizers in it, with weights of its own.

The float network it is made of, its teacher, shares no variable with it: training the one leaves
the other alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from sr_models.networks.graph import points, rebuild
from sr_models.networks.layers import MEAN_COLOUR, convolve
from sr_models.published.sites import convolution_sites, points_of_pixels


def straight_through_round(x):
    """The nearest integers, ties to the even one, with the gradient of the identity.

    The straight-through estimator of Bengio et al. (arXiv 1308.3432). PyTorch, in which the
    published quantizers were written, rounds ties to even as well.
    """
    return x + tf.stop_gradient(tf.round(x) - x)


class QuantizedConvolution(tf_keras.layers.Conv2D):
    """A convolution that computes with what `quantized_kernel` makes of its float kernel.

    Bias and activation stay float, as in all three papers. Groups are computed as one convolution
    each, which TensorFlow does faster on a CPU.

    Args:
        centre: A value of each input channel that the kernel answers to as the float one does; see
            `sr_models.published.student`. Not for grouped convolutions.
    """

    def __init__(self, *arguments, centre: Sequence[float] | None = None, **keywords):
        super().__init__(*arguments, **keywords)
        self.centre = None if centre is None else tuple(centre)

    def quantized_kernel(self):
        """The kernel that the convolution computes with, of the shape of the float one."""
        raise NotImplementedError

    def rounded_away(self, quantized):
        """What the answer to `centre` everywhere lacks with this kernel, (C,)."""
        lost = tf.reduce_sum(self.kernel - quantized, axis=(0, 1))
        return tf.linalg.matvec(lost, tf.constant(self.centre), transpose_a=True)

    def get_config(self):
        return {**super().get_config(), "centre": self.centre}

    def call(self, inputs):
        quantized = self.quantized_kernel()
        y = convolve(self, inputs, quantized)
        if self.centre is not None:
            y = y + self.rounded_away(quantized)
        return self.activation(y + self.bias if self.use_bias else y)


def copied(layer):
    """A new layer of the same configuration, not built yet."""
    return type(layer).from_config(layer.get_config())


def student_of(
    model,
    *,
    replace_layer: Callable[[Any], Any] = copied,
    transform: Callable[[str, Any], Any] = lambda name, tensor: tensor,
    read: Callable[[str, str, Any], Any] = lambda consumer, source, tensor: tensor,
):
    """A copy of a network with quantizers in it.

    Args:
        model: Functional Keras network with one input and one output: the teacher.
        replace_layer: Returns a new layer for each layer of the teacher. Its first weights must be
            those of the teacher's layer, from which they are copied.
        transform: See `sr_models.networks.graph.rebuild`: a quantizer on a tensor.
        read: See there: a quantizer before one consumer.
    """
    made: dict[int, tuple[Any, Any]] = {}

    def of_own(layer):
        if id(layer) not in made:
            made[id(layer)] = (layer, replace_layer(layer))
        return made[id(layer)][1]

    student = rebuild(model, transform, read=read, replace_layer=of_own)
    for original, new in made.values():
        for variable, value in zip(new.weights, original.weights):
            variable.assign(value)
    return student


def quantizer_layers(student, kind: type) -> dict[str, Any]:
    """The layers of one kind in a student, by name, in the order they are computed."""
    return {layer.name: layer for layer in student.layers if isinstance(layer, kind)}


def centres(model) -> dict[str, tuple[float, ...]]:
    """The mean of what each convolution reads, where that is the picture.

    Args:
        model: Float functional network.

    Returns:
        Name of the convolution -> red, green and blue.
    """
    graph, pixels = points(model), points_of_pixels(model)
    return {
        site.name: MEAN_COLOUR
        for site in convolution_sites(model)
        if site.reads in pixels
        and graph[site.reads].tensor.shape[-1] == len(MEAN_COLOUR)
        and graph[site.name].layer.groups == 1
        and graph[site.name].layer.use_bias
    }


def with_centres_merged(weights: Mapping[str, np.ndarray], student) -> dict[str, np.ndarray]:
    """The weights of a student with which it computes the same without centres.

    Args:
        weights: By `layer/variable` (`sr_models.networks.network.named_weights`).
        student: Keras network of quantized convolutions.
    """
    merged = dict(weights)
    for layer in student.layers:
        if isinstance(layer, QuantizedConvolution) and layer.centre is not None:
            constant = layer.rounded_away(layer.quantized_kernel()).numpy()
            merged[f"{layer.name}/bias"] = merged[f"{layer.name}/bias"] + constant
    return merged
