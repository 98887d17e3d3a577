"""Functions of TensorFlow and of Keras 3, as files name them, that compute values or move channels.

What an integer file cannot hold (softmax, a maximum over the whole picture) is here too where the
reader of graphs has the better words for it.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import tensorflow as tf
import tf_keras

from sr_models.networks.value_layers import Gelu, PictureMean, ResizeToPicture, SquareRoot

_L = tf_keras.layers

VALUE_LAYERS: dict[str, tuple[Callable, tuple[str, ...]]] = {
    "Dense": (_L.Dense, ("units", "use_bias")),
    "GlobalAvgPool2D": (_L.GlobalAveragePooling2D, ("keepdims",)),
    "Gelu": (Gelu, ("approximate",)),
    "PictureMean": (PictureMean, ("axes",)),
    "ResizeToPicture": (ResizeToPicture, ("times", "parts", "corners", "centred")),
    "SquareRoot": (SquareRoot, ()),
}
"""Class -> the layer, and which of its arguments are taken over."""

OUR_VALUE_LAYERS = ("Gelu", "PictureMean", "ResizeToPicture", "SquareRoot")


def _mish(x):
    return x * tf.tanh(tf.nn.softplus(x))


def _hard_silu(x):
    return x * tf.nn.relu6(x + 3.0) / 6.0


VALUE_ACTIVATIONS: dict[str, Callable] = {
    "mish": _mish,
    "hard_silu": _hard_silu,
    "hard_swish": _hard_silu,
    "softmax": tf.nn.softmax,
    "exponential": tf.exp,
}

TF_VALUES: dict[str, Callable] = {
    "reduce_mean": tf.reduce_mean,
    "reduce_sum": tf.reduce_sum,
    "reduce_max": tf.reduce_max,
    "reduce_std": tf.math.reduce_std,
    "reduce_variance": tf.math.reduce_variance,
    "moments": tf.nn.moments,
    "sqrt": tf.sqrt,
    "rsqrt": tf.math.rsqrt,
    "square": tf.square,
    "squared_difference": tf.math.squared_difference,
    "pow": tf.pow,
    "erf": tf.math.erf,
    "gelu": tf.nn.gelu,
    "silu": tf.nn.silu,
    "swish": tf.nn.silu,
    "elu": tf.nn.elu,
    "selu": tf.nn.selu,
    "softplus": tf.nn.softplus,
    "softmax": tf.nn.softmax,
    "reshape": tf.reshape,
    "transpose": tf.transpose,
    "expand_dims": tf.expand_dims,
    "squeeze": tf.squeeze,
    "broadcast_to": tf.broadcast_to,
    "reverse": tf.reverse,
    "split": tf.split,
    "gather": tf.gather,
    "stack": tf.stack,
    "unstack": tf.unstack,
    "repeat": tf.repeat,
    "add_n": tf.add_n,
    "matmul": tf.matmul,
}
"""The last part of a function's name -> the function."""


def _plain(function: Callable) -> Callable:
    return lambda config: function


def _over_axes(function: Callable) -> Callable:
    def make(config: dict[str, Any]) -> Callable:
        return lambda x: function(x, config.get("axis"), keepdims=bool(config.get("keepdims")))

    return make


def _moments(config: dict[str, Any]) -> Callable:
    return lambda x: tf.nn.moments(x, config.get("axes"), keepdims=bool(config.get("keepdims")))


def _gelu(config: dict[str, Any]) -> Callable:
    return lambda x: tf.nn.gelu(x, approximate=bool(config.get("approximate", True)))


def _reshape(config: dict[str, Any]) -> Callable:
    shape = config.get("newshape", config.get("target_shape"))
    # The number of pictures is free in a configuration, and one when it is read.
    return lambda x: tf.reshape(x, [-1 if n is None else n for n in shape])


def _split(config: dict[str, Any]) -> Callable:
    parts, axis = config["indices_or_sections"], config.get("axis", 0)

    def split(x):
        if isinstance(parts, int):
            return tf.split(x, parts, axis)
        places = [0, *parts, x.shape[axis]]
        return tf.split(x, [b - a for a, b in pairwise(places)], axis)

    return split


def _flip(config: dict[str, Any]) -> Callable:
    axes = config.get("axis")

    def flip(x):
        given = range(len(x.shape)) if axes is None else tf.nest.flatten(axes)
        return tf.reverse(x, [axis % len(x.shape) for axis in given])

    return flip


KERAS3_VALUES: dict[str, Callable[[dict[str, Any]], Callable]] = {
    "Mean": _over_axes(tf.reduce_mean),
    "Sum": _over_axes(tf.reduce_sum),
    "Max": _over_axes(tf.reduce_max),
    "Std": _over_axes(tf.math.reduce_std),
    "Var": _over_axes(tf.math.reduce_variance),
    "Moments": _moments,
    "Sqrt": _plain(tf.sqrt),
    "Rsqrt": _plain(tf.math.rsqrt),
    "Square": _plain(tf.square),
    "Power": _plain(tf.pow),
    "Erf": _plain(tf.math.erf),
    "Gelu": _gelu,
    "Silu": _plain(tf.nn.silu),
    "HardSilu": _plain(_hard_silu),
    "Softplus": _plain(tf.nn.softplus),
    "Softmax": lambda config: lambda x: tf.nn.softmax(x, config.get("axis", -1)),
    "Matmul": _plain(tf.matmul),
    "Reshape": _reshape,
    "Transpose": lambda config: lambda x: tf.transpose(x, config.get("axes")),
    "ExpandDims": lambda config: lambda x: tf.expand_dims(x, config["axis"]),
    "Squeeze": lambda config: lambda x: tf.squeeze(x, config.get("axis")),
    "Split": _split,
    "Flip": _flip,
    "Stack": lambda config: lambda x: tf.stack(x, config.get("axis", 0)),
    "Take": lambda config: lambda x, indices: tf.gather(x, indices, axis=config.get("axis")),
    "Repeat": lambda config: lambda x: tf.repeat(x, config["repeats"], config.get("axis")),
}
