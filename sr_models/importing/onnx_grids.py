"""QuantizeLinear and DequantizeLinear in an ONNX graph: ranges and steps of its training.

Quantization-aware training is exported as pairs of both. One behind a tensor says its range; one
behind weights, or a DequantizeLinear of stored integers, is computed.
"""

from __future__ import annotations

import numpy as np
import onnx

from sr_models.importing.onnx_reader import NodeReader, attribute
from sr_models.importing.onnx_views import View
from sr_models.importing.source_grids import grid_values

PAIR = ("QuantizeLinear", "DequantizeLinear")
_EIGHT_BITS = ("int8", "uint8")


class NodeGrids(NodeReader):
    """Both nodes, of pictures and of weights.

    Attributes:
        steps: Names of weights that are on a grid -> its steps and the axis that they go along.
    """

    def _quantized_constant(self, node) -> list[np.ndarray]:
        """Weights brought onto integers, or back."""
        values, scale = self._constant(node, 0), self._constant(node, 1).astype(np.float64)
        if attribute(node, "block_size", 0) or scale.ndim > 1 or not (scale > 0.0).all():
            raise self._refused(node, f"found {node.op_type} in blocks")
        zero = self._constant(node, 2, 0)
        axis = attribute(node, "axis", 1) % max(1, values.ndim)
        if scale.size > 1:
            if values.ndim <= axis or values.shape[axis] != scale.size:
                raise self._refused(node, f"found {node.op_type} of another number of channels")
            shape = [-1 if place == axis else 1 for place in range(values.ndim)]
            scale = scale.reshape(shape)
            zero = zero.reshape(shape) if zero.size > 1 else zero
        if node.op_type == "QuantizeLinear":
            dtype = zero.dtype if self._has(node, 2) else np.dtype(np.uint8)
            if dtype.name not in _EIGHT_BITS:
                raise self._refused(node, f"found QuantizeLinear to {dtype.name}")
            limits = np.iinfo(dtype)
            codes = np.rint(values.astype(np.float64) / scale) + zero.astype(np.float64)
            return [np.clip(codes, limits.min, limits.max).astype(dtype)]
        made = (values.astype(np.float64) - zero.astype(np.float64)) * scale
        if values.dtype.name in _EIGHT_BITS:
            self.steps[node.output[0]] = scale.reshape(-1).astype(np.float32), axis
        return [made.astype(np.float32)]

    def _steps_of(self, node, place: int) -> np.ndarray | None:
        """The steps of a kernel (out, in, h, w), float32 (1,) or (out,); `None` off any grid."""
        steps, axis = self.steps.get(node.input[place], (None, 0))
        return None if steps is None or (steps.size > 1 and axis != 0) else steps

    def _read_QuantizeLinear(self, node) -> View:
        view, scale = self._view(node), self._constant(node, 1)
        zero = self._constant(node, 2, np.uint8(0))
        if any(reader.op_type != PAIR[1] for reader in self._consumers.get(node.output[0], ())):
            raise self._refused(node, "found QuantizeLinear without DequantizeLinear")
        if scale.size != 1 or zero.size != 1 or zero.dtype.name not in _EIGHT_BITS:
            return self._moved(node, view.axes)  # A grid that no int8 tensor has.
        limits = np.iinfo(zero.dtype)
        low, high = (int(limit) - int(zero.flat[0]) for limit in (limits.min, limits.max))
        step = float(scale.flat[0])
        values = grid_values(low * step, high * step)
        if values is None:
            return self._moved(node, view.axes)
        return self._add(node, "grid", [view], values)

    def _read_DequantizeLinear(self, node) -> View:
        return self._moved(node, self._view(node).axes)


def without_pairs(nodes: list[onnx.NodeProto], pictures: set[str]) -> list[onnx.NodeProto]:
    """The nodes with `Identity` in place of pairs behind pictures.

    Args:
        nodes: In the order of computation.
        pictures: Names of the tensors that depend on the picture.
    """
    made, reached = [], set(pictures)
    for node in nodes:
        if any(name in reached for name in node.input):
            reached.update(node.output)
            if node.op_type in PAIR:
                node = onnx.helper.make_node("Identity", [node.input[0]], list(node.output))
        made.append(node)
    return made
