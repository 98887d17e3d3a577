"""Pixels taken out of channels without DEPTH_TO_SPACE, code for code the same.

Some compilers do not take DEPTH_TO_SPACE. Two forms of other operators copy the same codes:

- `transpose_conv`: one TRANSPOSE_CONV whose kernel is as large as its stride. Each output reads one
  channel of one pixel by a weight of 127 steps of 1/127, which is one.
- `resize_mask`: RESIZE_NEAREST_NEIGHBOR repeats each pixel, two MUL with rows and columns of zeros
  and ones leave each channel where it belongs, and a 1x1 CONV_2D with the same weight adds up one
  value and zeros.

Input and output have one grid and no bias is added, so that each kernel rescales `127 * code` by
1/127: at most 255 is off by 1e-7 of it, which no kernel rounds to another code.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from export.tflite.additions import Additions
from export.tflite.editing import prune, used
from export.tflite.operators import name_of
from export.tflite.packing import repack, require_repackable
from export.tflite.shuffle_forms import DEPTH_TO_SPACE, require_shuffle
from sr_models.ground.errors import ModelFileError
from sr_models.quantization.grids import Grid
from sr_models.tflite.files import ModelFile
from sr_models.tflite.flatbuffer import OperatorInfo
from sr_models.tflite.unpacked import UnpackedModel, unpack

OPERATORS = {
    DEPTH_TO_SPACE: ("DEPTH_TO_SPACE",),
    "transpose_conv": ("TRANSPOSE_CONV",),
    "resize_mask": ("RESIZE_NEAREST_NEIGHBOR", "MUL", "CONV_2D"),
}
"""What each form consists of."""

_ONE = 127
_STEP = np.float32(1.0) / np.float32(_ONE)
_MASK = np.array([1.0])


def replace_shuffles(source: str | Path | bytes | ModelFile, shuffle: str) -> bytes:
    """A file with every DEPTH_TO_SPACE in another form, which gives the same codes.

    Args:
        source: A file whose DEPTH_TO_SPACE move int8 codes.
        shuffle: One of `SHUFFLES`.

    Returns:
        The content of the new file; of the old one where nothing is to be replaced.

    Raises:
        ModelFileError: The file is damaged, cannot be written again, is for any size, or moves
            other values than int8 codes of one grid.
        OptionError: An unknown form.
    """
    require_shuffle(shuffle)
    model = unpack(source)
    sites = [op for op in model.graph.operators if op.name == "DEPTH_TO_SPACE"]
    if shuffle == DEPTH_TO_SPACE or not sites:
        return model.file.data
    require_repackable(model)
    tables = unpack(model.file).tables
    before, graph = used(tables), tables.subgraphs[0]
    make = {"transpose_conv": _transpose_conv, "resize_mask": _resize_mask}[shuffle]
    made, new = [], Additions(tables)
    for op, operator in zip(model.graph.operators, list(graph.operators)):
        made += make(new, _site(model, op, operator)) if op in sites else [operator]
    graph.operators = made
    prune(tables, before)
    return repack(model, tables)


class _Site(NamedTuple):
    """One DEPTH_TO_SPACE: tensors and their grid, the sizes that it reads, and its block."""

    name: str
    source: int
    target: int
    grid: Grid
    batch: int
    height: int
    width: int
    channels: int
    block: int

    @property
    def made(self) -> int:
        """Channels of what it writes."""
        return self.channels // self.block**2


def _site(model: UnpackedModel, op: OperatorInfo, operator: schema.OperatorT) -> _Site:
    (source,), (target,) = op.inputs, op.outputs
    grids = [model.grid(source), model.grid(target)]
    if grids[0] is None or grids[0].dtype != "int8" or grids[0] != grids[1]:
        kinds = " to ".join(model.graph.tensors[i].dtype for i in (source, target))
        raise _refused(
            model, "DEPTH_TO_SPACE of int8 codes of one grid", f"{kinds} in {name_of(op)}"
        )
    tables = model.tables.subgraphs[0].tensors
    for tensor in (source, target):
        signature = tables[tensor].shapeSignature
        if signature is not None and any(size < 0 for size in signature):
            raise _refused(model, "a file of a fixed size", f"any size in {name_of(op)}")
    shape = model.graph.tensors[source].shape
    block = int(operator.builtinOptions.blockSize)
    if len(shape) != 4 or block < 1 or shape[3] % block**2:
        raise _refused(model, "pictures (N, H, W, C)", f"{list(shape)} in {name_of(op)}")
    return _Site(f"shuffle_{op.index}", source, target, grids[0], *shape, block)


def _refused(model: UnpackedModel, expected: str, found: str) -> ModelFileError:
    return ModelFileError(
        f"expected {expected}, found {found} of {model.file.name}; leave its DEPTH_TO_SPACE"
    )


def _transpose_conv(new: Additions, site: _Site) -> list[schema.OperatorT]:
    block, made = site.block, site.made
    kernel = np.zeros((made, block, block, site.channels), np.int8)
    for row, column, channel in np.ndindex(block, block, made):
        kernel[channel, row, column, (row * block + column) * made + channel] = _ONE
    weights = new.constant(f"{site.name}_kernel", kernel, np.array([_STEP]))
    shape = np.array([site.batch, site.height * block, site.width * block, made], np.int32)
    options = schema.TransposeConvOptionsT()
    # Padding that there is none of; both names are right where the kernel is the stride.
    options.padding, options.strideH, options.strideW = schema.Padding.VALID, block, block
    inputs = [new.constant(f"{site.name}_shape", shape), weights, site.source, _bias(new, site)]
    return [_operator(new, "TRANSPOSE_CONV", 3, inputs, site.target, options)]


def _resize_mask(new: Additions, site: _Site) -> list[schema.OperatorT]:
    block, made = site.block, site.made
    height, width = site.height * block, site.width * block
    shape = (site.batch, height, width, site.channels)
    part = np.arange(site.channels) // made
    rows = np.arange(height)[:, None] % block == part // block
    columns = np.arange(width)[:, None] % block == part % block
    masks = {"rows": rows[:, None], "columns": columns[None]}
    size = new.constant(f"{site.name}_size", np.array([height, width], np.int32))
    last = new.tensor(f"{site.name}_repeated", shape=shape, grid=site.grid)
    options = schema.ResizeNearestNeighborOptionsT()
    found = [
        _operator(new, "RESIZE_NEAREST_NEIGHBOR", 2, [site.source, size], last, options),
    ]
    for name, mask in masks.items():
        masked = new.tensor(f"{site.name}_{name}_left", shape=shape, grid=site.grid)
        factor = new.constant(f"{site.name}_{name}", mask[None].astype(np.int8), _MASK)
        found.append(_operator(new, "MUL", 2, [last, factor], masked, schema.MulOptionsT()))
        last = masked
    kernel = np.zeros((made, 1, 1, site.channels), np.int8)
    for channel in range(site.channels):
        kernel[channel % made, 0, 0, channel] = _ONE
    weights = new.constant(f"{site.name}_kernel", kernel, np.array([_STEP]))
    options = schema.Conv2DOptionsT()
    options.padding, options.strideH, options.strideW = schema.Padding.VALID, 1, 1
    inputs = [last, weights, _bias(new, site)]
    return [*found, _operator(new, "CONV_2D", 3, inputs, site.target, options)]


def _bias(new: Additions, site: _Site) -> int:
    # Zeros, since XNNPACK and vendors' compilers are surest of convolutions that have one.
    scale = np.array([np.float32(site.grid.scale) * _STEP])
    return new.constant(f"{site.name}_bias", np.zeros(site.made, np.int32), scale)


def _operator(
    new: Additions, name: str, version: int, inputs: list[int], output: int, options
) -> schema.OperatorT:
    operator = schema.OperatorT()
    operator.opcodeIndex = new.code(name, version)
    operator.inputs, operator.outputs = np.array(inputs, np.int32), np.array([output], np.int32)
    kind = type(options).__name__.removesuffix("T")
    operator.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
    operator.builtinOptions = options
    return operator
