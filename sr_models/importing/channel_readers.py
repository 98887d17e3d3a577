"""Channels of a frozen graph that are cut out, split, gathered or turned around."""

from __future__ import annotations

import numpy as np

from sr_models.importing.channel_order import selection
from sr_models.importing.geometry_readers import GeometryReaders
from sr_models.importing.onnx_views import View, whole_axes
from sr_models.importing.operator_reader import layer_name

CUTTING = ("Split", "SplitV", "Unpack")
"""Operators of several outputs."""


class ChannelReaders(GeometryReaders):
    """`StridedSlice`, `Slice`, `GatherV2`, `ReverseV2` and splits, of channels."""

    def _taken(self, op, tensor, places) -> str:
        """Some channels of a tensor, in the order in which they are named."""
        channels, places = tensor.shape[-1], np.asarray(places, np.int64)
        if not len(places) or places.min() < 0 or places.max() >= channels:
            raise self._refused(op, "found channels that are not there")
        chosen = selection(self._of(tensor), places, channels=channels, layer=layer_name(op))
        return self._of(tensor) if chosen is None else self.network.add(chosen)

    def _require_channels(self, op, axes) -> None:
        if op.inputs[0].shape.rank != 4 or any(int(axis) not in (-1, 3) for axis in axes):
            raise self._refused(op, "found a part of a picture cut out")

    def _read_StridedSlice(self, op) -> str | None:
        if (cropped := self._cropped(op)) is not None:
            return cropped
        shape, begin, end, strides = (
            op.inputs[0].shape.as_list(),
            *(self.constants[t].tolist() for t in op.inputs[1:]),
        )
        masks = {m: op.get_attr(m) for m in ("begin_mask", "end_mask", "ellipsis_mask")}
        if masks["ellipsis_mask"] and len(begin) == 2 and masks["ellipsis_mask"] == 1:
            free_begin, free_end = masks["begin_mask"] & 2, masks["end_mask"] & 2
            whole = strides[0] == 1
        else:
            last = 1 << (len(begin) - 1)
            whole = len(begin) == 4 and all(
                masks["begin_mask"] >> i & 1 and masks["end_mask"] >> i & 1 and strides[i] == 1
                for i in range(3)
            )
            free_begin, free_end = masks["begin_mask"] & last, masks["end_mask"] & last
        if op.get_attr("shrink_axis_mask") == 1 << (len(begin) - 1) and len(shape) == 4 and whole:
            return self._one_channel(op, int(begin[-1]) % shape[-1])
        if not whole or op.outputs[0].shape.rank != 4:
            raise self._refused(op, "found a part of a picture cut out")
        start, stop = None if free_begin else begin[-1], None if free_end else end[-1]
        return self._taken(op, op.inputs[0], range(shape[-1])[slice(start, stop, strides[-1])])

    def _one_channel(self, op, place: int, output=None) -> None:
        """A channel without its axis, as `x[..., 0]` and `tf.unstack` have it."""
        name = self._taken(op, op.inputs[0], [place])
        _, height, width, _ = op.inputs[0].shape.as_list()
        axes = whole_axes("NHWC", 1, height, width)[:3]
        tensor = (op.outputs[0] if output is None else output).name
        self.views[tensor], self.viewers[tensor] = View(name, 1, height, width, axes=axes), op

    def _read_Pack(self, op) -> str:
        """Channels without their axis, put together."""
        if any(tensor in self.constants for tensor in op.inputs) or op.get_attr("axis") not in (
            -1,
            3,
        ):
            raise self._refused(op, "found a stack of anything but channels")
        height, width = op.outputs[0].shape[1:3]
        axes = whole_axes("NHWC", 1, height, width)[:3]
        views = [self.views.get(tensor.name) for tensor in op.inputs]
        if any(view is None or view.channels != 1 or view.axes != axes for view in views):
            raise self._refused(op, "found a stack of anything but channels")
        return self._add(op, "concatenate", [view.operation for view in views])

    def _read_Slice(self, op) -> str:
        begin = self.constants[op.inputs[1]].tolist()
        shape, made = op.inputs[0].shape.as_list(), op.outputs[0].shape.as_list()
        if len(shape) != 4 or any(begin[:3]) or made[:3] != shape[:3]:
            raise self._refused(op, "found a part of a picture cut out")
        return self._taken(op, op.inputs[0], range(begin[3], begin[3] + made[3]))

    def _read_GatherV2(self, op) -> str:
        tensor, places, axis = op.inputs
        self._require_channels(op, [self.constants[axis]])
        if places not in self.constants or self.constants[places].ndim != 1:
            raise self._refused(op, "found a part of a picture cut out")
        return self._taken(op, tensor, self.constants[places])

    def _read_ReverseV2(self, op) -> str:
        if op.inputs[0].shape.rank != 4 or set(self.constants[op.inputs[1]] % 4) != {3}:
            raise self._unknown(op)
        return self._taken(op, op.inputs[0], np.arange(op.inputs[0].shape[-1])[::-1])

    def _cut(self, op) -> None:
        """`Split` and `SplitV`, even and uneven, and `Unpack`."""
        if op.type == "Unpack":
            if op.inputs[0].shape.rank != 4 or op.get_attr("axis") not in (-1, 3):
                raise self._refused(op, "found a picture cut into parts")
            for place, output in enumerate(op.outputs):
                self._one_channel(op, place, output)
            return
        axis, tensor = (op.inputs[2], op.inputs[0]) if op.type == "SplitV" else op.inputs
        if tensor.shape.rank != 4 or int(self.constants[axis]) not in (-1, 3):
            raise self._refused(op, "found a picture cut into parts")
        start = 0
        for output in op.outputs:
            width = output.shape[-1]
            self.made[output.name] = self._taken(op, tensor, range(start, start + width))
            start += width
