"""Operators of a frozen graph that move, repeat or interpolate pixels and channels."""

from __future__ import annotations

from sr_models.importing.geometry_readers import GeometryReaders
from sr_models.importing.operator_reader import require_nhwc

STRETCHING = ("ExpandDims", "Tile", "Reshape")
"""Operators that `MoveReaders._stretch` may know as a part of `tf.repeat`."""


class MoveReaders(GeometryReaders):
    """Rearrangements, padding, upscaling, repeated and cut-out channels."""

    def _read_Tile(self, op) -> str:
        times = self.constants[op.inputs[1]].tolist()
        if times[:-1] != [1, 1, 1]:
            raise self._refused(op, "found a picture repeated side by side")
        return self._add(op, "repeat", op.inputs[:1], {"times": times[-1]})

    def _read_DepthToSpace(self, op) -> str:
        require_nhwc(op)
        return self._add(op, "depth_to_space", op.inputs, {"block": op.get_attr("block_size")})

    def _read_SpaceToDepth(self, op) -> str:
        require_nhwc(op)
        return self._add(op, "space_to_depth", op.inputs, {"block": op.get_attr("block_size")})

    def _read_Pad(self, op) -> str:
        amounts = self.constants[op.inputs[1]].tolist()
        value = self._number(op, op.inputs[2]) if len(op.inputs) > 2 else 0.0
        if amounts[0] != [0, 0] or amounts[3] != [0, 0] or value:
            raise self._refused(op, "found a padding of anything but zeros at the border")
        pads = {"rows": tuple(amounts[1]), "columns": tuple(amounts[2])}
        return self._add(op, "pad", op.inputs[:1], pads)

    _read_PadV2 = _read_Pad

    def _stretch(self, op) -> str | None:
        """Pixels repeated along one axis, as `tf.repeat` does: a new axis, tiled, and merged."""
        source, target = op.inputs[0], op.outputs[0]
        if op.type == "ExpandDims" and source.shape.rank == 4:
            axis = int(self.constants[op.inputs[1]])
            if axis in (2, 3):
                self.stretching[target.name] = (axis - 1, 1)
                return self._of(source)
        if source.name not in self.stretching:
            return None
        axis, times = self.stretching[source.name]
        if op.type == "Tile":
            multiples = self.constants[op.inputs[1]].tolist()
            times = multiples[axis + 1]
            if multiples == [times if i == axis + 1 else 1 for i in range(5)]:
                self.stretching[target.name] = (axis, times)
                return self._of(source)
        if op.type == "Reshape":
            merged = [n for i, n in enumerate(source.shape.as_list()) if i != axis + 1]
            merged[axis] *= times
            if target.shape.as_list() == merged:
                return self._stretched(op, self._of(source), axis, times)
        return None

    def _stretched(self, op, source: str, axis: int, times: int) -> str:
        before = self.network[source]
        channels = op.outputs[0].shape[-1]
        if before.kind == "stretch" and (before["axis"], before["times"]) == (3 - axis, times):
            widened = channels * times**2
            repeat = {"times": times**2}
            repeated = self._add(op, "repeat", before.inputs, repeat, channels=widened)
            return self._add(op, "depth_to_space", [repeated], {"block": times})
        return self._add(op, "stretch", [source], {"axis": axis, "times": times})

    def _factor(self, op) -> int:
        low, high = op.inputs[0].shape[1:3], op.outputs[0].shape[1:3]
        factor = high[0] // low[0]
        if factor < 1 or list(high) != [factor * size for size in low]:
            raise self._refused(op, f"found resizing from {list(low)} to {list(high)} pixels")
        return factor

    def _read_ResizeNearestNeighbor(self, op) -> str:
        if (reduction := self._reduction(op)) is not None:
            return self._reduced_nearest(op, reduction)
        factor, channels = self._factor(op), op.outputs[0].shape[-1]
        if op.get_attr("align_corners"):
            raise self._refused(op, "found nearest upscaling with aligned corners")
        times = {"times": factor**2}
        repeated = self._add(op, "repeat", op.inputs[:1], times, channels=channels * factor**2)
        return self._add(op, "depth_to_space", [repeated], {"block": factor})

    def _read_ResizeBilinear(self, op) -> str:
        if (reduction := self._reduction(op)) is not None:
            return self._reduced_bilinear(op, reduction)
        factor = self._factor(op)
        if not op.get_attr("half_pixel_centers") or op.get_attr("align_corners"):
            raise self._refused(op, "found bilinear upscaling without half-pixel centres")
        return self._add(op, "bilinear", op.inputs[:1], {"factor": factor})

    def _read_StridedSlice(self, op) -> str:
        if (cropped := self._cropped(op)) is not None:
            return cropped
        shape, begin, end, strides = (
            op.inputs[0].shape.as_list(),
            *(self.constants[t].tolist() for t in op.inputs[1:]),
        )
        masks = {m: op.get_attr(m) for m in ("begin_mask", "end_mask", "ellipsis_mask")}
        if masks["ellipsis_mask"] and len(begin) == 2 and masks["ellipsis_mask"] == 1:
            free_begin, free_end = masks["begin_mask"] & 2, masks["end_mask"] & 2
            whole = True
        else:
            last = 1 << (len(begin) - 1)
            whole = len(begin) == 4 and all(
                masks["begin_mask"] >> i & 1 and masks["end_mask"] >> i & 1 for i in range(3)
            )
            free_begin, free_end = masks["begin_mask"] & last, masks["end_mask"] & last
        if not whole or set(strides) != {1} or op.outputs[0].shape.rank != 4:
            raise self._refused(op, "found a part of a picture cut out")
        start = 0 if free_begin else begin[-1] % shape[-1]
        stop = shape[-1] if free_end else (end[-1] + shape[-1] if end[-1] < 0 else end[-1])
        return self._add(op, "slice", op.inputs[:1], {"start": start, "stop": stop})

    def _split(self, op) -> None:
        axis, tensor = op.inputs
        if int(self.constants[axis]) not in (-1, 3):
            raise self._refused(op, "found a picture cut into parts")
        width, start = tensor.shape[-1] // len(op.outputs), 0
        for output in op.outputs:
            values = {"start": start, "stop": start + width}
            self.made[output.name] = self._add(op, "slice", [tensor], values, channels=width)
            start += width
