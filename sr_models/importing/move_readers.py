"""Operators of a frozen graph that move or interpolate pixels."""

from __future__ import annotations

from sr_models.importing.geometry_readers import GeometryReaders
from sr_models.importing.operator_reader import require_nhwc
from sr_models.importing.picture_sizes import resizing_to_picture


class MoveReaders(GeometryReaders):
    """Rearrangements, padding, upscaling."""

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
        source = self._of(op.inputs[0])
        values = resizing_to_picture(
            self.network,
            source,
            low=op.inputs[0].shape[1:3],
            high=op.outputs[0].shape[1:3],
            picture=self.graph.input.shape[1:3],
            corners=op.get_attr("align_corners"),
            centred=op.get_attr("half_pixel_centers"),
        )
        if values is not None:
            return self._add(op, "resize", [source], values)
        if (reduction := self._reduction(op)) is not None:
            return self._reduced_bilinear(op, reduction)
        factor = self._factor(op)
        if not op.get_attr("half_pixel_centers") or op.get_attr("align_corners"):
            raise self._refused(op, "found bilinear upscaling without half-pixel centres")
        return self._add(op, "bilinear", op.inputs[:1], {"factor": factor})
