"""What a graph computes without the picture: shapes, sizes and weights, as numbers.

Exporters write the size of an upscaling as a chain of nodes from the input's shape on. For one size
of the input, that chain is a constant.
"""

from __future__ import annotations

from math import prod

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

from sr_models.ground.errors import NetworkError
from sr_models.importing.onnx_tensors import plain

MOST_VALUES = 1 << 26
"""Numbers in one tensor."""

_ELEMENTWISE = frozenset(
    ("Add", "Sub", "Mul", "Div", "Pow", "Mod", "Min", "Max", "Where", "Equal", "Less", "And", "Or")
)
FOLDED = _ELEMENTWISE.union(
    ("Constant", "Identity", "Cast", "CastLike", "Shape", "Size"),
    ("Gather", "Concat", "Slice", "Split", "Unsqueeze", "Squeeze", "Reshape", "Flatten"),
    ("Transpose", "Expand", "Tile", "ConstantOfShape", "Range"),
    ("Floor", "Ceil", "Round", "Neg", "Abs", "Sqrt", "Reciprocal", "Not", "Clip"),
    ("ReduceProd", "ReduceSum", "ReduceMax", "ReduceMin"),
)
"""Pure nodes that are computed where all of their inputs are known."""


class Constants:
    """Computes nodes of known inputs.

    Attributes:
        opsets: `onnx.OperatorSetIdProto` of the file.
    """

    def __init__(self, opsets):
        self._opsets = {entry.domain: entry.version for entry in opsets}
        self._budget = 4 * MOST_VALUES

    def computed(self, node: onnx.NodeProto, inputs: list[np.ndarray | None]) -> list[np.ndarray]:
        """The outputs of a node in `FOLDED`.

        Args:
            node: Any of those.
            inputs: Their values; `None` for one that is left out.

        Raises:
            NetworkError: It cannot be computed, or makes too many numbers.
        """
        try:
            largest = _most_made(node, inputs)
        except Exception as error:  # Whatever NumPy raises for shapes that do not fit.
            raise _failed(node, error) from error
        self._budget -= largest
        if largest > MOST_VALUES or self._budget < 0:
            raise NetworkError(
                f"expected at most {MOST_VALUES} numbers in a tensor, found {node.op_type} that "
                f"makes more ({plain(node.name)}); give a super-resolution network"
            )
        feeds = {
            name: value for name, value in zip(node.input, inputs) if name and value is not None
        }
        try:
            with np.errstate(all="ignore"):
                evaluator = ReferenceEvaluator(node, opsets=self._opsets)
                made = evaluator.run(None, feeds)
        except Exception as error:  # Whatever the reference raises for inputs that do not fit.
            raise _failed(node, error) from error
        return [np.asarray(value) for value in made]


def _failed(node: onnx.NodeProto, error: Exception) -> NetworkError:
    return NetworkError(
        f"expected nodes that can be computed, found {node.op_type} that cannot "
        f"({plain(node.name)}: {type(error).__name__}); export the network anew"
    )


def _most_made(node: onnx.NodeProto, inputs: list[np.ndarray | None]) -> int:
    """How many numbers a node makes at most, told before it makes them."""
    known = [value for value in inputs if value is not None]
    sizes = [value.size for value in known] or [1]
    if node.op_type == "ConstantOfShape":
        return prod(max(0, int(n)) for n in known[0].reshape(-1))
    if node.op_type == "Expand":
        return prod(np.broadcast_shapes(known[0].shape, tuple(int(n) for n in known[1])))
    if node.op_type == "Tile":
        return known[0].size * prod(max(0, int(n)) for n in known[1].reshape(-1))
    if node.op_type == "Range":
        start, limit, step = (float(value) for value in known)
        return max(0, int((limit - start) / step) + 1)
    if node.op_type == "Gather":
        axis = next((a.i for a in node.attribute if a.name == "axis"), 0)
        return known[0].size // max(1, known[0].shape[axis]) * known[1].size
    if node.op_type in ("Concat", "Split"):
        return sum(sizes)
    if node.op_type in _ELEMENTWISE:
        return prod(np.broadcast_shapes(*(value.shape for value in known)))
    return max(sizes)
