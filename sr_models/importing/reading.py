"""A frozen graph read operator by operator into plain operations.

Every route into this package ends here: a Keras file, a SavedModel and a Python function become one
graph, so that nested models, operators written as `+` and layers that call each other look alike.
An operator `X` is read by a method `_read_X`; one without is refused by name.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sr_models.ground.errors import NetworkError
from sr_models.importing.channel_readers import CUTTING, ChannelReaders
from sr_models.importing.convolution_readers import ConvolutionReaders
from sr_models.importing.frozen_graph import FOLDED, FrozenGraph
from sr_models.importing.geometry import with_plain_geometry
from sr_models.importing.graph_views import has_channels_first, without_transposes
from sr_models.importing.move_readers import MoveReaders
from sr_models.importing.operations import Network, affine_values
from sr_models.importing.operator_names import is_normalization, known_as
from sr_models.importing.operator_reader import UNFITTING
from sr_models.importing.pointwise_functions import with_known_functions
from sr_models.importing.value_readers import ValueReaders
from sr_models.importing.view_readers import VIEWED

_ALIASES = (
    "Identity",
    "StopGradient",
    "Snapshot",
    "PreventGradient",
    "EnsureShape",
    "CheckNumerics",
)
_NOTHING = ("Placeholder", "NoOp")
_AFFINE = ("BiasAdd", "Add", "AddV2", "Sub", "Mul", "RealDiv", "Div")


def read_network(graph: FrozenGraph) -> Network:
    """The operations of a frozen graph.

    Args:
        graph: Traced for a fixed input size.

    Raises:
        NetworkError: An operator that has no place in an integer file, with its name and what to
            take instead; or weights that are not finite.
    """
    if has_channels_first(graph):
        reader = _Reader(graph)
        reader.require_known()
        graph = without_transposes(graph, reader.refused)
    return _Reader(graph).read()


class _Reader(ConvolutionReaders, MoveReaders, ChannelReaders, ValueReaders):
    """Finds the reader of each operator; holds those of arithmetic, activations and bounds."""

    def read(self) -> Network:
        for op in self.graph.operators:
            if (op.outputs and op.outputs[0] in self.constants) or op.type in _NOTHING:
                continue
            try:
                self._read(op)
            except UNFITTING as error:
                raise self._refused(op, f"found values of {op.type} that do not fit") from error
        self.network.output = self._of(self.graph.output)
        return with_known_functions(with_plain_geometry(self.network.pruned()))

    def _read(self, op) -> None:
        if op.type in CUTTING:
            self._cut(op)
        elif op.type == "IdentityN":  # Around what has a gradient of its own, as SiLU.
            for source, target in zip(op.inputs, op.outputs):
                if source not in self.constants:
                    self._pass_on(source, target)
        elif op.type in _ALIASES:
            self._pass_on(op.inputs[0], op.outputs[0])
        elif (made := self._operation(op)) is not None:
            self.made[op.outputs[0].name] = made

    def _pass_on(self, source, target) -> None:
        if source.name in self.views:
            for known in (self.views, self.viewers):
                known[target.name] = known[source.name]
        else:
            self.made[target.name] = self._of(source)

    def _operation(self, op) -> str | None:
        """The operation that an operator becomes; `None` for another view of one that there is."""
        if op.type in VIEWED:
            return self._viewed(op)
        if op.type in _AFFINE and any(t in self.constants for t in op.inputs):
            return self._affine(op)
        reader = getattr(self, f"_read_{op.type}", None)
        if reader is None:
            raise self._unknown(op)
        return reader(op)

    def require_known(self) -> None:
        """Raise `NetworkError` for the first operator that no reader takes, however it lies."""
        if (op := next(self._without_reader(), None)) is not None:
            raise self._unknown(op)

    def _without_reader(self) -> Iterator:
        for op in self.graph.operators:
            constant = op.outputs and op.outputs[0] in self.constants
            if not constant and op.type not in read_types():
                yield op

    def _others_unknown(self) -> list[str]:
        return [known_as(op) or op.type for op in self._without_reader()]

    def refused(self, op, found: str) -> NetworkError:
        """The error for what was found at an operator, by the name of the layer."""
        moves = op.type in ("Reshape", "Transpose")
        return self._unknown(op) if moves and known_as(op) else self._refused(op, found)

    def _affine(self, op) -> str:
        first = op.inputs[0] not in self.constants
        picture, constant = op.inputs if first else reversed(op.inputs)
        values = np.asarray(self.constants[constant], np.float32)
        channels = op.outputs[0].shape[-1]
        whole = picture.shape[-1] == channels
        if (
            not whole
            or values.size not in (1, channels)
            or values.size != int(np.prod(values.shape[-1:]))
        ):
            if is_normalization(op):
                raise self._unknown(op)
            raise self._refused(
                op, f"found values of shape {list(values.shape)} that depend on the place"
            )
        values = values.reshape(-1)
        if op.type in ("BiasAdd", "Add", "AddV2"):
            made = affine_values(channels, 1.0, values)
        elif op.type == "Sub":
            made = (
                affine_values(channels, 1.0, -values)
                if first
                else affine_values(channels, -1.0, values)
            )
        elif op.type == "Mul":
            made = affine_values(channels, values)
        elif first:
            made = affine_values(channels, 1.0 / values)
        else:
            raise self._refused(op, "found a division by what depends on the picture")
        return self._add(op, "affine", [picture], made)

    # Activations and bounds.

    def _read_Relu(self, op) -> str:
        return self._add(op, "bound", op.inputs, {"minimum": 0.0, "maximum": np.inf})

    def _read_Relu6(self, op) -> str:
        return self._add(op, "bound", op.inputs, {"minimum": 0.0, "maximum": 6.0})

    def _read_ClipByValue(self, op) -> str:
        low, high = (self._number(op, t) for t in op.inputs[1:])
        return self._add(op, "bound", op.inputs[:1], {"minimum": low, "maximum": high})

    def _read_Maximum(self, op) -> str:
        return self._bound(op, "minimum", {"maximum": np.inf})

    def _read_Minimum(self, op) -> str:
        return self._bound(op, "maximum", {"minimum": -np.inf})

    def _bound(self, op, side: str, other: dict[str, float]) -> str:
        given = [t for t in op.inputs if t in self.constants]
        if given:
            (picture,) = (t for t in op.inputs if t not in self.constants)
            return self._add(op, "bound", [picture], {side: self._number(op, given[0]), **other})
        slope = self._slope(op) if side == "minimum" else None
        if slope is None:
            raise self._refused(op, f"found {op.type} of two tensors")
        return self._add(op, "prelu", [slope[0]], {"slope": slope[1]})

    def _slope(self, op):
        """max(x, a x) is x with the slope a on its negative side, for a up to 1."""
        names = [self._of(t) for t in op.inputs]
        for scaled, plain in (names, names[::-1]):
            made = self.network[scaled]
            scales = made.kind == "affine" and not made["shift"].any()
            if scales and made.inputs == (plain,) and (made["factor"] <= 1.0).all():
                return plain, made["factor"]
        return None

    def _read_LeakyRelu(self, op) -> str:
        slope = np.full(op.outputs[0].shape[-1], op.get_attr("alpha"), np.float32)
        return self._add(op, "prelu", op.inputs, {"slope": slope})

    def _read_Abs(self, op) -> str:
        slope = np.full(op.outputs[0].shape[-1], -1.0, np.float32)
        return self._add(op, "prelu", op.inputs, {"slope": slope})

    def _read_Tanh(self, op) -> str:
        return self._add(op, "tanh", op.inputs)

    def _read_Sigmoid(self, op) -> str:
        return self._add(op, "sigmoid", op.inputs)

    def _read_Neg(self, op) -> str:
        return self._add(op, "affine", op.inputs, affine_values(op.outputs[0].shape[-1], -1.0))

    def _read_Round(self, op) -> str:
        return self._add(op, "rounding", op.inputs)

    _read_Rint = _read_Round

    def _read_Floor(self, op) -> str:
        return self._add(op, "truncation", op.inputs)

    def _read_Cast(self, op) -> str:
        if op.inputs[0].dtype.is_floating and op.outputs[0].dtype.is_integer:
            return self._read_Floor(op)
        return self._of(op.inputs[0])

    # Several tensors.

    def _read_AddV2(self, op) -> str:
        return self._sum(op, op.inputs)

    _read_Add = _read_AddV2
    _read_AddN = _read_AddV2

    def _read_Sub(self, op) -> str | None:
        first, second = op.inputs
        values = affine_values(second.shape[-1], -1.0)
        negative = self._add(op, "affine", [self._of(second)], values, channels=second.shape[-1])
        self._require_spread(op, [first, second], "sum")
        channels = max(tensor.shape[-1] for tensor in op.inputs)
        return self._add(op, "add", [first, negative], channels=channels)

    def _sum(self, op, inputs) -> str | None:
        self._require_spread(op, inputs, "sum")
        return self._together(op, "add", inputs)

    def _require_spread(self, op, tensors, what: str) -> None:
        """Raise `NetworkError` for tensors of sizes that do not go together."""
        if not self._spread_over([tensor.shape.as_list() for tensor in tensors]):
            raise self._refused(op, f"found a {what} of tensors of different shapes")

    def _read_Mul(self, op) -> str | None:
        self._require_spread(op, op.inputs, "product")
        return self._together(op, "multiply", op.inputs)

    def _read_ConcatV2(self, op) -> str:
        *parts, axis = op.inputs
        if int(self.constants[axis]) not in (-1, 3) or any(t in self.constants for t in parts):
            raise self._refused(op, "found a concatenation of anything but channels")
        names = [self._of(t) for t in parts]
        if len(parts) > 1 and len(set(names)) == 1:
            return self._add(op, "repeat", names[:1], {"times": len(parts)})
        return self._add(op, "concatenate", names)


def read_types() -> frozenset[str]:
    """Types of all operators that are read, or computed where they are constant; all pure."""
    readers = {name.removeprefix("_read_") for name in dir(_Reader) if name.startswith("_read_")}
    named = (*_ALIASES, *_NOTHING, *_AFFINE, *VIEWED, *CUTTING, "IdentityN")
    return frozenset({*readers, *named, *FOLDED})
