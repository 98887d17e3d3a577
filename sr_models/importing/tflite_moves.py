"""TFLite operators that move, join, cut out, pad or interpolate, or tell of shapes and types."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from sr_models.importing.tflite_nodes import NodeWriter
from sr_models.importing.tflite_values import batch_of
from sr_models.tflite.flatbuffer import OperatorInfo

_FAR = 2**31 - 1
_MIRRORED = {0: "reflect", 1: "symmetric"}
_TYPES = {
    "float32": TensorProto.FLOAT,
    "float16": TensorProto.FLOAT,
    "int64": TensorProto.INT64,
    "int32": TensorProto.INT64,
    "uint8": TensorProto.UINT8,
    "int8": TensorProto.INT8,
    "bool": TensorProto.BOOL,
}
"""Types that a tensor is cast to; sizes are of 64 bits here."""


class MoveWriter(NodeWriter):
    """An operator `X` is written by a method `_put_X`."""

    # The same values in another order.

    def _put_RESHAPE(self, op: OperatorInfo) -> None:
        held = self.held(op.inputs[1]) if self.has(op, 1) else self.option(op, "newShape", ())
        if held is None:
            shape = self.input(op, 1)
        else:
            sizes = np.array(held, np.int64).reshape(-1)
            batches = {batch_of(self.model, source) for source in self.model.graph.inputs}
            if sizes.size and sizes[0] in batches:
                sizes[0] = 1  # One picture of the batch.
            shape = self.constant(sizes)
        self.put_last(op, "Reshape", self.input(op), shape, allowzero=1)

    def _put_TRANSPOSE(self, op: OperatorInfo) -> None:
        self.put_last(op, "Transpose", self.input(op), perm=self.whole(op, 1))

    def _put_SQUEEZE(self, op: OperatorInfo) -> None:
        given = np.asarray(self.option(op, "squeezeDims", ())).reshape(-1)
        axes = [self.constant(given)] if given.size else []
        self.put_last(op, "Squeeze", self.input(op), *axes)

    def _put_EXPAND_DIMS(self, op: OperatorInfo) -> None:
        self.put_last(op, "Unsqueeze", self.input(op), self.constant(self.whole(op, 1)))

    def _put_DEPTH_TO_SPACE(self, op: OperatorInfo) -> None:
        block = self.option(op, "blockSize")
        self.put_picture(op, "DepthToSpace", self.input(op), blocksize=block, mode="DCR")

    def _put_SPACE_TO_DEPTH(self, op: OperatorInfo) -> None:
        self.put_picture(op, "SpaceToDepth", self.input(op), blocksize=self.option(op, "blockSize"))

    def _put_TILE(self, op: OperatorInfo) -> None:
        self.put_last(op, "Tile", self.input(op), self.input(op, 1))

    def _put_BROADCAST_TO(self, op: OperatorInfo) -> None:
        self.put_last(op, "Expand", self.input(op), self.input(op, 1))

    def _put_FILL(self, op: OperatorInfo) -> None:
        self.put_last(op, "Expand", self.input(op, 1), self.input(op))

    # Several tensors.

    def _put_CONCATENATION(self, op: OperatorInfo) -> None:
        parts = [self.input(op, place) for place in range(len(op.inputs))]
        self.put_last(op, "Concat", *parts, axis=self.option(op, "axis"))

    def _put_PACK(self, op: OperatorInfo) -> None:
        axis = self.option(op, "axis")
        parts = [
            self.put(op, "Unsqueeze", self.input(op, place), self.constant([axis]))
            for place in range(len(op.inputs))
        ]
        self.put_last(op, "Concat", *parts, axis=axis)

    def _put_UNPACK(self, op: OperatorInfo) -> None:
        axis = self.option(op, "axis")
        for place in range(len(op.outputs)):
            index = self.constant(place)
            self.put(op, "Gather", self.input(op), index, into=self.output(op, place), axis=axis)

    def _put_SPLIT(self, op: OperatorInfo) -> None:
        (axis,) = self.whole(op, 0)
        self._split(op, self.input(op, 1), axis)

    def _put_SPLIT_V(self, op: OperatorInfo) -> None:
        (axis,) = self.whole(op, 2)
        self._split(op, self.input(op), axis)

    def _split(self, op: OperatorInfo, tensor: str, axis: int) -> None:
        shapes = [self.model.graph.tensors[made].shape for made in op.outputs]
        if any(not -len(shape) <= axis < len(shape) for shape in shapes):
            raise self.refused(op, f"found {op.name} along the axis {axis}")
        widths = self.constant([shape[axis] for shape in shapes])
        self.put(op, "Split", tensor, widths, into=self.output(op), axis=axis)
        self.nodes[-1].output[:] = [self.output(op, place) for place in range(len(op.outputs))]

    # A part of a tensor.

    def _put_SLICE(self, op: OperatorInfo) -> None:
        starts, sizes = self.whole(op, 1), self.whole(op, 2)
        ends = [_FAR if size == -1 else start + size for start, size in zip(starts, sizes)]
        if len(starts) != len(sizes):
            raise self.refused(op, "found SLICE of unequal lists")
        self.put_last(op, "Slice", self.input(op), self.constant(starts), self.constant(ends))

    def _put_STRIDED_SLICE(self, op: OperatorInfo) -> None:
        lists = [self.whole(op, place) for place in (1, 2, 3)]
        masks = {
            name: self.option(op, f"{name}Mask")
            for name in ("begin", "end", "ellipsis", "newAxis", "shrinkAxis")
        }
        count = len(lists[0])
        if len({len(numbers) for numbers in lists}) > 1 or self.option(op, "offset", False):
            raise self.refused(op, "found STRIDED_SLICE of unequal lists")
        if masks["newAxis"]:
            raise self.refused(op, "found STRIDED_SLICE that makes an axis")
        axes, skipped = [], len(self.shape(op)) - count
        for place in range(count):
            after = any(masks["ellipsis"] >> before & 1 for before in range(place))
            axes.append(place + (skipped if after else 0))
        starts, ends, steps, taken, gone = [], [], [], [], []
        for place, (start, end, step) in enumerate(zip(*lists)):
            if masks["ellipsis"] >> place & 1:
                continue
            if masks["shrinkAxis"] >> place & 1:
                end, step = (start + 1) or _FAR, 1
                gone.append(axes[place])
            elif masks["begin"] >> place & 1:
                start = 0 if step > 0 else _FAR
            if masks["end"] >> place & 1 and axes[place] not in gone:
                end = _FAR if step > 0 else -_FAR
            for numbers, number in zip((starts, ends, steps, taken), (start, end, step, None)):
                numbers.append(axes[place] if number is None else number)
        lists = [self.constant(numbers) for numbers in (starts, ends, taken, steps)]
        if not gone:
            self.put_last(op, "Slice", self.input(op), *lists)
            return
        cut = self.put(op, "Slice", self.input(op), *lists)
        self.put_last(op, "Squeeze", cut, self.constant(gone))

    def _put_GATHER(self, op: OperatorInfo) -> None:
        if self.option(op, "batchDims"):
            raise self.refused(op, "found GATHER of each picture in another way")
        axis = self.option(op, "axis")
        self.put_last(op, "Gather", self.input(op), self.input(op, 1), axis=axis)

    # Pixels.

    def _put_PAD(self, op: OperatorInfo) -> None:
        self._pad(op, "constant")

    def _put_PADV2(self, op: OperatorInfo) -> None:
        self._pad(op, "constant", self.constant(self.numbers(op, 2).reshape(()), np.float32))

    def _put_MIRROR_PAD(self, op: OperatorInfo) -> None:
        self._pad(op, _MIRRORED.get(self.option(op, "mode"), "another rule"))

    def _pad(self, op: OperatorInfo, mode: str, *value: str) -> None:
        pads = self.numbers(op, 1)
        if pads.ndim != 2 or pads.shape[1] != 2:
            raise self.refused(op, f"found {op.name} by a list of shape {list(pads.shape)[:8]}")
        self.put_last(
            op, "Pad", self.input(op), self.constant(pads.T.reshape(-1)), *value, mode=mode
        )

    def _put_RESIZE_BILINEAR(self, op: OperatorInfo) -> None:
        self._resize(op, "linear", "round_prefer_floor")

    def _put_RESIZE_NEAREST_NEIGHBOR(self, op: OperatorInfo) -> None:
        centred = self.option(op, "halfPixelCenters", False)
        self._resize(op, "nearest", "round_prefer_ceil" if centred else "floor")

    def _resize(self, op: OperatorInfo, mode: str, nearest: str) -> None:
        places = "half_pixel" if self.option(op, "halfPixelCenters", False) else "asymmetric"
        if self.option(op, "alignCorners", False):
            places = "align_corners"
        self.put_last(
            op,
            "Resize",
            self.input(op),
            "",
            "",
            self.input(op, 1),
            mode=mode,
            nearest_mode=nearest,
            coordinate_transformation_mode=places,
            axes=[1, 2],
        )

    # Shapes and types.

    def _put_SHAPE(self, op: OperatorInfo) -> None:
        self.put_last(op, "Shape", self.input(op))

    def _put_CAST(self, op: OperatorInfo) -> None:
        dtype = self.model.graph.tensors[op.outputs[0]].dtype
        if dtype not in _TYPES:
            raise self.refused(op, f"found a CAST to {dtype}")
        self.put_last(op, "Cast", self.input(op), to=_TYPES[dtype])

    def _put_DEQUANTIZE(self, op: OperatorInfo) -> None:
        values = self.held(op.inputs[0])
        if values is None:
            self.put_last(op, "Identity", self.input(op))
        else:
            self.values[op.outputs[0]] = values

    _put_QUANTIZE = _put_DEQUANTIZE
