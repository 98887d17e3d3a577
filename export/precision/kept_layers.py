"""Layers of a network kept above eight bits in its file, and which operators they are there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tf_keras

from export.precision.kept_precisions import KEPT_PRECISIONS
from export.precision.raised_weights import FloatWeights
from export.precision.raising import RAISABLE, raise_operators
from export.tflite.additions import FLOAT32, INT16
from sr_models.ground.errors import OptionError
from sr_models.ground.registry import unknown_name_message
from sr_models.networks.graph import points
from sr_models.tflite.flatbuffer import FileGraph, read_graph

_TYPES = dict(zip(KEPT_PRECISIONS, (INT16, FLOAT32)))
"""The type that activations have in each of them."""

_REARRANGES = "DEPTH_TO_SPACE"


def raisable_operators(graph: FileGraph) -> list[int]:
    """Operators that can compute above eight bits: up to the last rearrangement into pixels.

    Behind it only pixels are moved or bounded, which eight bits hold exactly, and LiteRT has no
    16-bit kernel for it.
    """
    ends = [op.index for op in graph.operators if op.name == _REARRANGES]
    end = ends[-1] if ends else len(graph.operators)
    return [op.index for op in graph.operators if op.name in RAISABLE and op.index < end]


def operators_of_layers(graph: FileGraph, model) -> dict[str, list[int]]:
    """Layer name -> its operators that can be raised, in order of execution.

    The converter names a tensor after the layers that went into it, e.g.
    `xlsr_relu/merge/Relu;xlsr_relu/merge/BiasAdd;...`.
    """
    raisable = [graph.operators[index] for index in raisable_operators(graph)]
    named = {op.index: graph.tensors[op.outputs[0]].name for op in raisable}
    found: dict[str, list[int]] = {}
    for name in points(model):
        layer = name.split(":")[0]
        indices = [index for index, text in named.items() if f"/{layer}/" in text]
        if indices:
            found[layer] = indices
    return found


def require_layers(model, names: Sequence[str]) -> None:
    """Raise `OptionError` where a network has no layer of a name."""
    known = [layer.name for layer in model.layers]
    for name in names:
        if name not in known:
            raise OptionError(unknown_name_message("layer", name, known))


def raise_all(content: bytes) -> bytes:
    """The int8 file with 16-bit activations and 8-bit weights wherever that can be."""
    operators = raisable_operators(read_graph(content))
    return raise_operators(content, dict.fromkeys(operators, INT16))


def raise_layers(
    content: bytes, model, names: Sequence[str], *, precision: str, float_model=None
) -> bytes:
    """The int8 file with some layers in a higher precision.

    Args:
        content: A full-integer int8 file of `model`.
        model: The Keras network it was made from, for the names of its layers.
        names: Layers to keep.
        precision: One of `KEPT_PRECISIONS`.
        float_model: The same network with weights that nothing has rounded; `model` by default.

    Raises:
        OptionError: A name that no layer has, or a layer that computes nothing by itself.
    """
    require_layers(model, names)
    operators = operators_of_layers(read_graph(content), model)
    for name in names:
        if name not in operators:
            raise OptionError(
                f"expected layers that compute in the file ({', '.join(operators)}), found "
                f"{name}; leave it out"
            )
    wanted = {index: _TYPES[precision] for name in names for index in operators[name]}
    weights = {}
    if precision == "float32":
        weights = _float_weights(float_model or model, operators, wanted)
    return raise_operators(content, wanted, weights=weights)


def raised_layers(content: bytes | FileGraph, model) -> dict[str, str]:
    """What was kept, read back from a file: layer name -> `"int16x8"` or `"float32"`."""
    graph = content if isinstance(content, FileGraph) else read_graph(content)
    names = {dtype: precision for precision, dtype in _TYPES.items()}
    return {
        layer: names[graph.tensors[graph.operators[indices[0]].outputs[0]].dtype]
        for layer, indices in operators_of_layers(graph, model).items()
        if graph.tensors[graph.operators[indices[0]].outputs[0]].dtype in names
    }


def _float_weights(model, operators, wanted) -> dict[int, FloatWeights]:
    found = {}
    for name, indices in operators.items():
        layer = model.get_layer(name)
        if len(indices) == 1 and indices[0] in wanted and (given := _weights_of(layer)):
            found[indices[0]] = given
    return found


def _weights_of(layer) -> FloatWeights | None:
    """A Keras layer's weights in the layout of its operator; `None` where there are none."""
    axes = {
        tf_keras.layers.Conv2D: (3, 0, 1, 2),
        tf_keras.layers.Conv2DTranspose: (2, 0, 1, 3),
    }.get(type(layer))
    if isinstance(layer, tf_keras.layers.PReLU):
        (slope,) = layer.get_weights()
        return FloatWeights(slope, np.zeros(0))
    if axes is None:
        return None
    kernel, *bias = layer.get_weights()
    return FloatWeights(kernel.transpose(axes), bias[0] if bias else np.zeros(0))
