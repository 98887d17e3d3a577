"""An ONNX graph read node by node into plain operations, for one size of input.

The file's pictures are NCHW or NHWC, as its transposes make them; operations are NHWC alone. A
node `X` is read by a method `_read_X`; what needs no picture is computed (`onnx_constants`), and
any other is refused by name before anything is computed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto

from sr_models.ground.errors import NetworkError
from sr_models.importing.geometry import with_plain_geometry
from sr_models.importing.onnx_constants import FOLDED, Constants
from sr_models.importing.onnx_convolutions import NodeConvolutions
from sr_models.importing.onnx_grids import PAIR
from sr_models.importing.onnx_moves import NodeMoves
from sr_models.importing.onnx_reader import attribute
from sr_models.importing.onnx_tensors import as_array, plain
from sr_models.importing.onnx_values import NodeValues
from sr_models.importing.onnx_views import C, Factor, View
from sr_models.importing.operations import Network, affine_values
from sr_models.importing.pointwise_functions import with_known_functions

_FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16)
_STANDARD = ("", "ai.onnx")


@dataclass(frozen=True)
class Reading:
    """What a graph was read into.

    Attributes:
        network: The operations.
        size: Channels, height and width of the output.
        layout: Order of the output's axes in the file, `"NCHW"` or `"NHWC"`.
    """

    network: Network
    size: tuple[int, int, int]
    layout: str


def needed_nodes(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """The nodes that the first output depends on, in the file's order."""
    makers = {name: i for i, node in enumerate(graph.node) for name in node.output if name}
    found: set[int] = set()
    waiting = [graph.output[0].name]
    while waiting:
        place = makers.get(waiting.pop())
        if place is not None and place not in found:
            found.add(place)
            waiting += graph.node[place].input
    return [graph.node[place] for place in sorted(found)]


def read_onnx(
    model: onnx.ModelProto, *, tensor: str, size: tuple[int, int, int], layout: str
) -> Reading:
    """The operations of a graph.

    Args:
        model: With its weights inside, of one input and one output.
        tensor: Name of the input.
        size: Its channels, height and width.
        layout: Order of its axes, `"NCHW"` or `"NHWC"`.

    Raises:
        NetworkError: A node that has no place in an integer file, with its name and what to take
            instead; nodes out of order or in a circle; or weights that are not finite.
    """
    nodes = needed_nodes(model.graph)
    reader = _Reader(nodes, model.graph.output[0].name)
    reader.start(tensor, size, layout)
    return reader.read(model)


