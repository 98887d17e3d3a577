"""A frozen graph without transposes: pictures that lie otherwise are followed as views.

Channels first, and a pixel shuffle written as reshape, transpose and reshape, move values and
compute nothing. Each tensor is held as a view of one with channels last. Operators are written anew
on that one; what views come to is a depth to space, of channels in another order where it needs it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import tensorflow as tf
from tensorflow.python.eager.wrap_function import function_from_graph_def

from sr_models.ground.errors import NetworkError
from sr_models.importing.channels_first import TO_FIRST, TO_LAST
from sr_models.importing.frozen_graph import Constants, FrozenGraph, ordered
from sr_models.importing.graph_writer import NodeWriter
from sr_models.importing.onnx_views import Factor, View, rearrangement, reshaped, whole_axes
from sr_models.importing.operator_reader import UNFITTING

_MOVES = ("Reshape", "Transpose", "Squeeze", "ExpandDims")
_ALONE_NAMES = """
    Identity StopGradient Snapshot PreventGradient EnsureShape CheckNumerics Relu Relu6
    LeakyRelu Elu Selu Softplus Tanh Sigmoid Abs Neg Exp Erf Sqrt Rsqrt Square Round Rint
    Floor Cast ClipByValue FakeQuantWithMinMaxVars
"""
_ALONE = frozenset(_ALONE_NAMES.split())
"""Operators of one tensor, value by value."""
_TOGETHER_NAMES = "Add AddV2 AddN Sub Mul RealDiv Div Maximum Minimum SquaredDifference"
_TOGETHER = frozenset(_TOGETHER_NAMES.split())
"""Operators of several tensors, value by value."""
_AXES = {"ConcatV2": -1, "Split": 0, "SplitV": 2, "Mean": 1, "Max": 1, "Min": 1, "Sum": 1}
"""Operator -> which of its inputs names axes."""
_ROWS = {"Pad": (1,), "PadV2": (1,), "MirrorPad": (1,), "Tile": (1,), "Slice": (1, 2)}
"""Operator -> which of its inputs have an entry for each axis."""
_WHOLE = {"begin_mask": 7, "end_mask": 7}
"""`StridedSlice` of channels alone, as its reader knows it."""


def has_channels_first(graph: FrozenGraph) -> bool:
    """Whether a picture is transposed between channels last and channels first."""
    constants = Constants(graph)
    for op in graph.operators:
        if op.type == "Transpose" and op.outputs[0] not in constants:
            order = constants[op.inputs[1]].tolist() if op.inputs[1] in constants else []
            if tuple(order) in (TO_FIRST, TO_LAST):
                return True
    return False


def without_transposes(graph: FrozenGraph, refused: Callable[..., NetworkError]) -> FrozenGraph:
    """The same function with pictures of channels last alone.

    Args:
        graph: Of operators that are all known.
        refused: Makes the error for an operator and what was found there.

    Raises:
        NetworkError: A rearrangement that is none of pixels and channels, by its layer's name.
    """
    nodes, source, output = _Rewriting(graph, refused).run()
    try:
        made = function_from_graph_def(nodes, [f"{source}:0"], [output])
    except Exception as error:  # Whatever TensorFlow says of shapes that do not fit.
        raise refused(graph.output.op, "found sizes that do not fit channels last") from error
    (last,), (first,) = made.outputs, made.inputs
    return FrozenGraph(graph.function, ordered(last.op), first, last, graph.step)


def _is_move(op) -> bool:
    """Whether an operator gives the same values under other axes."""
    if op.type == "StridedSlice":  # As `x[None]` and `x[0]` are.
        sizes = [[n for n in t.shape.as_list() if n != 1] for t in (op.inputs[0], op.outputs[0])]
        return len(op.outputs[0].shape) != len(op.inputs[0].shape) and sizes[0] == sizes[1]
    return op.type in _MOVES


class _Rewriting(NodeWriter):
    """Holds the new graph, and what each tensor of the old one is in it."""

    def __init__(self, graph: FrozenGraph, refused):
        super().__init__()
        self.graph, self.refused = graph, refused
        self.constants = Constants(graph)
        self.views: dict[str, View] = {}
        self.plain: dict[str, str] = {}  # tensor -> one of the new graph that is no picture
        self.makers = {}  # tensor -> the operator that moved it last

    def run(self):
        for op in self.graph.operators:
            if op.outputs and op.outputs[0] in self.constants:
                continue
            try:
                self._read(op)
            except UNFITTING as error:
                found = f"found values of {op.type} that do not fit"
                raise self.refused(op, found) from error
        return self.nodes, self.graph.input.op.name, self._tensor(self.graph.output)

    def _read(self, op) -> None:
        if op.name == self.graph.input.op.name:
            node = self.node(op)
            node.attr["shape"].shape.CopyFrom(self.graph.input.shape.as_proto())
            self._take(op)
        elif op.inputs and op.inputs[0].name in self.views and _is_move(op):
            self._move(op)
        else:
            self._rule(op)(op)

    def _rule(self, op) -> Callable:
        given = [t for t in op.inputs if t not in self.constants]
        if not all(t.name in self.views for t in given) or not given:
            return self._copied
        if op.type in _ALONE and given == [op.inputs[0]]:
            return self._alone
        if op.type in _TOGETHER:
            return self._together
        if op.type == "Tile" and self.views[given[0].name].layout is None:
            return self._repeated
        first = op.type in _AXES or op.type in _ROWS or op.type == "StridedSlice"
        if first and all(self._picture(t).layout == "NCHW" for t in given):
            return self._along_axes
        return self._copied

    # Tensors of the old graph in the new one.

    def _take(self, op, *, layout: str = "NHWC") -> None:
        """Hold what an operator makes, by its last node, as pictures where it is one."""
        name = self.nodes.node[-1].name
        for place, tensor in enumerate(op.outputs):
            shape = tensor.shape.as_list() if tensor.shape.rank is not None else [None]
            if len(shape) == 4 and None not in shape and shape[0] == 1:
                sizes = dict(zip(layout, shape))
                whole = sizes["C"], sizes["H"], sizes["W"]
                self.views[tensor.name] = View(
                    f"{name}:{place}", *whole, axes=whole_axes(layout, *whole)
                )
            else:
                self.plain[tensor.name] = f"{name}:{place}"

    def _picture(self, tensor) -> View:
        view = self.views[tensor.name]
        if view.layout is None:
            op = self.makers.get(tensor.name, tensor.op)
            found = rearrangement(view)
            if found is None:
                raise self.refused(
                    op,
                    f"found {op.type} to {list(view.shape)[:8]} that is no rearrangement of "
                    "pixels and channels",
                )
            self.views[tensor.name] = view = self._rearranged(op, tensor.dtype, view, found)
        return view

    def _picture_at_last(self, tensor) -> View:
        """A tensor as a picture where it is one again, as it is where it is on its way."""
        view = self.views[tensor.name]
        if view.layout is None and rearrangement(view) is not None:
            return self._picture(tensor)
        return view

    def _rearranged(self, op, dtype, view: View, found) -> View:
        name, (channels, height, width) = view.operation, view.size
        block = found.gathered
        if block > 1:
            name = self.made("SpaceToDepth", op.name, [name], T=dtype, block_size=block)
            channels, height, width = channels * block**2, height // block, width // block
        order = np.asarray(found.order)
        times, rest = divmod(len(order), channels)
        if not rest and np.array_equal(order, np.tile(np.arange(channels), times)):
            if times > 1:
                multiples = self.held(np.int32([1, 1, 1, times]), op.name)
                near = f"{op.name}/tile"
                name = self.made("Tile", near, [name, multiples], T=dtype, Tmultiples=tf.int32)
        else:
            places = [
                self.held(values, op.name) for values in (order.astype(np.int32), np.int32(3))
            ]
            types = {"Tparams": dtype, "Tindices": tf.int32, "Taxis": tf.int32}
            name = self.made("GatherV2", op.name, [name, *places], **types)
        channels, block = len(order), found.spread
        if block > 1:
            name = self.made("DepthToSpace", op.name, [name], T=dtype, block_size=block)
            channels, height, width = channels // block**2, height * block, width * block
        whole = channels, height, width
        return View(name, *whole, axes=whole_axes(found.layout, *whole))

    def _tensor(self, tensor) -> str:
        """Its name in the new graph, lying as in the old one."""
        if tensor in self.constants:
            return self.held(self.constants[tensor], tensor.op.name)
        if tensor.name in self.plain:
            return self.plain[tensor.name]
        view = self._picture(tensor)
        if view.layout == "NHWC" or view.size[1:] == (1, 1) == tuple(view.shape[1:3]):
            return view.operation
        op = self.makers.get(tensor.name, tensor.op)
        raise self.refused(op, f"found {op.type} of a picture that stays transposed")

    # Operators.

    def _move(self, op) -> None:
        source, target = op.inputs[0], op.outputs[0]
        view, shape = self.views[source.name], target.shape.as_list()
        if op.type == "Transpose":
            axes = tuple(view.axes[place] for place in self.constants[op.inputs[1]].tolist())
        else:
            axes = None if None in shape else reshaped(view.axes, shape)
        if axes is None:
            raise self.refused(op, f"found {op.type} to {shape[:8]}")
        self.views[target.name] = replace(view, axes=axes)
        self.makers[target.name] = op

    def _copied(self, op) -> None:
        self.node(op, [self._tensor(tensor) for tensor in op.inputs])
        self._take(op)

    def _alone(self, op) -> None:
        source = op.inputs[0]
        view = self._picture_at_last(source)
        others = [self._tensor(tensor) for tensor in op.inputs[1:]]
        node = self.node(op, [view.operation, *others])
        self.views[op.outputs[0].name] = replace(view, operation=f"{node.name}:0")
        self.makers[op.outputs[0].name] = self.makers.get(op.inputs[0].name, op)

    def _together(self, op) -> None:
        given = [t for t in op.inputs if t not in self.constants]
        held = [self.constants[t] for t in op.inputs if t in self.constants]
        views = [self._picture_at_last(t) for t in given]
        scalars = all(values.size == 1 for values in held)
        if not (scalars and all(view.axes == views[0].axes for view in views)):
            views = [self._picture(t) for t in given]
            layouts = {view.layout for view in views}
            if len(layouts) > 1:
                raise self.refused(op, f"found {op.type} of pictures that lie differently")
        layout, near, inputs = views[0].layout, op.name, []
        for tensor in op.inputs:
            if tensor not in self.constants:
                inputs.append(self.views[tensor.name].operation)
                continue
            values = self.constants[tensor]
            if values.size == 1:
                values = values.reshape(())
            elif layout == "NCHW":
                values = values.reshape((1,) * (4 - values.ndim) + values.shape)
                values = values.transpose(TO_LAST)
            inputs.append(self.held(values, near))
        node = self.node(op, inputs)
        widest = max(views, key=lambda view: np.prod(view.size))
        self.views[op.outputs[0].name] = replace(widest, operation=f"{node.name}:0")
        self.makers[op.outputs[0].name] = self.makers.get(given[0].name, op)

    def _repeated(self, op) -> None:
        """A tensor tiled along axes of one place: `tf.repeat`, and upscaling by it."""
        view, times = self.views[op.inputs[0].name], self.constants[op.inputs[1]].tolist()
        axes = list(view.axes)
        for place, count in enumerate(times):
            if count > 1 and axes[place]:
                raise self.refused(op, "found a picture repeated side by side")
            if count > 1:
                axes[place] = (Factor("C", count, 0),)
        self.views[op.outputs[0].name] = replace(view, axes=tuple(axes))
        self.makers[op.outputs[0].name] = op

    def _along_axes(self, op) -> None:
        """An operator with axes, of pictures with channels first."""
        values = {i: self.constants[t] for i, t in enumerate(op.inputs) if t in self.constants}
        changed, node_attributes = {}, {}
        if op.type in _AXES:
            place = _AXES[op.type] % len(op.inputs)
            if place in values:
                axes = np.asarray(values[place])
                changed[place] = np.array([0, 3, 1, 2], axes.dtype)[axes]
        elif op.type == "StridedSlice":
            begin, size, step = self._parts(op)
            changed = {1: begin, 2: begin + size * step, 3: step}
            node_attributes = dict(_WHOLE)
        else:
            for place in _ROWS[op.type]:
                changed[place] = np.asarray(values[place])[list(TO_LAST)]
        inputs = [
            self.held(changed[i], op.name)
            if i in changed
            else self.held(values[i], op.name)
            if i in values
            else self._picture(t).operation
            for i, t in enumerate(op.inputs)
        ]
        node = self.node(op, inputs)
        for name, mask in node_attributes.items():
            node.attr[name].i = mask
        for name in ("ellipsis_mask", "new_axis_mask", "shrink_axis_mask"):
            if op.type == "StridedSlice":
                node.attr[name].i = 0
        self._take(op, layout="NCHW")

    def _parts(self, op):
        """Begin, size and step of a slice, each axis, with channels last; of channels alone."""
        shape, high = (t.shape.as_list() for t in (op.inputs[0], op.outputs[0]))
        begin, _, strides = (self.constants[t].tolist() for t in op.inputs[1:])
        masks = {m: op.get_attr(m) for m in ("ellipsis_mask", "new_axis_mask", "shrink_axis_mask")}
        same = len(high) == 4 and [high[i] for i in (0, 2, 3)] == [shape[i] for i in (0, 2, 3)]
        if any(masks.values()) or not same or len(begin) < 2 or set(strides) != {1}:
            raise self.refused(op, "found a part of a picture cut out")
        start = 0 if op.get_attr("begin_mask") & 2 else begin[1] % shape[1]
        kind = op.inputs[1].dtype.as_numpy_dtype
        return (
            np.array([0, 0, 0, start], kind),
            np.array([1, shape[2], shape[3], high[1]], kind),
            np.ones(4, kind),
        )
