"""What the readers of all ONNX nodes share: what is known of a graph, and what was made of it."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
import onnx

from sr_models.ground.errors import NetworkError
from sr_models.importing.onnx_tensors import plain
from sr_models.importing.onnx_views import View, rearrangement, whole_axes
from sr_models.importing.operations import INPUT, POINTWISE, Network, Operation

MOST_MADE = 1 << 27
"""Numbers in one tensor: 64 channels of 1920x1080 pixels."""
_NORMALIZED = "BatchNormalization, which is folded away,"
_INSTEAD = {
    "LayerNormalization": _NORMALIZED,
    "InstanceNormalization": _NORMALIZED,
    "GroupNormalization": _NORMALIZED,
    "LpNormalization": _NORMALIZED,
    "Softmax": "a network without attention",
    "Attention": "a network without attention",
    "MatMul": "a 1x1 convolution, or a network without attention,",
    "Einsum": "convolutions",
    "Gemm": "a 1x1 convolution",
    "Celu": "ReLU or PReLU",
    "Elu": "ReLU or PReLU",
    "Selu": "ReLU or PReLU",
    "Mish": "ReLU or PReLU",
    "Softplus": "ReLU or PReLU",
    "AveragePool": "pooling without padding",
    "a mean over the whole picture": "a network without attention over the whole picture",
    "a mean over channels": "a 1x1 convolution",
    "a maximum over the whole picture": "a mean over the whole picture",
    "a division by what depends on the picture": "a product with a sigmoid",
    "instance normalization": _NORMALIZED,
    "attention": "convolutions",
    "attention (MatMul of two tensors)": "convolutions",
    "bicubic upscaling": "bilinear or nearest upscaling",
    "an old Resize": "an export with opset_version=17",
    "an assignment to a part of a tensor (ScatterND)": "a concatenation of its parts (torch.cat)",
    "Reshape": "DepthToSpace",
    "Transpose": "DepthToSpace",
    "If": "one fixed path",
    "Loop": "unrolled layers",
    "Scan": "unrolled layers",
    "QuantizeLinear": "pairs of QuantizeLinear and DequantizeLinear",
    "QLinearConv": "the float network",
}
_OF_SHAPES = ("Shape", "Size", "CastLike")
"""Nodes that read of a picture how large it is, or its type."""
_KNOWN_AS = {
    "GlobalMaxPool": "a maximum over the whole picture",
    "ReduceMax": "a maximum over the whole picture",
    "Einsum": "attention",
    "ScatterND": "an assignment to a part of a tensor (ScatterND)",
    "Reciprocal": "a division by what depends on the picture",
}
"""What users call a node that is a part of something, or has another name elsewhere."""


def attribute(node: onnx.NodeProto, name: str, default: Any = None) -> Any:
    """An attribute's value; bytes as text, lists as lists."""
    for given in node.attribute:
        if given.name == name:
            value = onnx.helper.get_attribute_value(given)
            return value.decode("ascii", "replace") if isinstance(value, bytes) else value
    return default


def known_as(kind: str) -> str:
    """What users call a node of a kind, for messages."""
    return _KNOWN_AS.get(kind) or plain(kind)


def layer_name(node: onnx.NodeProto) -> str:
    """What a user calls a node: the last part of its path that is not the operator itself."""
    parts = [part for part in re.split(r"[/:]", node.name) if part]
    if len(parts) > 1 and re.sub(r"_\d+$", "", parts[-1]) == node.op_type:
        parts = parts[:-1]
    name = re.sub(r"[^A-Za-z0-9_.]", "_", parts[-1] if parts else node.op_type.lower())
    return name.lstrip("_.")[:60] or "operator"


