"""Reshapes and transposes of a frozen graph, followed until a picture is read of them.

A pixel shuffle written as reshape, transpose and reshape, channel attention between `(1, C)` and
`(1, 1, 1, C)`, a dense layer over flattened pixels: each is a picture under other axes
(`onnx_views`). What is no picture when one is needed is refused by the layer's name.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np

from sr_models.ground.errors import NetworkError
from sr_models.importing.channel_order import selection
from sr_models.importing.grid_readers import GridReaders
from sr_models.importing.onnx_views import (
    Axis,
    C,
    Factor,
    Rearrangement,
    View,
    rearrangement,
    reshaped,
    unexpanded,
    whole_axes,
)
from sr_models.importing.operations import Operation
from sr_models.importing.operator_names import known_as
from sr_models.importing.operator_reader import layer_name
from sr_models.importing.source_grids import with_steps

VIEWED = ("Reshape", "Transpose", "Squeeze", "ExpandDims", "Tile", "BroadcastTo")
"""Operators of which only the axes are kept in mind."""
_MOST = 1 << 27


class ViewReaders(GridReaders):
    """What `VIEWED` names, and `MatMul` of flattened pixels."""

    def _viewed(self, op) -> str | None:
        """The operation whose picture an operator leaves as it is; `None` for another view."""
        view, shape = self._view(op.inputs[0]), self._shape_of(op)
        if op.type == "Transpose":
            order = self.constants[op.inputs[1]].tolist()
            axes: tuple[Axis, ...] | None = tuple(view.axes[i] for i in order)
        elif op.type == "Tile":
            times = self.constants[op.inputs[1]].tolist()
            axes = tuple(((Factor(C, n, 0),) * (n > 1)) + a for a, n in zip(view.axes, times))
        elif op.type == "BroadcastTo":
            full = ((),) * (len(shape) - len(view.axes)) + view.axes
            axes = tuple(
                ((Factor(C, n, 0),) if n > 1 and not a else a) for a, n in zip(full, shape)
            )
        else:
            axes = reshaped(view.axes, shape)
        if axes is None or prod(shape) > _MOST:
            raise self._no_rearrangement(op)
        return self._seen(op, replace(view, axes=axes))

    def _shape_of(self, op) -> list[int]:
        """The shape that an operator makes, which may be computed from the picture's."""
        target = op.outputs[0].shape
        if target.is_fully_defined():
            return target.as_list()
        if op.type != "Reshape" or op.inputs[1] not in self.constants:
            raise self._no_rearrangement(op)
        shape = self.constants[op.inputs[1]].tolist()
        if -1 in shape:
            shape[shape.index(-1)] = prod(self._view(op.inputs[0]).shape) // -prod(shape)
        return shape

    def _seen(self, op, view: View) -> str | None:
        """Keep the view that an operator makes; the operation itself where it is its picture."""
        if view.layout == "NHWC":
            return view.operation
        name = op.outputs[0].name
        self.views[name], self.viewers[name] = view, op
        return None

    def _view(self, tensor) -> View:
        """What a tensor holds."""
        if tensor.name in self.views:
            return self.views[tensor.name]
        name, shape = self._of(tensor), tensor.shape.as_list()
        if len(shape) == 2 and shape[0] == 1:  # What is left of a picture without its axes.
            return View(name, shape[1], 1, 1, axes=whole_axes("NC", shape[1], 1, 1))
        if len(shape) != 4 or None in shape:
            raise self._unknown(tensor.op)
        _, height, width, channels = shape
        axes = whole_axes("NHWC", channels, height, width)
        return View(name, channels, height, width, axes=axes)

    def _as_picture(self, tensor) -> str:
        """An operation that makes a picture of a tensor that is none yet."""
        view, op = self.views[tensor.name], self.viewers[tensor.name]
        if view.size == (view.channels, 1, 1) and view.axes[-1:] == (_whole(view),):
            return view.operation
        found = rearrangement(view, layouts=("NHWC",))
        if found is None:
            if any(factor.stride == 0 for axis in view.axes for factor in axis):
                raise NetworkError(
                    "expected pixels repeated alike in rows and columns, found only one of them "
                    f"({layer_name(op)}); take UpSampling2D with one factor"
                )
            raise self._no_rearrangement(op)
        return self._moved(op, view, found)

    def _no_rearrangement(self, op) -> NetworkError:
        if known_as(op) is not None:
            return self._unknown(op)
        found = f"found {op.type} to {op.outputs[0].shape}".replace("(", "[").replace(")", "]")
        return self._refused(op, f"{found} that is no rearrangement of pixels and channels")

    def _moved(self, op, view: View, found: Rearrangement) -> str:
        name, channels = view.operation, view.channels
        if (block := found.gathered) > 1:
            channels *= block**2
            name = self._link(op, "space_to_depth", name, channels, {"block": block})
        chosen = selection(name, found.order, channels=channels, layer=layer_name(op))
        if chosen is not None:
            name = self.network.add(chosen)
        if (block := found.spread) > 1:
            channels = len(found.order) // block**2
            name = self._link(op, "depth_to_space", name, channels, {"block": block})
        return name

    def _link(self, op, kind: str, source: str, channels: int, values) -> str:
        return self.network.add(Operation(layer_name(op), kind, (source,), channels, values))

    def _add_to_view(self, op, kind: str, tensor, values) -> str | None:
        """An operation of each value by itself, under the same axes."""
        view = self.views[tensor.name]
        made = {}
        for name, value in values.items():
            if isinstance(value, np.ndarray) and np.unique(value).size == 1:
                value = np.full(view.channels, value.flat[0], np.float32)
            elif isinstance(value, np.ndarray) and view.axes[-1] != _whole(view):
                self.made[tensor.name] = self._as_picture(tensor)
                return self._add(op, kind, [tensor], values)
            made[name] = value
        name = self._link(op, kind, view.operation, view.channels, made)
        return self._seen(op, replace(view, operation=name))

    def _together(self, op, kind: str, tensors) -> str | None:
        """A sum or product of several tensors, which may be spread over each other.

        Returns:
            The operation; `None` where it is under other axes than a picture's.
        """
        views = [self.views.get(tensor.name) for tensor in tensors]
        alike = None not in views and len({(view.axes, view.size) for view in views}) == 1
        if alike and (views[0].axes[-1:] == (_whole(views[0]),) or len(views[0].axes) != 4):
            name, channels = views[0].operation, views[0].channels
            for view in views[1:]:
                inputs = (name, view.operation)
                name = self.network.add(Operation(layer_name(op), kind, inputs, channels))
            return self._seen(op, replace(views[0], operation=name))
        total, *others = [self._pixel_or_picture(tensor) for tensor in tensors]
        for other in others:
            channels = max(self.network[name].channels for name in (total, other))
            total = self._add(op, kind, [total, other], channels=channels)
        return total

    def _pixel_or_picture(self, tensor) -> str:
        """An operation that a sum or a product may read, where a pixel stands for all."""
        if self._is_view(tensor):
            plain = unexpanded(self.views[tensor.name])
            if plain.layout == "NHWC":
                return plain.operation
        return self._of(tensor)

    def _spread_over(self, shapes) -> bool:
        """Whether tensors of these shapes have one size, or one pixel or channel where they differ.

        One of them has the shape of the whole.
        """
        full = [[1] * (4 - len(shape)) + list(shape) for shape in shapes]
        whole = [max(sizes) for sizes in zip(*full)]
        fits = all(n in (1, most) for shape in full for n, most in zip(shape, whole))
        return fits and whole in full and max(map(len, full)) == 4

    def _read_MatMul(self, op) -> str | None:
        """A dense layer over pixels that were flattened: a 1x1 convolution."""
        kernel = self._weights(op, op.inputs[1])
        view = self._view(op.inputs[0])
        turned = op.get_attr("transpose_b")
        flat = len(view.axes) == 2 and view.axes[1] == _whole(view)
        if not flat or op.get_attr("transpose_a"):
            raise self._unknown(op)
        kernel = kernel.T if turned else kernel
        outputs = kernel.shape[1]
        values = {
            "kernel": kernel[None, None],
            "bias": np.zeros(outputs, np.float32),
            "padding": "same",
            "dilation": (1, 1),
            "groups": 1,
        }
        values = with_steps(values, None if turned else self._steps(op.inputs[1]))
        name = self._add(op, "convolution", [view.operation], values, channels=outputs)
        size = (outputs, view.height, view.width)
        last: Axis = (Factor(C, outputs),) if outputs > 1 else ()
        return self._seen(op, View(name, *size, axes=(view.axes[0], last)))


def _whole(view: View) -> Axis:
    """The axis of all channels of a view."""
    return (Factor(C, view.channels),) if view.channels > 1 else ()
