"""Which of several outputs of an ONNX file is the upscaled picture."""

from __future__ import annotations

from collections.abc import Sequence

import onnx

from sr_models.ground.errors import NetworkError
from sr_models.importing.ends import output_place, shown
from sr_models.importing.foreign_graph import ForeignNetwork
from sr_models.importing.plain_names import plain

_SIDE = 64
_MOST_OUTPUTS = 16


def keep_output(graph: onnx.GraphProto, value: onnx.ValueInfoProto) -> None:
    """Let a graph have one output alone."""
    kept = onnx.ValueInfoProto()
    kept.CopyFrom(value)
    del graph.output[:]
    graph.output.append(kept)


def named(values: Sequence[onnx.ValueInfoProto]) -> str:
    """Names of inputs or outputs for a message."""
    return shown([plain(value.name) for value in values])


def upscaled_output(file: ForeignNetwork, outputs: Sequence[onnx.ValueInfoProto]) -> str:
    """Name of the one output that is the upscaled picture, which alone is kept.

    Args:
        file: Opened, with its `model` and `input_shape`.
        outputs: Those that it has.

    Raises:
        NetworkError: None, or several.
    """
    _, height, width, channels = file.input_shape
    low, shapes, errors = (1, height or _SIDE, width or _SIDE, channels), [], []
    for value in outputs[:_MOST_OUTPUTS]:
        keep_output(file.model.graph, value)
        try:
            shapes.append(file.at(low).output.shape.as_list())
        except NetworkError as error:  # It may be no picture, as features are none.
            shapes.append(None)
            errors.append(error)
    names = [plain(value.name) for value in outputs[:_MOST_OUTPUTS]]
    if len(errors) == len(names):
        raise errors[0]
    place = output_place(names, shapes, low, asked=None)
    keep_output(file.model.graph, outputs[place])
    return outputs[place].name
