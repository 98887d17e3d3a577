"""Operators of a frozen graph that reduce a picture, mirror its border or cut it off."""

from __future__ import annotations

from sr_models.importing.geometry import (
    MOST_POOLED,
    MOST_REDUCED,
    averaging,
    bilinear_reduction,
    nearest_reduction,
    reducing,
    same_padding,
)
from sr_models.importing.operator_reader import OperatorReader, require_nhwc


class GeometryReaders(OperatorReader):
    """Pooling, mirrored borders, crops, and resizing to less."""

    def _read_MaxPool(self, op) -> str:
        values, pads = self._window(op)
        return self._add(op, "max_pool", op.inputs[:1], {**values, **pads})

    def _read_AvgPool(self, op) -> str:
        values, pads = self._window(op)
        size, strides = values["pool"], values["strides"]
        low = tuple(op.inputs[0].shape[1:3])
        if pads:
            raise self._refused(op, "found average pooling with padding of its own")
        same = [same_padding(n, kernel=k, stride=s) for n, k, s in zip(low, size, strides)]
        if values["padding"] == "same" and any(map(any, same)):
            # Means of fewer pixels at the border: no convolution has them.
            return self._add(op, "average_pool", op.inputs, values)
        channels = op.outputs[0].shape[-1]
        made = averaging(channels, size=size, strides=strides, input_size=low)
        return self._add(op, "convolution", op.inputs, made)

    def _window(self, op) -> tuple[dict, dict]:
        """Pool, strides and padding of an operator; and the rows and columns that it names."""
        require_nhwc(op)
        pool, strides = (tuple(op.get_attr(name)[1:3]) for name in ("ksize", "strides"))
        padding, pads = op.get_attr("padding").decode().lower(), {}
        if padding == "explicit":
            amounts = op.get_attr("explicit_paddings")
            pads = {"rows": tuple(amounts[2:4]), "columns": tuple(amounts[4:6])}
            padding = "valid"
        if op.get_attr("ksize")[3] != 1:
            raise self._refused(op, "found pooling over channels")
        if max(*pool, *strides) > MOST_POOLED:
            raise self._refused(op, f"found a pool of {pool} by {strides}")
        return {"pool": pool, "strides": strides, "padding": padding}, pads

    def _read_MirrorPad(self, op) -> str:
        amounts = self.constants[op.inputs[1]].tolist()
        if amounts[0] != [0, 0] or amounts[3] != [0, 0]:
            raise self._refused(op, "found mirrored channels")
        values = {"rows": tuple(amounts[1]), "columns": tuple(amounts[2])}
        if not any((*amounts[1], *amounts[2])):
            return self._of(op.inputs[0])
        values["mode"] = op.get_attr("mode").decode().upper()
        return self._add(op, "mirror_pad", op.inputs[:1], values)

    def _cropped(self, op) -> str | None:
        """Rows and columns of a picture, all of its channels; `None` for any other slice."""
        shape = op.inputs[0].shape.as_list()
        begin, end, strides = (self.constants[t].tolist() for t in op.inputs[1:])
        masks = {
            name: op.get_attr(f"{name}_mask")
            for name in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")
        }
        if masks["new_axis"] or masks["shrink_axis"] or len(shape) != 4:
            return None
        places: list[int | None] = list(range(len(begin)))
        for place in places[:]:
            if masks["ellipsis"] >> place & 1:
                places[place : place + 1] = [None] * (5 - len(begin))
        kept = []
        for size, place in zip(shape, places + [None] * (4 - len(places))):
            whole = place is None
            first = None if whole or masks["begin"] >> place & 1 else begin[place]
            last = None if whole or masks["end"] >> place & 1 else end[place]
            kept.append(range(size)[slice(first, last, 1 if whole else strides[place])])
        rows, columns = kept[1:3]
        others = kept[0] == range(shape[0]) and kept[3] == range(shape[3])
        whole = rows == range(shape[1]) and columns == range(shape[2])
        if not others or whole or not rows or not columns or {rows.step, columns.step} != {1}:
            return None
        values = {
            "rows": (rows.start, shape[1] - rows.stop),
            "columns": (columns.start, shape[2] - columns.stop),
        }
        return self._add(op, "crop", op.inputs[:1], values)

    def _reduction(self, op) -> int | None:
        """By which whole factor an operator resizes to less; `None` where it does not."""
        low, high = op.outputs[0].shape[1:3], op.inputs[0].shape[1:3]
        factor = high[0] // low[0]
        usable = 1 < factor <= MOST_REDUCED and list(high) == [factor * size for size in low]
        return factor if usable else None

    def _reduced_nearest(self, op, factor: int) -> str:
        if op.get_attr("align_corners"):
            raise self._refused(op, "found nearest resizing with aligned corners")
        channels = op.outputs[0].shape[-1]
        place = factor // 2 if op.get_attr("half_pixel_centers") else 0
        return self._reduced(op, nearest_reduction(factor, channels, place=place), factor)

    def _reduced_bilinear(self, op, factor: int) -> str:
        if op.get_attr("align_corners"):
            raise self._refused(op, "found bilinear resizing with aligned corners")
        channels = op.outputs[0].shape[-1]
        taps = nearest_reduction(factor, channels, place=0)  # The first pixel of each block.
        if op.get_attr("half_pixel_centers"):
            taps = bilinear_reduction(factor, channels)
        return self._reduced(op, taps, factor)

    def _reduced(self, op, taps, factor: int) -> str:
        size = tuple(op.inputs[0].shape[1:3])
        values = reducing(taps, strides=(factor, factor), input_size=size)
        return self._add(op, "convolution", op.inputs[:1], values)
