"""The size that a file of any size has before it is resized.

A converter writes 1x1, at which a network with strides, crops or mirrored borders is none: its
skip connections would not meet, so that no runtime could open the file to resize it.
"""

from __future__ import annotations

import numpy as np
import tf_keras

from export.running.interpreters import open_model
from export.tflite.packing import repack
from sr_models.networks.keras_windows import size_multiple
from sr_models.networks.layers import MirrorPadding
from sr_models.networks.value_layers import ResizeToPicture
from sr_models.tflite.unpacked import unpack

_SIDE = 64
_NEED_ROOM = (MirrorPadding, ResizeToPicture, tf_keras.layers.Cropping2D)


def needs_room(model) -> bool:
    """Whether a network cannot be given a single pixel."""
    return size_multiple(model) > 1 or any(isinstance(x, _NEED_ROOM) for x in model.layers)


def with_first_size(content: bytes, model) -> bytes:
    """A file of any size that opens at 64x64 pixels, or what strides divide next to it.

    Args:
        content: As the converter wrote it.
        model: The network that it was made from.
    """
    multiple = size_multiple(model)
    side = _SIDE + -_SIDE % multiple
    sized, tables = unpack(content), unpack(content).tables
    graph = tables.subgraphs[0]
    for index in graph.inputs:
        channels = int(graph.tensors[index].shape[3])
        graph.tensors[index].shape = np.array([1, side, side, channels], np.int32)
    shapes = open_model(repack(sized, tables), delegate="builtin").tensor_shapes
    for tensor, shape in zip(graph.tensors, shapes):
        signature = tensor.shapeSignature
        if signature is not None and -1 in list(signature):
            tensor.shape = np.array(shape, np.int32)
    return repack(sized, tables)
