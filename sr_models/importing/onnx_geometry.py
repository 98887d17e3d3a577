"""Nodes of an ONNX graph that reduce a picture, mirror its border or cut it off."""

from __future__ import annotations

import numpy as np

from sr_models.importing.geometry import (
    MOST_POOLED,
    averaging,
    bilinear_reduction,
    is_same_padding,
    nearest_reduction,
    reducing,
)
from sr_models.importing.onnx_reader import NodeReader, attribute
from sr_models.importing.onnx_views import View

Pads = list[tuple[int, int]]
_MODES = {"reflect": "REFLECT", "edge": "EDGE"}
_MOST_EDGE = 4
"""Pixels of the border repeated: each takes a pass of its own."""
_MOST_DILATED = 15
"""Rows and columns of a dilated kernel with strides, which is written out with its zeros."""


class NodeGeometry(NodeReader):
    """Pooling, strides, padding by mirrored pixels, crops, and resizing to less."""

    def _read_MaxPool(self, node) -> View:
        if len(node.output) > 1 and node.output[1]:
            raise self._refused(node, "found MaxPool with the places of its maxima")
        view, pool, strides, pads, size = self._pooled(node)
        values = {"pool": pool, "strides": strides, "padding": "valid"}
        low = (view.height, view.width)
        if is_same_padding(tuple(pads), low, kernel=pool, strides=strides):
            values["padding"] = "same"
        else:
            values |= {"rows": pads[0], "columns": pads[1]}
        return self._add(node, "max_pool", [view], values, size=size)

    def _read_AveragePool(self, node) -> View:
        view, pool, strides, pads, size = self._pooled(node)
        low = (view.height, view.width)
        if not any(map(any, pads)):
            values = averaging(view.channels, size=pool, strides=strides, input_size=low)
            return self._add(node, "convolution", [view], values, size=size)
        if attribute(node, "count_include_pad", 0):
            given = self._given_pads(node, low, pool, strides)
            if any(a > b for pad, own in zip(pads, given) for a, b in zip(pad, own)):
                raise self._refused(node, "found AveragePool with ceil_mode")
            return self._averaged(node, view, (pool, strides, pads), size)
        if is_same_padding(tuple(pads), low, kernel=pool, strides=strides):
            values = {"pool": pool, "strides": strides, "padding": "same"}
            return self._add(node, "average_pool", [view], values, size=size)
        raise self._refused(
            node, "found AveragePool that leaves out its padding", name="AveragePool"
        )

    def _averaged(self, node, view: View, window, size) -> View:
        """The mean of each window, zeros around the picture counted."""
        pool, strides, pads = window
        rows, columns = pads
        padded = (view.height + sum(rows), view.width + sum(columns))
        around = self._add(node, "pad", [view], {"rows": rows, "columns": columns}, size=padded)
        values = averaging(view.channels, size=pool, strides=strides, input_size=padded)
        return self._add(node, "convolution", [around], values, size=size, alone=False)

    def _pooled(self, node):
        """Picture, pool, strides, effective padding, and size of what is made."""
        view = self._nchw(node)
        pool = attribute(node, "kernel_shape", [])
        strides = attribute(node, "strides", [1, 1])
        dilations = attribute(node, "dilations", [1, 1])
        numbers = (*pool, *strides)
        if (
            len(pool) != 2
            or len(strides) != 2
            or not 1 <= min(numbers) <= max(numbers) <= MOST_POOLED
        ):
            raise self._refused(node, f"found a pool of {list(pool)[:8]} by {list(strides)[:8]}")
        if set(dilations) != {1}:
            raise self._refused(node, f"found {node.op_type} with dilations of {tuple(dilations)}")
        pool, strides = tuple(pool), tuple(strides)
        low = (view.height, view.width)
        given = self._given_pads(node, low, pool, strides)
        if any(max(pad) >= k for pad, k in zip(given, pool)):
            raise self._refused(node, f"found {node.op_type} with more padding than pool")
        up, pads, size = bool(attribute(node, "ceil_mode", 0)), [], []
        for n, k, s, (before, after) in zip(low, pool, strides, given):
            room = n + before + after - k
            if room < 0:
                raise self._refused(
                    node, f"found {node.op_type} of a picture smaller than its pool"
                )
            count = (-(-room // s) if up else room // s) + 1
            if up and (count - 1) * s >= n + before:
                count -= 1  # A window that would begin behind the picture.
            reach = (count - 1) * s + k - n - before
            pads.append((before, max(0, reach)))
            size.append(count)
        return view, pool, strides, pads, tuple(size)

    def _given_pads(self, node, size, kernel, strides, dilation=(1, 1)) -> Pads:
        """Padding before and after, in rows and in columns, as a node says it."""
        axes = zip(size, kernel, strides, dilation)
        total = [max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0) for n, k, s, d in axes]
        return self._pads(node, total)

    def _pads(self, node, total: list[int]) -> Pads:
        """Zeros before and after, in rows and in columns.

        Args:
            node: With `auto_pad` or `pads`.
            total: What both together are where the node says to find them.
        """
        automatic = attribute(node, "auto_pad", "NOTSET")
        if automatic == "SAME_UPPER":
            return [(n // 2, n - n // 2) for n in total]
        if automatic == "SAME_LOWER":
            return [(n - n // 2, n // 2) for n in total]
        if automatic == "VALID":
            return [(0, 0), (0, 0)]
        top, left, bottom, right = attribute(node, "pads", [0, 0, 0, 0])
        if automatic != "NOTSET" or min(top, left, bottom, right) < 0:
            raise self._refused(node, "found padding that takes pixels away")
        return [(top, bottom), (left, right)]

    def _strided(self, node, view: View, values: dict, *, strides, dilation) -> View:
        """A convolution with strides.

        Args:
            node: A `Conv`.
            view: What it reads.
            values: Its kernel, bias and groups.
            strides: Of rows and of columns.
            dilation: The same; zeros are written into the kernel for it.
        """
        kernel = values["kernel"]
        if max(dilation) > 1:
            span = [(k - 1) * d + 1 for k, d in zip(kernel.shape[:2], dilation)]
            if max(span) > _MOST_DILATED:
                raise self._refused(node, f"found strides of {strides} with dilations {dilation}")
            spread = np.zeros((*span, *kernel.shape[2:]), np.float32)
            spread[:: dilation[0], :: dilation[1]] = kernel
            kernel = spread
        taps = kernel.shape[:2]
        pads = self._given_pads(node, (view.height, view.width), taps, strides)
        if any(map(any, pads)):
            amounts = {"rows": pads[0], "columns": pads[1]}
            size = (view.height + sum(pads[0]), view.width + sum(pads[1]))
            view = self._add(node, "pad", [view], amounts, size=size)
        low = (view.height, view.width)
        size = tuple((n - k) // s + 1 for n, k, s in zip(low, taps, strides))
        given = {"kernel": kernel, "padding": "valid", "dilation": (1, 1), "size": low}
        values = {**values, **given, "strides": strides}
        channels = kernel.shape[-1]
        return self._add(node, "convolution", [view], values, channels=channels, size=size)

    def _mirrored(self, node, view: View, mode: str, pads: dict[str, tuple[int, int]]) -> View:
        """A picture with mirrored or repeated pixels around it."""
        rows, columns = pads.get("H", (0, 0)), pads.get("W", (0, 0))
        every = (*rows, *columns)
        if any(any(pads.get(name, ())) for name in "NC") or min(every) < 0:
            raise self._refused(node, f"found padding by {mode} of anything but the border")
        if not any(every):
            return self._moved(node, view.axes)
        if mode == "edge" and max(every) > _MOST_EDGE:
            raise self._refused(node, f"found {max(every)} pixels of padding by the border")
        if mode == "reflect" and (max(rows) >= view.height or max(columns) >= view.width):
            raise self._refused(node, "found reflecting padding of more pixels than there are")
        values = {"rows": rows, "columns": columns, "mode": _MODES[mode]}
        size = (view.height + sum(rows), view.width + sum(columns))
        return self._add(node, "mirror_pad", [view], values, size=size)

    def _cut(self, node, view: View, rows: range, columns: range) -> View:
        """Rows and columns of a picture."""
        values = {
            "rows": (rows.start, view.height - rows.stop),
            "columns": (columns.start, view.width - columns.stop),
        }
        return self._add(node, "crop", [view], values, size=(len(rows), len(columns)))

    def _reduced(self, node, view: View, factor: int) -> View:
        """A `Resize` to a whole part of the size."""
        mode = attribute(node, "mode", "nearest")
        places = attribute(node, "coordinate_transformation_mode", "half_pixel")
        nearest = attribute(node, "nearest_mode", "round_prefer_floor")
        centred = places in ("half_pixel", "half_pixel_symmetric", "pytorch_half_pixel")
        if attribute(node, "antialias", 0):
            raise self._refused(node, "found resizing to less with antialiasing", name="Resize")
        first = mode == "linear" or nearest in _NEAREST
        if mode == "linear" and centred:
            taps = bilinear_reduction(factor, view.channels)
        elif places == "asymmetric" and first:
            taps = nearest_reduction(factor, view.channels, place=0)
        elif mode == "nearest" and centred and nearest in _NEAREST:
            place = (factor - 1) / 2
            place = int(np.ceil(place) if nearest in ("round_prefer_ceil", "ceil") else place)
            taps = nearest_reduction(factor, view.channels, place=place)
        else:
            how = f"{mode} resizing to less with {places}" + f" and {nearest}" * (mode == "nearest")
            raise self._refused(node, f"found {how}", name="Resize")
        low = (view.height, view.width)
        values = reducing(taps, strides=(factor, factor), input_size=low)
        size = (view.height // factor, view.width // factor)
        return self._add(node, "convolution", [view], values, size=size)


_NEAREST = ("floor", "round_prefer_floor", "round_prefer_ceil", "ceil")
"""Of a place between two pixels, which one is the nearest; of a whole place all say it itself."""
