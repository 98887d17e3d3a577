"""Nodes of an ONNX graph that move, repeat, cut out or interpolate pixels and channels."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from math import prod

import numpy as np

from sr_models.importing.geometry import MOST_REDUCED
from sr_models.importing.onnx_geometry import NodeGeometry
from sr_models.importing.onnx_reader import MOST_MADE, attribute
from sr_models.importing.onnx_views import C, Factor, View, reshaped
from sr_models.importing.picture_sizes import resizing_to_picture

_CENTRED = ("half_pixel", "half_pixel_symmetric", "pytorch_half_pixel")
_OLD = "an old Resize"
_PLACES = (*_CENTRED, "asymmetric", "align_corners")
_NEARLY = 1e-3
"""Of a size that is computed by a factor."""
_REPEATING = {("asymmetric", "floor")} | {
    (mode, nearest) for mode in _CENTRED for nearest in ("round_prefer_floor", "round_prefer_ceil")
}
"""Ways to find the nearest pixel that repeat each pixel alike when upscaling by whole factors."""


class NodeMoves(NodeGeometry):
    """Rearrangements, padding, upscaling, repeated and cut-out channels."""

    # Reshape and transpose: only the view changes.

    def _read_Reshape(self, node) -> View:
        view, shape = self._view(node), self._whole(node, 1)
        if not attribute(node, "allowzero", 0):
            shape = [n if n else view.shape[i] for i, n in enumerate(shape)]
        if shape.count(-1) == 1:
            rest = -prod(shape)
            shape[shape.index(-1)] = prod(view.shape) // rest if rest else 0
        return self._reshaped(node, shape)

    def _reshaped(self, node, shape: list[int]) -> View:
        axes = reshaped(self._view(node).axes, shape)
        if axes is None:
            axes = reshaped(self._picture(node).axes, shape)
        if axes is None:
            raise self._refused(
                node,
                f"found {node.op_type} from {list(self._view(node).shape)} to {shape[:8]} that is "
                "no rearrangement of pixels and channels",
            )
        return self._moved(node, axes)

    def _read_Transpose(self, node) -> View:
        axes = self._view(node).axes
        order = attribute(node, "perm", list(range(len(axes)))[::-1])
        if sorted(order) != list(range(len(axes))):
            raise self._refused(node, f"found a Transpose by {list(order)[:8]}")
        return self._moved(node, tuple(axes[i] for i in order))

    def _read_Squeeze(self, node) -> View:
        shape = self._view(node).shape
        given = self._numbers(node, "axes", 1)
        axes = [i for i, n in enumerate(shape) if n == 1] if given is None else given
        dropped = {axis % len(shape) for axis in axes}
        return self._reshaped(node, [n for i, n in enumerate(shape) if i not in dropped])

    def _read_Unsqueeze(self, node) -> View:
        shape, axes = list(self._view(node).shape), self._numbers(node, "axes", 1) or []
        rank = len(shape) + len(axes)
        for axis in sorted(axis % rank for axis in axes):
            shape.insert(axis, 1)
        return self._reshaped(node, shape)

    def _read_Expand(self, node) -> View:
        view, asked = self._view(node), self._whole(node, 1)
        rank = max(len(asked), len(view.axes))
        axes = ((),) * (rank - len(view.axes)) + view.axes
        asked = [1] * (rank - len(asked)) + asked
        made = []
        for axis, wanted in zip(axes, asked):
            made.append((Factor(C, wanted, 0),) if wanted > 1 and not axis else axis)
        return self._repeated(node, tuple(made))

    def _read_Tile(self, node) -> View:
        view, times = self._view(node), self._whole(node, 1)
        if len(times) != len(view.axes) or min(times, default=1) < 1:
            raise self._refused(node, f"found a Tile by {times[:8]}")
        pairs = zip(view.axes, times)
        return self._repeated(node, tuple(((Factor(C, n, 0),) * (n > 1)) + a for a, n in pairs))

    def _repeated(self, node, axes) -> View:
        made = self._moved(node, axes)
        if prod(made.shape) > MOST_MADE:
            raise self._refused(node, f"found {node.op_type} to {list(made.shape)[:8]}")
        return made

    # Depth to space and back.

    def _read_DepthToSpace(self, node) -> View:
        view, block = self._nchw(node), int(attribute(node, "blocksize", 0))
        if block < 1 or view.channels % block**2:
            raise self._refused(node, f"found blocks of {block} of {view.channels} channels")
        order = np.arange(view.channels)
        if attribute(node, "mode", "DCR") == "CRD":
            order = order.reshape(-1, block**2).T.reshape(-1)
        source = replace(view, alone=self._is_alone(node.input[0]))
        return self._spread(node, self._selected(node, source, order), block)

    def _read_SpaceToDepth(self, node) -> View:
        view, block = self._nchw(node), int(attribute(node, "blocksize", 0))
        if block < 1 or view.height % block or view.width % block:
            raise self._refused(node, f"found blocks of {block} of {list(view.shape)}")
        size, channels = (view.height // block, view.width // block), view.channels * block**2
        values = {"block": block}
        return self._add(node, "space_to_depth", [view], values, channels=channels, size=size)

    # Channels.

    def _read_Concat(self, node) -> View:
        if any(self._is_constant(node, place) for place in range(len(node.input))):
            raise self._refused(node, "found a concatenation with a constant")
        views = [self._picture(node, place) for place in range(len(node.input))]
        layouts = {(view.layout, view.height, view.width) for view in views}
        if len(layouts) > 1 or self._axis(node, views[0], attribute(node, "axis", 1)) != "C":
            raise self._refused(node, "found a concatenation of anything but channels")
        channels = sum(view.channels for view in views)
        if len(views) == 1:
            return self._moved(node, views[0].axes)
        if len({view.operation for view in views}) == 1:
            times = {"times": len(views)}
            return self._add(node, "repeat", views[:1], times, channels=channels)
        return self._add(node, "concatenate", views, channels=channels)

    def _read_Split(self, node) -> list[View]:
        view, count = self._picture(node), len(node.output)
        if self._axis(node, view, attribute(node, "axis", 0)) != "C":
            raise self._refused(node, "found a picture cut into parts")
        widths = self._numbers(node, "split", 1)
        if widths is None:
            width = -(-view.channels // count)
            widths = [width] * (count - 1) + [view.channels - width * (count - 1)]
        if len(widths) != count or sum(widths) != view.channels or min(widths) < 1:
            raise self._refused(node, f"found {view.channels} channels split into {widths[:8]}")
        starts = np.cumsum([0, *widths])
        return [self._taken(node, view, np.arange(start, stop)) for start, stop in pairwise(starts)]

    def _read_Slice(self, node) -> View:
        view = self._picture(node)
        starts, ends = (self._numbers(node, n, i) or [] for i, n in ((1, "starts"), (2, "ends")))
        axes = self._numbers(node, "axes", 3) or list(range(len(starts)))
        steps = self._whole(node, 4, [1] * len(starts))
        if not len(starts) == len(ends) == len(axes) == len(steps) or 0 in steps:
            raise self._refused(node, "found a Slice of unequal lists")
        whole, kept = view, {"H": range(view.height), "W": range(view.width)}
        for start, end, axis, step in zip(starts, ends, axes, steps):
            name = self._axis(node, view, axis)
            size = {"N": 1, "C": view.channels, "H": view.height, "W": view.width}[name]
            places = range(size)[slice(start, _end(end, size, step), step)]
            if places == range(size):
                continue
            if name in kept and len(places) and step == 1:
                kept[name] = places
                continue
            if name != "C" or not len(places):
                raise self._refused(node, "found a part of a picture cut out")
            view = self._taken(node, view, np.array(places))
        if kept != {"H": range(view.height), "W": range(view.width)}:
            return self._cut(node, view, kept["H"], kept["W"])
        return self._moved(node, view.axes) if view is whole else view

    def _read_Gather(self, node) -> View:
        view, places = self._picture(node), self._constant(node, 1)
        if self._axis(node, view, attribute(node, "axis", 0)) != "C" or places.ndim != 1:
            raise self._refused(node, "found a part of a picture cut out")
        places = np.where(places < 0, places + view.channels, places).astype(np.int64)
        if not len(places) or places.min() < 0 or places.max() >= view.channels:
            raise self._refused(node, "found Gather of channels that are not there")
        return self._taken(node, view, places)

    def _taken(self, node, view: View, places: np.ndarray) -> View:
        """Some channels of a picture, in the order in which they are named."""
        first, count = int(places[0]), len(places)
        if np.array_equal(places, np.arange(first, first + count)):
            if count == view.channels:
                return replace(view, alone=False)
            values = {"start": first, "stop": first + count}
            return self._add(node, "slice", [view], values, channels=count)
        return self._selected(node, replace(view, alone=self._is_alone(node.input[0])), places)

    # Pixels.

    def _read_Pad(self, node) -> View:
        mode = attribute(node, "mode", "constant")
        if mode not in ("constant", "reflect", "edge"):
            raise self._unknown(node, f"padding by {mode}")
        view, given = self._picture(node), self._numbers(node, "pads", 1) or []
        axes = self._whole(node, 3, list(range(4)))
        names = [self._axis(node, view, axis) for axis in axes]
        if len(given) != 2 * len(names) or len(set(names)) != len(names):
            raise self._refused(node, f"found a Pad by {given[:8]}")
        pads = dict(zip(names, zip(given, given[len(names) :])))
        if mode != "constant":
            return self._mirrored(node, view, mode, pads)
        rows, columns = pads.get("H", (0, 0)), pads.get("W", (0, 0))
        others = any(any(pads.get(name, ())) for name in "NC")
        value = attribute(node, "value", 0.0)  # Until opset 10.
        if others or value or self._constant(node, 2, 0.0).any():
            raise self._refused(node, "found a padding of anything but zeros at the border")
        # PyTorch pads by less than nothing where it cuts off.
        cut = {"rows": [max(0, -n) for n in rows], "columns": [max(0, -n) for n in columns]}
        if any(map(any, cut.values())):
            view = self._resized(node, "crop", view, cut, sign=-1)
        added = {"rows": [max(0, n) for n in rows], "columns": [max(0, n) for n in columns]}
        if any(map(any, added.values())):
            view = self._resized(node, "pad", view, added, sign=1)
        return view

    def _resized(self, node, kind: str, view: View, amounts: dict, *, sign: int) -> View:
        """The picture with rows and columns more or less at its borders."""
        rows, columns = (tuple(amounts[side]) for side in ("rows", "columns"))
        size = (view.height + sign * sum(rows), view.width + sign * sum(columns))
        return self._add(node, kind, [view], {"rows": rows, "columns": columns}, size=size)

    def _read_Resize(self, node) -> View:
        view, mode = self._picture(node), attribute(node, "mode", "nearest")
        if mode == "cubic":
            raise self._unknown(node, "bicubic upscaling")
        is_old = len(node.input) == 2  # Until opset 10.
        if is_old and (mode != "nearest" or self._factor(node, view) < 0):
            raise self._refused(node, f"found {mode} resizing of an opset below 11", name=_OLD)
        if mode == "linear" and (fitted := self._fitted(node, view)) is not None:
            return fitted
        factor = self._factor(node, view)
        if factor < 0:
            return self._reduced(node, view, -factor)
        if factor == 1:
            return self._moved(node, view.axes)
        usual = ("asymmetric", "floor") if is_old else ("half_pixel", "round_prefer_floor")
        places = attribute(node, "coordinate_transformation_mode", usual[0])
        size = (view.height * factor, view.width * factor)
        if mode == "linear" and places in _CENTRED:
            return self._add(node, "bilinear", [view], {"factor": factor}, size=size)
        nearest = attribute(node, "nearest_mode", usual[1])
        if mode != "nearest" or (places, nearest) not in _REPEATING:
            how = f"{mode} upscaling with {places}" + f" and {nearest}" * (mode == "nearest")
            raise self._refused(node, f"found {how}", name="Resize")
        times = {"times": factor**2}
        channels = view.channels * factor**2
        repeated = self._add(node, "repeat", [view], times, channels=channels)
        return self._spread(node, repeated, factor)

    _read_Upsample = _read_Resize

    def _fitted(self, node, view: View) -> View | None:
        """Bilinear resizing to the picture's size where no whole factor leads there."""
        places = attribute(node, "coordinate_transformation_mode", "half_pixel")
        _, _, wanted = self._wanted(node, view)
        size = [round(wanted.get(name, 0)) for name in "HW"]
        others = wanted.get("N", 1) == 1 and wanted.get("C", view.channels) == view.channels
        stretches = attribute(node, "keep_aspect_ratio_policy", "stretch") == "stretch"
        if places not in _PLACES or not (others and stretches):
            return None
        values = resizing_to_picture(
            self.network,
            view.operation,
            low=(view.height, view.width),
            high=size,
            picture=self.picture,
            corners=places == "align_corners",
            centred=places in _CENTRED,
        )
        if values is None or any(abs(wanted[n] - s) > _NEARLY for n, s in zip("HW", size)):
            return None
        return self._add(node, "resize", [view], values, size=tuple(size))

    def _wanted(self, node, view: View) -> tuple[list, list, dict[str, float]]:
        """Sizes of the axes that are resized, those that they get, and the latter by name."""
        axes = attribute(node, "axes", list(range(4)))
        names = [self._axis(node, view, axis) for axis in axes]
        sizes = {"N": 1, "C": view.channels, "H": view.height, "W": view.width}
        low = [sizes[name] for name in names]
        if self._has(node, 3):
            high = [float(n) for n in self._whole(node, 3)]
        elif self._has(node, place := 1 if len(node.input) == 2 else 2):
            scales = self._constant(node, place).reshape(-1).tolist()
            high = [n * scale for n, scale in zip(low, scales)] * (len(scales) == len(low))
        else:
            high = []
        return low, high, dict(zip(names, high)) if len(high) == len(low) else {}

    def _factor(self, node, view: View) -> int:
        """By how much a `Resize` enlarges rows and columns alike; below 0 where it reduces them."""
        low, high, wanted = self._wanted(node, view)
        sizes = {"N": 1, "C": view.channels, "H": view.height, "W": view.width}
        kept = attribute(node, "keep_aspect_ratio_policy", "stretch") == "stretch"
        if less := _reduction(view, wanted, sizes if kept else {}):
            return -less
        factor = round(wanted.get("H", 0) / view.height)
        enlarged = {n: s * factor if n in "HW" else s for n, s in sizes.items()}
        whole = all(wanted.get(n, -1 if n in "HW" else s) == enlarged[n] for n, s in sizes.items())
        if factor < 1 or not kept or not whole:
            raise self._refused(node, f"found resizing from {low} to {high[:8]}")
        return factor


def _reduction(view: View, wanted: dict[str, float], sizes: dict[str, int]) -> int:
    """By which whole factor a picture becomes smaller, rows and columns alike; 0 for none."""
    high = wanted.get("H", 0)
    factor = round(view.height / high) if high >= 1 else 0
    usable = 1 < factor <= MOST_REDUCED
    whole = {n: s / factor if n in "HW" else s for n, s in sizes.items()} if usable else {}
    return factor if whole and all(wanted.get(n, whole[n]) == s for n, s in whole.items()) else 0


def _end(end: int, size: int, step: int) -> int | None:
    """Where a slice ends in Python: one below the first place backwards is none."""
    return None if step < 0 and end < -size else end