class _Reader(NodeValues, NodeConvolutions, NodeMoves):
    """Finds the reader of each node; holds those of arithmetic, activations and bounds."""

    def read(self, model: onnx.ModelProto) -> Reading:
        nodes, output = needed_nodes(model.graph), model.graph.output[0].name
        for node in nodes:
            self._require_known(node)
        self._values = Constants(model.opset_import)
        used = {name for node in nodes for name in node.input} - self.views.keys()
        for weights in model.graph.initializer:
            if weights.name in used:
                self.constants[weights.name] = as_array(weights)
        for node in nodes:
            self._take(node)
        if output not in self.views:
            raise NetworkError(
                f"expected an output computed from the picture, found the constant "
                f"{plain(output)}; give a super-resolution network"
            )
        view = self.views[output]
        if view.layout is None:
            view = self._rearranged(self._makers[output], view)
        self.network.output = view.operation
        network = with_known_functions(with_plain_geometry(self.network.pruned()))
        return Reading(network, view.size, view.layout)

    def _require_known(self, node) -> None:
        if not is_known(node):
            standard = node.domain in _STANDARD
            name = self._as_written(node) if standard else f"{node.domain}.{node.op_type}"
            raise self._unknown(node, name)

    def _as_written(self, node) -> str | None:
        """What users wrote where an exporter made something else of it."""
        maker = self._makers.get(node.input[0]) if node.input else None
        grouped = maker is not None and maker.op_type == "Reshape"
        if node.op_type == "InstanceNormalization" and grouped:
            return "GroupNormalization"
        return None

    def _take(self, node) -> None:
        for name in node.input:
            if name and name not in self.constants and name not in self.views:
                raise NetworkError(
                    f"expected nodes in the order of computation, found {plain(node.name)} "
                    f"({plain(node.op_type)}) before what it reads; export the network anew"
                )
        try:
            made = self._outputs(node)
        except NetworkError:
            raise
        except Exception as error:  # Whatever Python makes of attributes of another type.
            raise NetworkError(
                f"expected a whole ONNX file, found a damaged node {plain(node.name)} "
                f"({plain(node.op_type)}: {type(error).__name__}); export the network anew"
            ) from error
        for name, value in zip(node.output, made):
            if name in self.constants or name in self.views:
                raise NetworkError(
                    f"expected each tensor to be made once, found {plain(name)} made again by "
                    f"{plain(node.name)}; export the network anew"
                )
            (self.views if isinstance(value, View) else self.constants)[name] = value

    def _outputs(self, node) -> list[View | np.ndarray]:
        pictures = [name for name in node.input if name in self.views]
        if not pictures:
            if node.op_type == "Constant" and any(a.name == "value" for a in node.attribute):
                return [as_array(next(a.t for a in node.attribute if a.name == "value"))]
            if node.op_type in PAIR:
                return self._quantized_constant(node)
            if node.op_type not in FOLDED:
                raise self._refused(node, f"found {node.op_type} of constants")
            inputs = [self.constants[name] if name else None for name in node.input]
            return self._values.computed(node, inputs)
        if node.op_type in ("Shape", "Size"):
            shape = np.array(self.views[pictures[0]].shape, np.int64)
            if node.op_type == "Size":
                return [np.array(shape.prod())]
            return [shape[attribute(node, "start", 0) : attribute(node, "end", len(shape))]]
        reader = getattr(self, f"_read_{node.op_type}", None)
        if reader is None:
            raise self._unknown(node)
        made = reader(node)
        return made if isinstance(made, list) else [made]

    # Nothing happens to the picture.

    def _read_Identity(self, node) -> View:
        return self._moved(node, self._view(node).axes)

    def _read_Dropout(self, node) -> View:
        if self._has(node, 2) and self._constant(node, 2).any():
            raise self._refused(node, "found Dropout in its training form")
        return self._read_Identity(node)

    def _read_Cast(self, node) -> View:
        target = attribute(node, "to", TensorProto.FLOAT)
        operation = self.network[self._view(node).operation]
        while operation.kind == "bound":
            operation = self.network[operation.inputs[0]]
        if target not in _FLOATS and operation.kind not in ("rounding", "input"):
            return self._read_Floor(node)
        return self._read_Identity(node)

    def _read_Floor(self, node) -> View:
        return self._add(node, "truncation", [self._view(node)])

    def _read_CastLike(self, node) -> View | list[np.ndarray]:
        return [self._weights(node, 0)] if self._is_constant(node, 0) else self._read_Identity(node)

    # With numbers.

    def _affine(self, node) -> View:
        """An operator of a picture and of numbers for all channels or for each."""
        place = 1 if self._is_constant(node, 1) else 0
        view, values = self._view(node, 1 - place), self._weights(node, place)
        last = view.axes[-1:] == ((Factor(C, view.channels),),)  # Of channels, in any view.
        if (values.size == 1 and values.ndim <= len(view.axes)) or (
            last and values.shape[-1:] == (view.channels,) == (values.size,)
        ):
            values = values.reshape(-1)
        else:
            view = self._picture(node, 1 - place)
            values = self._per_channel(node, view, values)
        made = getattr(self, f"_{node.op_type.lower()}_values")(node, values, view.channels, place)
        return self._add(node, "affine", [view], made)

    def _per_channel(self, node, view: View, values: np.ndarray) -> np.ndarray:
        """float32 (1,) or (C,) of numbers that broadcast against a picture."""
        axis = view.layout.index("C")
        full = values.reshape((1,) * (4 - values.ndim) + values.shape)
        last = np.moveaxis(full, axis, -1) if full.ndim == 4 else full
        if last.ndim != 4 or last.shape[:3] != (1, 1, 1) or last.size not in (1, view.channels):
            raise self._refused(
                node, f"found values of shape {list(values.shape)[:8]} that depend on the place"
            )
        return last.reshape(-1)

    def _add_values(self, node, values, channels, place):
        return affine_values(channels, 1.0, values)

    def _sub_values(self, node, values, channels, place):
        return affine_values(channels, *((1.0, -values) if place else (-1.0, values)))

    def _mul_values(self, node, values, channels, place):
        return affine_values(channels, values)

    def _div_values(self, node, values, channels, place):
        if not place:
            raise self._refused(node, "found a division by what depends on the picture")
        with np.errstate(all="ignore"):
            return affine_values(channels, 1.0 / values)

    def _read_Neg(self, node) -> View:
        view = self._view(node)
        return self._add(node, "affine", [view], affine_values(view.channels, -1.0))

    def _with_numbers(self, node) -> bool:
        return any(self._is_constant(node, place) for place in (0, 1))

    # Activations and bounds.

    def _read_Relu(self, node) -> View:
        return self._bound(node, 0.0, np.inf)

    def _bound(self, node, low: float, high: float, view: View | None = None) -> View:
        values = {"minimum": low, "maximum": high}
        return self._add(node, "bound", [view or self._view(node)], values)

    def _read_Clip(self, node) -> View:
        low, high = (
            self._number(node, place) if self._has(node, place) else attribute(node, name, default)
            for place, name, default in ((1, "min", -np.inf), (2, "max", np.inf))
        )
        if not low <= high:
            raise self._refused(node, f"found a Clip to {low:g}..{high:g}")
        return self._bound(node, float(low), float(high))

    def _read_Max(self, node) -> View:
        return self._one_sided(node, 0)

    def _read_Min(self, node) -> View:
        return self._one_sided(node, 1)

    def _one_sided(self, node, side: int) -> View:
        if len(node.input) != 2 or not self._with_numbers(node):
            raise self._refused(node, f"found {node.op_type} of two tensors")
        place = 1 if self._is_constant(node, 1) else 0
        ends = [-np.inf, np.inf]
        ends[side] = self._number(node, place)
        return self._bound(node, *ends, self._view(node, 1 - place))

    def _number(self, node, place: int) -> float:
        values = self._weights(node, place)
        if np.unique(values).size != 1 or np.isnan(values).any():
            raise self._refused(
                node, f"found {node.op_type} with a bound for each channel or place"
            )
        return float(values.flat[0])

    def _read_LeakyRelu(self, node) -> View:
        view = self._view(node)
        slope = np.full(view.channels, attribute(node, "alpha", 0.01), np.float32)
        return self._add(node, "prelu", [view], {"slope": slope})

    def _read_PRelu(self, node) -> View:
        view = self._picture(node)
        slope = self._per_channel(node, view, self._weights(node, 1))
        slope = np.broadcast_to(slope, (view.channels,)).astype(np.float32)
        return self._add(node, "prelu", [view], {"slope": slope})

    def _read_Tanh(self, node) -> View:
        return self._add(node, "tanh", [self._view(node)])

    def _read_Sigmoid(self, node) -> View:
        return self._add(node, "sigmoid", [self._view(node)])

    def _read_Round(self, node) -> View:
        return self._add(node, "rounding", [self._view(node)])


def is_known(node: onnx.NodeProto) -> bool:
    """Whether a node is read, or computed where it does not depend on the picture."""
    known = node.op_type in FOLDED or hasattr(_Reader, f"_read_{node.op_type}")
    return known and node.domain in _STANDARD
