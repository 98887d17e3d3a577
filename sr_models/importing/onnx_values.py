"""Nodes of an ONNX graph that look at the whole picture, multiply tensors or compute values."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sr_models.importing.onnx_reader import NodeReader, attribute
from sr_models.importing.onnx_views import Axis, C, Factor, View, unexpanded
from sr_models.importing.operations import affine_values

_MOST_SEEN = 60
_OF_STATISTICS = frozenset(
    [
        "Sub",
        "Mul",
        "Pow",
        "ReduceMean",
        "Add",
        "Sqrt",
        "Neg",
        "Max",
        "Identity",
        "Reshape",
        "Cast",
        "Squeeze",
        "Unsqueeze",
    ]
)
"""What may stand between a mean and the division by what it is a part of."""
_DIVISION = "a division by what depends on the picture"


class NodeValues(NodeReader):
    """Means of pixels, dense layers, products and sums of tensors of any fitting sizes."""

    # The whole picture.

    def _read_GlobalAveragePool(self, node) -> View:
        return self._mean(node, self._nchw(node), ("H", "W"), keep=True)

    def _read_ReduceMean(self, node) -> View:
        view = self._picture(node)
        given = self._numbers(node, "axes", 1) or range(4)
        names = tuple(self._axis(node, view, axis) for axis in given)
        if self._normalizes(node):
            name = "LayerNormalization" if "C" in names else "instance normalization"
            raise self._unknown(node, name)
        keep = bool(attribute(node, "keepdims", 1))
        if names == ("C",) and keep:
            return self._mean_of_channels(node, view)
        return self._mean(node, view, names, keep=keep)

    def _read_ReduceSum(self, node) -> View:
        view = self._picture(node)
        given = self._numbers(node, "axes", 1) or range(4)
        names = tuple(self._axis(node, view, axis) for axis in given)
        count = float(np.prod([{"H": view.height, "W": view.width}.get(n, 1) for n in names]))
        made = self._mean(node, view, names, keep=bool(attribute(node, "keepdims", 1)))
        return self._add(node, "affine", [made], affine_values(made.channels, count))

    def _mean(self, node, view: View, names: tuple[str, ...], *, keep: bool) -> View:
        axes = tuple(place for place, name in ((1, "H"), (2, "W")) if name in names)
        if not axes or "C" in names:
            raise self._unknown(node, "a mean over channels" if "C" in names else None)
        size = (1 if 1 in axes else view.height, 1 if 2 in axes else view.width)
        made = self._add(node, "mean", [view], {"axes": axes}, size=size)
        if keep:
            return made
        kept = [axis for name, axis in zip(view.layout, made.axes) if name not in names]
        return replace(made, axes=tuple(kept))

    def _mean_of_channels(self, node, view: View) -> View:
        """A 1x1 convolution with equal weights."""
        kernel = np.full((1, 1, view.channels, 1), 1.0 / view.channels, np.float32)
        return self._add(node, "convolution", [view], _pointwise(kernel), channels=1)

    def _normalizes(self, node) -> bool:
        """Whether something is divided by what a mean is a part of."""
        seen, waiting = set(), [node]
        while waiting and len(seen) < _MOST_SEEN:
            made = waiting.pop(0).output[0]
            for reader in self._consumers.get(made, ()):
                divides = reader.op_type == "Div" and reader.input[1] == made
                if divides or reader.op_type == "Reciprocal":
                    return True
                if reader.op_type in _OF_STATISTICS and reader.output[0] not in seen:
                    seen.add(reader.output[0])
                    waiting.append(reader)
        return False

    # Dense layers, over pixels or over what is left of a picture.

    def _read_MatMul(self, node) -> View:
        if self._is_constant(node, 0) or not self._is_constant(node, 1):
            raise self._unknown(node, "attention (MatMul of two tensors)")
        return self._dense(node, self._weights(node, 1))

    def _read_Gemm(self, node) -> View:
        if attribute(node, "transA", 0) or not self._is_constant(node, 1):
            raise self._unknown(node)
        kernel = self._weights(node, 1) * np.float32(attribute(node, "alpha", 1.0))
        kernel = kernel.T if attribute(node, "transB", 0) else kernel
        bias = None
        if self._has(node, 2):
            bias = self._weights(node, 2).reshape(-1) * np.float32(attribute(node, "beta", 1.0))
        return self._dense(node, kernel, bias)

    def _read_Einsum(self, node) -> View:
        """Weights over channels, whatever the letters: `bchw,oc->bohw` is a 1x1 convolution."""
        held = [place for place in range(len(node.input)) if self._is_constant(node, place)]
        if len(node.input) != 2 or len(held) != 1:
            raise self._unknown(node)
        left, _, right = str(attribute(node, "equation", "")).replace(" ", "").partition("->")
        parts = left.split(",")
        view, kernel = self._view(node, 1 - held[0]), self._weights(node, held[0])
        letters, pair = (parts[1 - held[0]], parts[held[0]]) if len(parts) == 2 else ("", "")
        if len(pair) != 2 or kernel.ndim != 2 or len(set(letters)) != len(view.axes):
            raise self._unknown(node)
        inner, outer = pair if pair[0] in letters else pair[::-1]
        place = letters.find(inner)
        summed = place >= 0 and outer not in letters and right == letters.replace(inner, outer)
        if not summed or view.axes[place] != _whole(kernel.shape[pair.index(inner)]):
            raise self._unknown(node)
        kernel = kernel if pair[0] == inner else kernel.T
        made = self._add(
            node, "convolution", [view], _pointwise(kernel[None, None]), channels=kernel.shape[1]
        )
        axes = list(view.axes)
        axes[place] = _whole(kernel.shape[1])
        return replace(made, axes=tuple(axes))

    def _dense(self, node, kernel: np.ndarray, bias: np.ndarray | None = None) -> View:
        """A dense layer over the last axis, which is that of channels: a 1x1 convolution."""
        view = self._view(node)
        fits = kernel.ndim == 2 and kernel.shape[0] == view.channels
        if not fits or view.axes[-1:] != (_whole(view.channels),):
            raise self._unknown(node)
        outputs = kernel.shape[1]
        values = _pointwise(kernel[None, None])
        if bias is not None:
            values["bias"] = np.broadcast_to(bias, (outputs,)).astype(np.float32)
        made = self._add(node, "convolution", [view], values, channels=outputs)
        return replace(made, axes=(*view.axes[:-1], _whole(outputs)))

    def _read_Flatten(self, node) -> View:
        shape, axis = self._view(node).shape, attribute(node, "axis", 1)
        before = int(np.prod(shape[:axis]))
        return self._reshaped(node, [before, int(np.prod(shape)) // max(1, before)])

    # Of two tensors.

    def _together(self, node, kind: str, what: str, views: list[View] | None = None) -> View:
        """A sum or product of tensors, which may be spread over each other."""
        if any(name in self.constants for name in node.input):
            raise self._refused(node, f"found a {what} with a constant")
        places = range(len(node.input))
        views = views or [self._view(node, place) for place in places]
        most = max(len(view.axes) for view in views)
        # Tensors of fewer axes are spread along the first ones.
        views = [replace(v, axes=((),) * (most - len(v.axes)) + v.axes) for v in views]
        if len({(view.axes, view.size) for view in views}) > 1:
            views = [self._unexpanded(node, place, view) for place, view in enumerate(views)]
        whole = tuple(max(sizes) for sizes in zip(*(view.size for view in views)))
        views.sort(key=lambda view: view.size != whole)  # Layouts of single pixels say nothing.
        alike = {view.axes for view in views if view.size == whole}
        fits = all(n in (1, most) for view in views for n, most in zip(view.size, whole))
        if len(alike) != 1 or not fits:
            raise self._refused(node, f"found a {what} of tensors of different shapes")
        total = views[0]
        for view in views[1:]:
            total = self._add(node, kind, [total, view])
        return total

    def _unexpanded(self, node, place: int, view: View) -> View:
        """An input as a picture, or as the pixel that was repeated over one."""
        plain = unexpanded(view)
        changed = view.operation != self._view(node, place).operation  # Of a difference, turned.
        return plain if plain.layout is not None or changed else self._picture(node, place)

    def _read_Add(self, node) -> View:
        if self._with_numbers(node):
            return self._affine(node)
        return self._together(node, "add", "sum")

    def _read_Sum(self, node) -> View:
        return self._together(node, "add", "sum")

    def _read_Sub(self, node) -> View:
        if self._with_numbers(node):
            return self._affine(node)
        first, second = self._view(node), self._view(node, 1)
        values = affine_values(second.channels, -1.0)
        negative = self._add(node, "affine", [second], values)
        return self._together(node, "add", "difference", [first, negative])

    def _read_Mul(self, node) -> View:
        if self._with_numbers(node):
            return self._affine(node)
        return self._together(node, "multiply", "product")

    def _read_Div(self, node) -> View:
        if self._with_numbers(node):
            return self._affine(node)
        raise self._refused(node, f"found {_DIVISION}", name=_DIVISION)

    # Values one by one.

    def _read_Sqrt(self, node) -> View:
        return self._add(node, "root", [self._view(node)])

    def _read_Erf(self, node) -> View:
        return self._add(node, "erf", [self._view(node)])

    def _read_Pow(self, node) -> View:
        if not self._is_constant(node, 1) or self._is_constant(node, 0):
            raise self._unknown(node)
        exponent, view = self._number(node, 1), self._view(node)
        if exponent == 2.0:
            return self._add(node, "multiply", [view, view])
        if exponent == 0.5:
            return self._read_Sqrt(node)
        if exponent == 1.0:
            return self._moved(node, view.axes)
        return self._add(node, "power", [view], {"exponent": exponent})

    def _read_Softplus(self, node) -> View:
        readers = {reader.op_type for reader in self._consumers.get(node.output[0], ())}
        raise self._unknown(node, "Mish" if "Tanh" in readers else "Softplus")

    def _read_Gelu(self, node) -> View:
        values = {"approximate": attribute(node, "approximate", "none") == "tanh"}
        return self._add(node, "gelu", [self._view(node)], values)

    def _read_HardSigmoid(self, node) -> View:
        numbers = (attribute(node, "alpha", 0.2), attribute(node, "beta", 0.5))
        return self._hard(node, self._view(node), *numbers)

    def _read_HardSwish(self, node) -> View:
        view = self._view(node)
        return self._add(node, "multiply", [view, self._hard(node, view, 1 / 6, 0.5)])

    def _hard(self, node, view: View, factor: float, shift: float) -> View:
        scaled = self._add(node, "affine", [view], affine_values(view.channels, factor, shift))
        return self._bound(node, 0.0, 1.0, scaled)

    def _read_Swish(self, node) -> View:
        view = self._view(node)
        factor = affine_values(view.channels, attribute(node, "alpha", 1.0))
        gate = self._add(node, "sigmoid", [self._add(node, "affine", [view], factor)])
        return self._add(node, "multiply", [view, gate])


def _whole(channels: int) -> Axis:
    """The axis of all channels."""
    return (Factor(C, channels),) if channels > 1 else ()


def _pointwise(kernel: np.ndarray) -> dict:
    return {
        "kernel": kernel,
        "bias": np.zeros(kernel.shape[-1], np.float32),
        "padding": "same",
        "dilation": (1, 1),
        "groups": 1,
    }
