"""Convolutions of several groups written as one of all channels, with zeros in between.

Some compilers hand a CONV_2D on without its number of groups. What zeros multiply adds nothing, so
that each kernel of the same arithmetic gives the same codes; XNNPACK's are. The interpreter's own
kernels compute groups by other code, which rounds otherwise, and may differ by a code.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from export.tflite.editing import set_constant
from export.tflite.packing import repack, require_repackable
from sr_models.tflite.files import ModelFile
from sr_models.tflite.unpacked import UnpackedModel, unpack


def groups_of(model: UnpackedModel) -> dict[int, int]:
    """Operator -> groups, for every CONV_2D of constant int8 weights that has several."""
    tensors, found = model.graph.tensors, {}
    for op in model.graph.operators:
        if op.name != "CONV_2D":
            continue
        source, weights = (tensors[i] for i in op.inputs[:2])
        if weights.dtype != "int8" or not weights.constant or len(weights.shape) != 4:
            continue
        groups, rest = divmod(source.shape[-1], weights.shape[3])
        if groups > 1 and not rest and not weights.shape[0] % groups:
            found[op.index] = groups
    return found


def join_groups(source: str | Path | bytes | ModelFile) -> bytes:
    """A file whose convolutions have one group each; the old content where all have.

    Raises:
        ModelFileError: The file is damaged, or cannot be written again.
    """
    model = unpack(source)
    found = groups_of(model)
    if not found:
        return model.file.data
    require_repackable(model)
    tables = unpack(model.file).tables
    joined = {model.graph.operators[index].inputs[1]: groups for index, groups in found.items()}
    for tensor, groups in joined.items():
        info = model.graph.tensors[tensor]
        outputs, height, width, inputs = info.shape
        narrow = model.constant(tensor).reshape(info.shape)
        wide = np.zeros((outputs, height, width, groups * inputs), np.int8)
        for group in range(groups):
            rows = slice(group * outputs // groups, (group + 1) * outputs // groups)
            wide[rows, :, :, group * inputs : (group + 1) * inputs] = narrow[rows]
        set_constant(tables, tensor, wide, scales=np.array([]))
        tables.subgraphs[0].tensors[tensor].shape = np.array(wide.shape, np.int32)
    return repack(model, tables)