class NodeReader:
    """Turns nodes of a graph into operations.

    Attributes:
        constants: Values of the tensors that do not depend on the picture.
        views: What the other tensors hold.
        network: The operations so far.
    """

    def __init__(self, nodes: list[onnx.NodeProto], output: str):
        self.constants: dict[str, np.ndarray] = {}
        self.views: dict[str, View] = {}
        self.network = Network()
        self._makers: dict[str, onnx.NodeProto] = {n: node for node in nodes for n in node.output}
        self._readers = Counter(
            name for node in nodes if node.op_type not in _OF_SHAPES for name in node.input
        )
        self._readers[output] += 1
        self._consumers: dict[str, list[onnx.NodeProto]] = {}
        for node in nodes:
            for name in node.input:
                self._consumers.setdefault(name, []).append(node)
        self.steps: dict[str, tuple[np.ndarray, int]] = {}  # weights -> see `NodeGrids`
        self._alone: dict[str, bool] = {}  # operation -> whether it alone reads its inputs

    def start(self, tensor: str, size: tuple[int, int, int], layout: str) -> None:
        """Take a tensor for the picture."""
        self.picture = size[1:]
        self.network.add(Operation(INPUT, "input", (), size[0]))
        self.views[tensor] = View(INPUT, *size, axes=whole_axes(layout, *size))

    # Inputs of a node.

    def _has(self, node, place: int) -> bool:
        return len(node.input) > place and bool(node.input[place])

    def _is_constant(self, node, place: int) -> bool:
        return node.input[place] in self.constants

    def _constant(self, node, place: int, default: Any = None) -> np.ndarray:
        if not self._has(node, place):
            return np.asarray(default)
        if not self._is_constant(node, place):
            raise self._refused(node, f"found weights of {node.op_type} that depend on the picture")
        return self.constants[node.input[place]]

    def _weights(self, node, place: int) -> np.ndarray:
        return np.asarray(self._constant(node, place), np.float32)

    def _whole(self, node, place: int, default: Any = None) -> list[int]:
        return [
            int(value) for value in np.asarray(self._constant(node, place, default)).reshape(-1)
        ]

    def _numbers(self, node, name: str, place: int) -> list[int] | None:
        """Whole numbers that are an attribute in some opsets and an input in others."""
        given = attribute(node, name)
        if given is not None:
            return [int(value) for value in given]
        return self._whole(node, place) if self._has(node, place) else None

    def _view(self, node, place: int = 0) -> View:
        tensor = node.input[place]
        if tensor not in self.views:
            raise self._refused(node, f"found {node.op_type} of a constant")
        return self.views[tensor]

    def _picture(self, node, place: int = 0) -> View:
        """An input as a picture, with what makes one of a pixel shuffle in parts."""
        view, tensor = self._view(node, place), node.input[place]
        if view.layout is None:
            self.views[tensor] = view = self._rearranged(self._makers[tensor], view)
        return view

    def _nchw(self, node, place: int = 0) -> View:
        view = self._picture(node, place)
        if view.layout != "NCHW":
            raise self._refused(node, f"found {node.op_type} of a transposed picture")
        return view

    def _axis(self, node, view: View, axis: int) -> str:
        """The name of an axis of a picture: N, C, H or W."""
        if not -4 <= axis < 4:
            raise self._refused(node, f"found {node.op_type} along the axis {axis} of 4")
        return view.layout[axis]

    # Operations made of a node.

    def _add(
        self,
        node,
        kind: str,
        views: list[View],
        values: dict[str, Any] | None = None,
        *,
        channels: int | None = None,
        size: tuple[int, int] | None = None,
        alone: bool | None = None,
    ) -> View:
        """Append an operation; its view has the axes of the first input unless its size differs.

        Args:
            node: What is read.
            kind: Of the operation.
            views: Its inputs.
            values: Its weights and attributes.
            channels: Of what it makes; of the first input by default.
            size: Height and width; of the first input by default.
            alone: Whether nothing else reads the inputs; told by the node by default.
        """
        for value in (values or {}).values():
            if isinstance(value, np.ndarray) and not np.isfinite(value).all():
                raise NetworkError(
                    f"expected finite weights, found NaN or infinity in {plain(node.name)}; train "
                    "the network again or take an earlier checkpoint"
                )
        first = views[0]
        whole = (channels or first.channels, *(size or (first.height, first.width)))
        if min(whole) < 1 or prod(whole) > MOST_MADE:
            raise self._refused(node, f"found {node.op_type} that makes {list(whole)} values")
        inputs = tuple(view.operation for view in views)
        made = Operation(layer_name(node), kind, inputs, whole[0], values or {})
        name = self.network.add(made)
        if alone is None:
            tensors = [tensor for tensor in node.input if tensor in self.views]
            alone = all(self._is_alone(tensor) for tensor in tensors)
        self._alone[name] = alone
        axes = first.axes if whole == first.size else whole_axes(first.layout or "NCHW", *whole)
        return View(name, *whole, axes=axes)

    def _is_alone(self, tensor: str) -> bool:
        return self.views[tensor].alone and self._readers[tensor] == 1

    def _moved(self, node, axes) -> View:
        """The first input under other axes."""
        return replace(self._view(node), axes=axes, alone=self._is_alone(node.input[0]))

    def _rearranged(self, node, view: View) -> View:
        found = rearrangement(view)
        if found is None:
            raise self._refused(
                node,
                f"found {node.op_type} to {list(view.shape)[:8]} that is no rearrangement of "
                "pixels and channels",
            )
        size = (view.height, view.width)
        layout = whole_axes(found.layout, *view.size)
        made = replace(view, axes=layout)
        if found.gathered > 1:
            block = found.gathered
            size = (size[0] // block, size[1] // block)
            wide = made.channels * block**2
            values = {"block": block}
            made = self._add(
                node, "space_to_depth", [made], values, channels=wide, size=size, alone=made.alone
            )
        made = self._selected(node, made, found.order)
        return self._spread(node, made, found.spread)

    def _spread(self, node, view: View, block: int) -> View:
        """Depth to space in TensorFlow's order of channels."""
        if block == 1:
            return view
        size = (view.height * block, view.width * block)
        return self._add(
            node,
            "depth_to_space",
            [view],
            {"block": block},
            channels=view.channels // block**2,
            size=size,
            alone=True,
        )

    # Channels in another order.

    def _selected(self, node, view: View, order: np.ndarray) -> View:
        """A picture of some channels of another, each as often as it is asked for.

        The order goes into the convolution before it where nothing else reads that.
        """
        name, alone = view.operation, view.alone
        operation = self.network[name]
        while "order" in operation.values:
            order = operation["order"][order]
            name, alone = operation.inputs[0], alone and self._alone[name]
            operation = self.network[name]
        source = replace(view, operation=name, channels=operation.channels, alone=alone)
        source = replace(source, axes=whole_axes(view.layout, *source.size))
        times, rest = divmod(len(order), operation.channels)
        if not rest and np.array_equal(order, np.tile(np.arange(operation.channels), times)):
            if times == 1:
                return source
            repeat = {"times": times}
            return self._add(
                node, "repeat", [source], repeat, channels=len(order), alone=source.alone
            )
        fewer = (
            len(order) <= operation.channels
        )  # Repeated channels may come to be repeated pixels.
        folded = self._reordered(name, order) if alone and fewer else None
        if folded is not None:
            made = replace(source, operation=folded, channels=len(order))
            return replace(made, axes=whole_axes(view.layout, *made.size))
        values = {"order": order}
        return self._add(node, "select", [source], values, channels=len(order), alone=source.alone)

    def _reordered(self, name: str, order: np.ndarray) -> str | None:
        """An operation that nothing else reads, with its channels in another order, or `None`."""
        operation = self.network[name]
        values, inputs = operation.values, operation.inputs
        if operation.kind == "convolution" and operation["groups"] == 1:
            weights = {"kernel": values["kernel"][..., order], "bias": values["bias"][order]}
            if "scales" in values:
                weights["scales"] = values["scales"][order]
            values = {**values, **weights}
        elif operation.kind in _CHANNEL_BY_CHANNEL and self._alone.get(name):
            inputs = tuple(self._reordered(source, order) for source in inputs)
            if None in inputs:
                return None
            arrays = (np.ndarray,)
            values = {n: v[order] if isinstance(v, arrays) else v for n, v in values.items()}
        else:
            return None
        made = replace(operation, inputs=inputs, values=values, channels=len(order), name="")
        added = self.network.add(made)
        self._alone[added] = self._alone.get(name, False)
        return added

    def _refused(self, node, found: str, *, name: str | None = None) -> NetworkError:
        known = name or _KNOWN_AS.get(node.op_type, node.op_type)
        instead = _INSTEAD.get(known, "the layers that docs/networks.md lists")
        return NetworkError(
            f"expected layers that run in full integer, {found} ({plain(node.name)}); take "
            f"{instead} in its place"
        )

    def _unknown(self, node, name: str | None = None) -> NetworkError:
        """The error for a node without a reader, by the name of the layer it is a part of."""
        name = name or _KNOWN_AS.get(node.op_type, node.op_type)
        return self._refused(node, f"found {plain(name) if ' ' not in name else name}", name=name)


_CHANNEL_BY_CHANNEL = POINTWISE | {"add", "multiply", "grid"}
