"""What the readers of all operators share: what is known of a graph, and what was made of it."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from sr_models.ground.errors import LayerError, NetworkError
from sr_models.importing.frozen_graph import Constants, FrozenGraph
from sr_models.importing.onnx_views import View
from sr_models.importing.operations import INPUT, POINTWISE, Network, Operation
from sr_models.importing.operator_names import known_as, taken_instead

UNFITTING = (ArithmeticError, LookupError, TypeError, ValueError)
"""What readers raise for constants of another shape, type or range than an operator's."""
_INSTEAD = {
    "AvgPool": "pooling without padding, or a convolution",
    "Mean": "a network without attention over the whole picture",
    "ResizeBicubic": "bilinear or nearest upscaling",
    "Elu": "ReLU or PReLU",
    "Selu": "ReLU",
    "Gelu": "ReLU",
    "Erf": "ReLU",
    "Softplus": "ReLU",
    "Transpose": "tf.nn.depth_to_space",
    "Reshape": "tf.nn.depth_to_space",
    "Einsum": "convolutions",
    "MatMul": "1x1 convolutions",
    "While": "unrolled layers",
    "StatelessWhile": "unrolled layers",
    "If": "one fixed path",
}


class OperatorReader:
    """Turns operators of a frozen graph into operations.

    Attributes:
        graph: The graph.
        constants: Values of the tensors that do not depend on the picture.
        network: The operations so far.
        made: Name of a tensor -> name of the operation that makes it.
    """

    def __init__(self, graph: FrozenGraph):
        self.graph, self.constants = graph, Constants(graph)
        self.network = Network()
        self.made: dict[str, str] = {}  # tensor -> operation
        self.spread: dict[str, tuple[tuple[int, ...], str]] = {}  # tensor -> dilation, padding
        self.views: dict[str, View] = {}  # tensor -> what it holds that is no picture yet
        self.viewers: dict[str, Any] = {}  # such a tensor -> the operator that made it so
        channels = graph.input.shape[-1]
        self.network.add(Operation(INPUT, "input", (), channels))
        self.made[graph.input.name] = INPUT

    def _of(self, tensor) -> str:
        if tensor.name not in self.made and tensor.name in self.views:
            self.made[tensor.name] = self._as_picture(tensor)
        if tensor.name not in self.made:
            raise NetworkError(
                f"expected an output computed from the picture, found the constant {tensor.name}; "
                "give a super-resolution network"
            )
        return self.made[tensor.name]

    def _unknown(self, op) -> NetworkError:
        """The error for an operator without a reader, by the name of the layer it is a part of."""
        name = known_as(op) or op.type
        error = self._refused(op, f"found {name}", instead=taken_instead(name))
        return LayerError(str(error), [name, *self._others_unknown()])

    def _others_unknown(self) -> list[str]:
        """What all operators without a reader are called."""
        raise NotImplementedError

    def _refused(self, op, found: str, *, instead: str | None = None) -> NetworkError:
        instead = instead or _INSTEAD.get(op.type, "the layers that docs/networks.md lists")
        return NetworkError(
            f"expected layers that run in full integer, {found} ({layer_name(op)}); take {instead} "
            "in its place"
        )

    def _add(self, op, kind: str, inputs, values: dict[str, Any] | None = None, channels=None):
        for value in (values or {}).values():
            if isinstance(value, np.ndarray) and not np.isfinite(value).all():
                raise NetworkError(
                    f"expected finite weights, found NaN or infinity in {layer_name(op)}; train "
                    "the network again or take an earlier checkpoint"
                )
        if (
            kind in POINTWISE
            and getattr(inputs[0], "name", None) in self.views.keys() - self.made.keys()
        ):
            return self._add_to_view(op, kind, inputs[0], values or {})
        width = channels or op.outputs[0].shape[-1]
        names = tuple(n if isinstance(n, str) else self._of(n) for n in inputs)
        return self.network.add(Operation(layer_name(op), kind, names, width, values or {}))

    def _is_view(self, tensor) -> bool:
        """Whether a tensor is under other axes than those of a picture."""
        name = getattr(tensor, "name", None)
        return name in self.views and name not in self.made

    def _as_picture(self, tensor) -> str:
        raise NotImplementedError

    def _add_to_view(self, op, kind: str, tensor, values: dict[str, Any]) -> str | None:
        raise NotImplementedError

    def _weights(self, op, tensor) -> np.ndarray:
        if tensor not in self.constants:
            raise self._refused(op, f"found weights of {op.type} that depend on the picture")
        return np.asarray(self.constants[tensor], np.float32)

    def _number(self, op, tensor) -> float:
        values = self._weights(op, tensor)
        if np.unique(values).size != 1:
            raise self._refused(op, f"found {op.type} with a bound for each channel or place")
        return float(values.flat[0])


def require_nhwc(op) -> None:
    layout = op.get_attr("data_format").decode()
    if layout != "NHWC":
        raise NetworkError(
            f"expected channels last (NHWC), found {layout} in {layer_name(op)}; build the network "
            'with data_format="channels_last"'
        )


def layer_name(op) -> str:
    """What a user calls an operator: its layer's name where the scope tells it."""
    parts = op.name.split("/")
    if len(parts) > 1 and re.sub(r"_\d+$", "", parts[-1]).lower() in (
        op.type.lower(),
        op.type.lower().rstrip("v2"),
        "depthwise",
        "conv2d_transpose",
        "mul",
        "add",
        "sub",
        "convolution",
        "truediv",
        "biasadd",
        "separable_conv2d",
        "fusedbatchnormv3",
    ):
        parts = parts[:-1]
    if len(parts) > 1 and parts[-1] in ("clip_by_value", "resize", "depthwise"):
        parts = parts[:-1]  # what Keras' own layers call it inside
    if "PartitionedCall" in parts[-1]:
        return op.type.lower()
    return re.sub(r"[^A-Za-z0-9_.]", "_", parts[-1]).lstrip("_.") or "operator"
