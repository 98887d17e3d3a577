"""Fake quantization in a frozen graph: the ranges and steps that training has settled on."""

from __future__ import annotations

import numpy as np

from sr_models.importing.fake_quantization_nodes import FAKE_QUANTIZATION
from sr_models.importing.operator_reader import OperatorReader
from sr_models.importing.source_grids import grid_values, kernel_steps

_BITS = 8
_PASSED = ("Identity", "Reshape", "StopGradient")


class GridReaders(OperatorReader):
    """The three kinds of fake quantization, of pictures and of weights."""

    def _steps(self, tensor) -> np.ndarray | None:
        """The steps of a kernel that is on a grid, float32 (1,) or (C,); `None` for any other."""
        op = tensor.op
        while op.type in _PASSED:
            op = op.inputs[0].op
        if op.type not in FAKE_QUANTIZATION or op.get_attr("num_bits") != _BITS:
            return None
        return kernel_steps(*self._ends(op), narrow=op.get_attr("narrow_range"))

    def _ends(self, op) -> tuple[np.ndarray, np.ndarray]:
        if op.type == "FakeQuantWithMinMaxArgs":
            return np.float32(op.get_attr("min")), np.float32(op.get_attr("max"))
        low, high = (self._weights(op, tensor) for tensor in op.inputs[1:])
        return low, high

    def _read_FakeQuantWithMinMaxVars(self, op) -> str | None:
        low, high = self._ends(op)
        values = grid_values(low.min(), high.max(), narrow=op.get_attr("narrow_range"))
        if op.get_attr("num_bits") != _BITS or low.size > 1 or values is None:
            return self._of(op.inputs[0])  # A grid that no int8 tensor has.
        return self._add(op, "grid", op.inputs[:1], values)

    _read_FakeQuantWithMinMaxVarsPerChannel = _read_FakeQuantWithMinMaxVars
    _read_FakeQuantWithMinMaxArgs = _read_FakeQuantWithMinMaxVars
