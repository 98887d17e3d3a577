"""A frozen graph read operator by operator into plain operations.

Every route into this package ends here: a Keras file, a SavedModel and a Python function become one
graph, so that nested models, operators written as `+` and layers that call each other look alike.
What is not in the table below is refused by name.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from export.networks.frozen_graph import Constants, FrozenGraph
from export.networks.operations import INPUT, Network, Operation, affine_values
from export.networks.transposed import as_convolution
from sr_models.errors import NetworkError

_ALIASES = (
    "Identity", "StopGradient", "Snapshot", "PreventGradient", "EnsureShape", "Cast",
    "CheckNumerics",
)  # fmt: skip
_NOTHING = ("Placeholder", "NoOp")
_AFFINE = ("BiasAdd", "Add", "AddV2", "Sub", "Mul", "RealDiv", "Div")
_TRANSPARENT = ("Reshape", "Squeeze", "ExpandDims", "Transpose")
_STRETCHING = ("ExpandDims", "Tile", "Reshape")
_INSTEAD = {
    "MaxPool": "a convolution", "AvgPool": "a convolution", "Mean": "a network without attention "
    "over the whole picture", "MirrorPad": "zero padding",
    "ResizeBicubic": "bilinear or nearest upscaling", "Elu": "ReLU or PReLU", "Selu": "ReLU",
    "Gelu": "ReLU", "Erf": "ReLU", "Softplus": "ReLU", "Transpose": "tf.nn.depth_to_space",
    "Reshape": "tf.nn.depth_to_space", "Einsum": "convolutions", "MatMul": "1x1 convolutions",
    "While": "unrolled layers", "StatelessWhile": "unrolled layers", "If": "one fixed path",
}  # fmt: skip


def read_graph(graph: FrozenGraph) -> Network:
    """The operations of a frozen graph.

    Args:
        graph: Traced for a fixed input size.

    Raises:
        NetworkError: An operator that has no place in an integer file, with its name and what to
            take instead; or weights that are not finite.
    """
    return _Reader(graph).read()


class _Reader:
    def __init__(self, graph: FrozenGraph):
        self.graph, self.constants = graph, Constants(graph)
        self.network = Network()
        self.made: dict[str, str] = {}  # tensor -> operation
        self.spread: dict[str, tuple[tuple[int, ...], str]] = {}  # tensor -> dilation, padding
        self.stretching: dict[str, tuple[int, int]] = {}  # tensor -> (axis, times), see `_stretch`
        channels = graph.input.shape[-1]
        self.network.add(Operation(INPUT, "input", (), channels))
        self.made[graph.input.name] = INPUT

    def read(self) -> Network:
        for op in self.graph.operators:
            if (op.outputs and op.outputs[0] in self.constants) or op.type in _NOTHING:
                continue
            if op.type == "Split":
                self._split(op)
            else:
                self.made[op.outputs[0].name] = self._operation(op)
        self.network.output = self._of(self.graph.output)
        network = self.network.pruned()
        for operation in network:
            if operation.kind == "stretch":
                raise NetworkError(
                    "expected pixels repeated alike in rows and columns, found only one of them "
                    f"({operation.layer}); take UpSampling2D with one factor"
                )
        return network

    def _of(self, tensor) -> str:
        if tensor.name not in self.made:
            raise NetworkError(
                f"expected an output computed from the picture, found the constant {tensor.name}; "
                "give a super-resolution network"
            )
        return self.made[tensor.name]

    def _operation(self, op) -> str:
        if op.type in _ALIASES:
            return self._of(op.inputs[0])
        if op.type in _TRANSPARENT and self._moves_nothing(op):
            return self._of(op.inputs[0])
        if op.type in _AFFINE and any(t in self.constants for t in op.inputs):
            return self._affine(op)
        if op.type in _STRETCHING and (stretched := self._stretch(op)) is not None:
            return stretched
        reader = getattr(self, f"_read_{op.type}", None)
        if reader is None:
            raise self._refused(op, f"found {op.type}")
        return reader(op)

    def _moves_nothing(self, op) -> bool:
        order = self.constants[op.inputs[1]].tolist() if op.type == "Transpose" else [0, 1, 2, 3]
        same = op.inputs[0].shape.as_list() == op.outputs[0].shape.as_list()
        return same and order == [0, 1, 2, 3]

    def _refused(self, op, found: str) -> NetworkError:
        instead = _INSTEAD.get(op.type, "the layers that docs/networks.md lists")
        return NetworkError(
            f"expected layers that run in full integer, {found} ({layer_name(op)}); take {instead} "
            "in its place"
        )

    def _add(self, op, kind: str, inputs, values: dict[str, Any] | None = None, channels=None):
        for value in (values or {}).values():
            if isinstance(value, np.ndarray) and not np.isfinite(value).all():
                raise NetworkError(
                    f"expected finite weights, found NaN or infinity in {layer_name(op)}; train "
                    "the network again or take an earlier checkpoint"
                )
        width = channels or op.outputs[0].shape[-1]
        names = tuple(n if isinstance(n, str) else self._of(n) for n in inputs)
        return self.network.add(Operation(layer_name(op), kind, names, width, values or {}))

    def _weights(self, op, tensor) -> np.ndarray:
        if tensor not in self.constants:
            raise self._refused(op, f"found weights of {op.type} that depend on the picture")
        return np.asarray(self.constants[tensor], np.float32)

    def _affine(self, op) -> str:
        first = op.inputs[0] not in self.constants
        picture, constant = op.inputs if first else reversed(op.inputs)
        values = np.asarray(self.constants[constant], np.float32)
        channels = op.outputs[0].shape[-1]
        if values.size not in (1, channels) or values.size != int(np.prod(values.shape[-1:])):
            raise self._refused(
                op, f"found values of shape {list(values.shape)} that depend on the place"
            )
        values = values.reshape(-1)
        if op.type in ("BiasAdd", "Add", "AddV2"):
            made = affine_values(channels, 1.0, values)
        elif op.type == "Sub":
            made = affine_values(channels, 1.0, -values) if first else affine_values(
                channels, -1.0, values
            )  # fmt: skip
        elif op.type == "Mul":
            made = affine_values(channels, values)
        elif first:
            made = affine_values(channels, 1.0 / values)
        else:
            raise self._refused(op, "found a division by what depends on the picture")
        return self._add(op, "affine", [picture], made)

    # Convolutions.

    def _convolution(self, op, kernel: np.ndarray, *, groups: int) -> str:
        _require_nhwc(op)
        padding = op.get_attr("padding").decode().lower()
        source = op.inputs[0]
        dilation = tuple(op.get_attr("dilations")[1:3])
        if source.name in self.spread:
            # Dilation as TensorFlow computes it: apart, convolved, and together again.
            dilation, padding = self.spread[source.name]
        if padding == "explicit":
            amounts = op.get_attr("explicit_paddings")
            pads = {"rows": tuple(amounts[2:4]), "columns": tuple(amounts[4:6])}
            source = self._add(op, "pad", [source], pads, channels=source.shape[-1])
            padding = "valid"
        strides = tuple(op.get_attr("strides")[1:3])
        if max(strides) > 1:
            raise self._refused(op, f"found strides of {strides}")
        values = {
            "kernel": kernel, "bias": np.zeros(kernel.shape[-1], np.float32), "padding": padding,
            "dilation": dilation, "groups": groups,
        }  # fmt: skip
        return self._add(op, "convolution", [source], values)

    def _read_SpaceToBatchND(self, op) -> str:
        blocks, pads = (self.constants[tensor].tolist() for tensor in op.inputs[1:])
        padding = "same" if any(before for before, _ in pads) else "valid"
        self.spread[op.outputs[0].name] = (tuple(blocks), padding)
        return self._of(op.inputs[0])

    def _read_BatchToSpaceND(self, op) -> str:
        return self._of(op.inputs[0])

    def _read_Conv2D(self, op) -> str:
        kernel = self._weights(op, op.inputs[1])
        return self._convolution(op, kernel, groups=op.inputs[0].shape[-1] // kernel.shape[2])

    def _read_DepthwiseConv2dNative(self, op) -> str:
        kernel = self._weights(op, op.inputs[1])
        height, width, channels, times = kernel.shape
        return self._convolution(
            op, kernel.reshape(height, width, 1, channels * times), groups=channels
        )

    def _read_Conv2DBackpropInput(self, op) -> str:
        _require_nhwc(op)
        kernel, picture = self._weights(op, op.inputs[1]), op.inputs[2]
        strides = op.get_attr("strides")[1:3]
        low, high = picture.shape[1:3], op.outputs[0].shape[1:3]
        stride = strides[0]
        if set(strides) != {stride} or list(high) != [size * stride for size in low]:
            raise self._refused(
                op, f"found a transposed convolution from {list(low)} to {list(high)} pixels "
                f"with strides {strides}",
            )  # fmt: skip
        padding = op.get_attr("padding").decode().lower()
        small = as_convolution(kernel, stride=stride, padding=padding)
        values = {
            "kernel": small, "bias": np.zeros(small.shape[-1], np.float32), "padding": "same",
            "dilation": (1, 1), "groups": 1,
        }  # fmt: skip
        if stride == 1:
            return self._add(op, "convolution", [picture], values)
        made = self._add(op, "convolution", [picture], values, channels=small.shape[-1])
        return self._add(op, "depth_to_space", [made], {"block": stride})

    def _read_FusedBatchNormV3(self, op) -> str:
        if op.get_attr("is_training"):
            raise self._refused(op, "found batch normalization in its training form")
        gamma, beta, mean, variance = (self._weights(op, t) for t in op.inputs[1:5])
        factor = gamma / np.sqrt(variance + op.get_attr("epsilon"))
        made = {"factor": factor, "shift": beta - mean * factor}
        return self._add(op, "affine", [op.inputs[0]], made)

    # Activations and bounds.

    def _read_Relu(self, op) -> str:
        return self._add(op, "bound", op.inputs, {"minimum": 0.0, "maximum": np.inf})

    def _read_Relu6(self, op) -> str:
        return self._add(op, "bound", op.inputs, {"minimum": 0.0, "maximum": 6.0})

    def _read_ClipByValue(self, op) -> str:
        low, high = (self._number(op, t) for t in op.inputs[1:])
        return self._add(op, "bound", op.inputs[:1], {"minimum": low, "maximum": high})

    def _number(self, op, tensor) -> float:
        values = self._weights(op, tensor)
        if np.unique(values).size != 1:
            raise self._refused(op, f"found {op.type} with a bound for each channel or place")
        return float(values.flat[0])

    def _read_Maximum(self, op) -> str:
        return self._bound(op, "minimum", {"maximum": np.inf})

    def _read_Minimum(self, op) -> str:
        return self._bound(op, "maximum", {"minimum": -np.inf})

    def _bound(self, op, side: str, other: dict[str, float]) -> str:
        given = [t for t in op.inputs if t in self.constants]
        if given:
            (picture,) = (t for t in op.inputs if t not in self.constants)
            return self._add(op, "bound", [picture], {side: self._number(op, given[0]), **other})
        slope = self._slope(op) if side == "minimum" else None
        if slope is None:
            raise self._refused(op, f"found {op.type} of two tensors")
        return self._add(op, "prelu", [slope[0]], {"slope": slope[1]})

    def _slope(self, op):
        """max(x, a x) is x with the slope a on its negative side, for a up to 1."""
        names = [self._of(t) for t in op.inputs]
        for scaled, plain in (names, names[::-1]):
            made = self.network[scaled]
            scales = made.kind == "affine" and not made["shift"].any()
            if scales and made.inputs == (plain,) and (made["factor"] <= 1.0).all():
                return plain, made["factor"]
        return None

    def _read_LeakyRelu(self, op) -> str:
        slope = np.full(op.outputs[0].shape[-1], op.get_attr("alpha"), np.float32)
        return self._add(op, "prelu", op.inputs, {"slope": slope})

    def _read_Tanh(self, op) -> str:
        return self._add(op, "tanh", op.inputs)

    def _read_Sigmoid(self, op) -> str:
        return self._add(op, "sigmoid", op.inputs)

    def _read_Neg(self, op) -> str:
        return self._add(op, "affine", op.inputs, affine_values(op.outputs[0].shape[-1], -1.0))

    def _read_Round(self, op) -> str:
        return self._add(op, "rounding", op.inputs)

    # Several tensors.

    def _read_AddV2(self, op) -> str:
        return self._sum(op, op.inputs)

    _read_Add = _read_AddV2
    _read_AddN = _read_AddV2

    def _read_Sub(self, op) -> str:
        first, second = op.inputs
        values = affine_values(second.shape[-1], -1.0)
        negative = self._add(op, "affine", [second], values, channels=second.shape[-1])
        return self._sum(op, [first, negative], shapes=[t.shape for t in op.inputs])

    def _sum(self, op, inputs, *, shapes=None) -> str:
        if len({tuple(s) for s in shapes or [t.shape.as_list() for t in inputs]}) > 1:
            raise self._refused(op, "found a sum of tensors of different shapes")
        total, *others = inputs
        for other in others:
            total = self._add(op, "add", [total, other])
        return total

    def _read_Mul(self, op) -> str:
        if len({tuple(t.shape.as_list()) for t in op.inputs}) > 1:
            raise self._refused(op, "found a product of tensors of different shapes")
        return self._add(op, "multiply", op.inputs)

    def _read_ConcatV2(self, op) -> str:
        *parts, axis = op.inputs
        if int(self.constants[axis]) not in (-1, 3) or any(t in self.constants for t in parts):
            raise self._refused(op, "found a concatenation of anything but channels")
        names = [self._of(t) for t in parts]
        if len(parts) > 1 and len(set(names)) == 1:
            return self._add(op, "repeat", names[:1], {"times": len(parts)})
        return self._add(op, "concatenate", names)

    def _read_Tile(self, op) -> str:
        times = self.constants[op.inputs[1]].tolist()
        if times[:-1] != [1, 1, 1]:
            raise self._refused(op, "found a picture repeated side by side")
        return self._add(op, "repeat", op.inputs[:1], {"times": times[-1]})

    # Moves.

    def _read_DepthToSpace(self, op) -> str:
        _require_nhwc(op)
        return self._add(op, "depth_to_space", op.inputs, {"block": op.get_attr("block_size")})

    def _read_SpaceToDepth(self, op) -> str:
        _require_nhwc(op)
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
        factor, channels = self._factor(op), op.outputs[0].shape[-1]
        if op.get_attr("align_corners"):
            raise self._refused(op, "found nearest upscaling with aligned corners")
        times = {"times": factor**2}
        repeated = self._add(op, "repeat", op.inputs[:1], times, channels=channels * factor**2)
        return self._add(op, "depth_to_space", [repeated], {"block": factor})

    def _read_ResizeBilinear(self, op) -> str:
        factor = self._factor(op)
        if not op.get_attr("half_pixel_centers") or op.get_attr("align_corners"):
            raise self._refused(op, "found bilinear upscaling without half-pixel centres")
        return self._add(op, "bilinear", op.inputs[:1], {"factor": factor})

    def _read_StridedSlice(self, op) -> str:
        shape, begin, end, strides = (op.inputs[0].shape.as_list(), *(
            self.constants[t].tolist() for t in op.inputs[1:]
        ))  # fmt: skip
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


def _require_nhwc(op) -> None:
    layout = op.get_attr("data_format").decode()
    if layout != "NHWC":
        raise NetworkError(
            f"expected channels last (NHWC), found {layout} in {layer_name(op)}; build the network "
            'with data_format="channels_last"'
        )


def layer_name(op) -> str:
    """What a user calls an operator: its layer's name where the scope tells it."""
    parts = op.name.split("/")
    if len(parts) > 1 and re.sub(r"_\d+$", "", parts[-1]).lower() in (
        op.type.lower(), op.type.lower().rstrip("v2"), "depthwise", "conv2d_transpose", "mul",
        "add", "sub", "truediv", "biasadd", "separable_conv2d", "fusedbatchnormv3",
    ):  # fmt: skip
        parts = parts[:-1]
    return re.sub(r"[^A-Za-z0-9_.]", "_", parts[-1]).lstrip("_.") or "operator"
