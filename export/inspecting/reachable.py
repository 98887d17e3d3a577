"""Which codes a tensor can hold at all, whatever the input."""

from __future__ import annotations

import numpy as np

from export.inspecting.clips import data_inputs, is_clip, link_of
from export.tflite.operators import MOVES
from export.tflite.steps import Obstacle, Step, activation_range
from sr_models.quantization.grids import Grid
from sr_models.tflite.flatbuffer import OperatorInfo
from sr_models.tflite.unpacked import UnpackedModel


def reachable_codes(model: UnpackedModel) -> dict[int, tuple[int, int]]:
    """Tensor -> lowest and highest code that it can hold, whatever the input.

    Fused activations, clips and the moves behind them narrow it; everything else may be anything.
    """
    reach: dict[int, tuple[int, int]] = {}
    for op in model.graph.operators:
        for tensor in op.outputs:
            if (grid := model.grid(tensor)) is not None:
                reach[tensor] = _reach_behind(model, op, grid=grid, reach=reach)
    return reach


def _reach_behind(
    model: UnpackedModel, op: OperatorInfo, *, grid: Grid, reach: dict
) -> tuple[int, int]:
    if op.name in MOVES or is_clip(model, op):
        try:
            ends = []
            for source in data_inputs(model, op):
                low, high = reach.get(source, model.grid(source).limits)
                for step in link_of(model, op, source).steps:
                    ends += [_applied(step, low), _applied(step, high)]
            return min(ends), max(ends)
        except (Obstacle, AttributeError):
            return grid.limits
    try:
        return activation_range(op.activation, grid)
    except KeyError:
        return grid.limits


def _applied(step: Step, code: int) -> int:
    return int(step.apply(np.array([code]))[0])
