"""Operations that change the size of a picture, written as layers of Keras."""

from __future__ import annotations

import tf_keras

from sr_models.importing.operations import Operation
from sr_models.networks.layers import MirrorPadding

_layers = tf_keras.layers


def _pad(operation: Operation, x):
    amounts = (operation["rows"], operation["columns"])
    return _layers.ZeroPadding2D(amounts, name=operation.name)(x)


def _crop(operation: Operation, x):
    amounts = (operation["rows"], operation["columns"])
    return _layers.Cropping2D(amounts, name=operation.name)(x)


def _mirror_pad(operation: Operation, x):
    rows, columns, mode = (operation[name] for name in ("rows", "columns", "mode"))
    return MirrorPadding(rows, columns, mode, name=operation.name)(x)


def _max_pool(operation: Operation, x):
    return _pooling(_layers.MaxPooling2D, operation)(x)


def _average_pool(operation: Operation, x):
    return _pooling(_layers.AveragePooling2D, operation)(x)


def _pooling(kind, operation: Operation):
    return kind(
        operation["pool"],
        strides=operation["strides"],
        padding=operation["padding"],
        name=operation.name,
    )


GEOMETRY_WRITERS = {
    "pad": _pad,
    "crop": _crop,
    "mirror_pad": _mirror_pad,
    "max_pool": _max_pool,
    "average_pool": _average_pool,
}
