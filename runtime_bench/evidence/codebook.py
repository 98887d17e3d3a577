"""A convolution of codes that were looked up: DFSQ's points for one layer, in real operators.

arXiv 2305.05888 moves each normalized channel to the nearest of its own points. With 256 codes that
is a table: a code of a channel goes to the code of its nearest point. TFLite has the operators,
CAST, ADD and GATHER, on the CPU and without a delegate: the layer shows what a codebook costs, not
that it pays.

A point is a multiple of 1/1024, and an int8 code one of 1/127: points are rounded by at most 1/254.
Scales of channels are frozen and belong into the weights of the layers around
(`sr_models.published.channel_scales`).
"""

from __future__ import annotations

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from runtime_bench.evidence.layer_file import Kernel, LayerFile, require_layer
from sr_models.ground.errors import OptionError
from sr_models.quantization.grids import Grid

CODES = 256
NORMALIZED = Grid("int8", 1.0 / 127.0, 0)
"""Of a channel that spans [-1, 1]."""


def code_tables(points: np.ndarray) -> np.ndarray:
    """Where each code of each channel goes: float (C, K) in [-1, 1] -> int8 (C, 256).

    The first entry is that of code -128. Of two points as near the greater one is taken, as in
    `sr_models.published.dfsq`.

    Raises:
        OptionError: Points outside of [-1, 1].
    """
    points = np.sort(np.asarray(points, np.float64), axis=1)
    if points.ndim != 2 or not (np.abs(points) <= 1.0).all():
        raise OptionError(
            f"expected points in [-1, 1] for each channel, found an array of shape {points.shape}"
        )
    values = np.arange(-128, 128) / 127.0
    chosen = [
        each[np.searchsorted((each[1:] + each[:-1]) / 2.0, values, side="right")] for each in points
    ]
    return np.rint(np.asarray(chosen) * 127.0).astype(np.int8)


def codebook_layer(
    kernel: Kernel, points: np.ndarray, *, height: int, width: int, output: Grid
) -> bytes:
    """A file of the look-up and the convolution: int8 (1, h, w, inputs) -> int8 (1, h, w, C).

    Args:
        kernel: The convolution's weights, for normalized channels.
        points: float (inputs, K) in [-1, 1], those of each input channel.
        height: Of the input, in pixels.
        width: Of the input, in pixels.
        output: int8 grid of the result.
    """
    require_layer(kernel, height=height, width=width)
    tables, channels = code_tables(points), kernel.values.shape[2]
    if len(tables) != channels:
        raise OptionError(
            f"expected points for each of {channels} input channels, found {len(tables)}"
        )
    file = LayerFile("codebook")
    shape = (1, height, width, channels)
    x = file.tensor("x", shape, NORMALIZED)
    whole = _integers(file, "whole", shape)
    options = schema.CastOptionsT()
    options.inDataType, options.outDataType = schema.TensorType.INT8, schema.TensorType.INT32
    file.operator("CAST", [x], whole, options=options)
    starts = file.constant("starts", np.arange(channels, dtype=np.int32) * CODES + CODES // 2)
    places = _integers(file, "places", shape)
    file.operator("ADD", [whole, starts], places, options=schema.AddOptionsT())
    table = file.constant("points", tables.reshape(-1), np.array([NORMALIZED.scale]))
    found = file.tensor("found", shape, NORMALIZED)
    file.operator("GATHER", [table, places], found, version=2, options=schema.GatherOptionsT())
    return file.content([x], [file.convolve(found, kernel, name="result", grid=output)])


def plain_layer(kernel: Kernel, *, height: int, width: int, output: Grid) -> bytes:
    """A file of the convolution alone, on the uniform grid, for comparison."""
    require_layer(kernel, height=height, width=width)
    file = LayerFile("uniform")
    x = file.tensor("x", (1, height, width, kernel.values.shape[2]), NORMALIZED)
    return file.content([x], [file.convolve(x, kernel, name="result", grid=output)])


def _integers(file: LayerFile, name: str, shape) -> int:
    index = file.tensor(name, shape, None)
    file.graph.tensors[index].type = schema.TensorType.INT32
    return index
