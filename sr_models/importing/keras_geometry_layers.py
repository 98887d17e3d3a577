"""Functions of TensorFlow and of Keras 3, as files name them, that pool, pad, cut off or resize."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

TF_GEOMETRY: dict[str, Callable] = {
    "shape": tf.shape,
    "pad": tf.pad,
    "max_pool2d": tf.nn.max_pool2d,
    "avg_pool2d": tf.nn.avg_pool2d,
    "resize_bilinear": tf.compat.v1.image.resize_bilinear,
    "resize_nearest_neighbor": tf.compat.v1.image.resize_nearest_neighbor,
    "floordiv": tf.math.floordiv,
    "floor_div": tf.math.floordiv,
}
"""The last part of a function's name -> the function."""


def _pooling(function: Callable) -> Callable:
    def make(config: dict[str, Any]) -> Callable:
        pool = config["pool_size"]
        strides, padding = config.get("strides") or pool, str(config.get("padding", "valid"))
        return lambda x: function(x, pool, strides, padding.upper())

    return make


def _padding(config: dict[str, Any]) -> Callable:
    amounts, mode = config["pad_width"], str(config.get("mode", "constant")).upper()
    # Keras 3 sets the constant's value when it calls.
    return lambda x, constant_values=None: tf.pad(x, amounts, mode, constant_values or 0)


def _resizing(config: dict[str, Any]) -> Callable:
    size, method = config["size"], str(config.get("interpolation", "bilinear"))
    antialias = bool(config.get("antialias", False))
    return lambda x: tf.image.resize(x, size, method=method, antialias=antialias)


KERAS3_GEOMETRY: dict[str, Callable[[dict[str, Any]], Callable]] = {
    "MaxPool": _pooling(tf.nn.max_pool2d),
    "AveragePool": _pooling(tf.nn.avg_pool2d),
    "Pad": _padding,
    "Resize": _resizing,
}
