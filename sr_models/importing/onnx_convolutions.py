"""Convolutions of an ONNX graph, plain, grouped and transposed, and batch normalization."""

from __future__ import annotations

from math import prod

import numpy as np

from sr_models.importing.onnx_geometry import NodeGeometry, Pads
from sr_models.importing.onnx_grids import NodeGrids
from sr_models.importing.onnx_reader import MOST_MADE, attribute
from sr_models.importing.onnx_views import View, whole_axes
from sr_models.importing.source_grids import with_steps
from sr_models.importing.transposed import as_convolution

_MOST_TAPS = 64
"""Rows and columns of a kernel."""
_LONGEST_REACH = 1024
"""Pixels between the first and the last tap of a kernel."""


class NodeConvolutions(NodeGeometry, NodeGrids):
    """`Conv`, `ConvTranspose` and `BatchNormalization`."""

    def _read_Conv(self, node) -> View:
        view, kernel = self._nchw(node), self._weights(node, 1)
        groups = attribute(node, "group", 1)
        self._require_kernel(node, kernel)
        strides, dilation = (self._pair(node, name) for name in ("strides", "dilations"))
        outputs = kernel.shape[0]
        if groups < 1 or outputs % groups or kernel.shape[1] * groups != view.channels:
            raise self._refused(node, f"found {groups} groups of {view.channels} channels")
        reach = [d * (k - 1) for k, d in zip(kernel.shape[2:], dilation)]
        if max(reach) > _LONGEST_REACH:
            raise self._refused(node, f"found dilations of {dilation}")
        if max(strides) > 1:
            values = {
                "kernel": kernel.transpose(2, 3, 1, 0),
                "bias": self._bias(node, outputs),
                "groups": groups,
            }
            return self._strided(node, view, values, strides=strides, dilation=dilation)
        pads = self._pads(node, reach)
        same = [(total // 2, total - total // 2) for total in reach]
        padding = "same" if pads == same else "valid"
        if padding == "valid" and pads != [(0, 0), (0, 0)]:
            view = self._padded(node, view, pads)
        size = (view.height, view.width)
        if padding == "valid":
            size = (size[0] - reach[0], size[1] - reach[1])
        kernel = kernel.transpose(2, 3, 1, 0)
        order = self.network[view.operation].values.get("order")
        if order is not None and groups == 1:  # What only moves channels needs no pass of its own.
            (before,) = self.network[view.operation].inputs
            inputs = self.network[before].channels
            moved = np.zeros((*kernel.shape[:2], inputs, outputs), np.float32)
            np.add.at(moved, (slice(None), slice(None), order), kernel)
            kernel, whole = moved, (inputs, view.height, view.width)
            view = View(before, *whole, axes=whole_axes("NCHW", *whole))
        values = {
            "kernel": kernel,
            "bias": self._bias(node, outputs),
            "padding": padding,
            "dilation": dilation,
            "groups": groups,
        }
        values = with_steps(values, self._steps_of(node, 1))
        return self._add(node, "convolution", [view], values, channels=outputs, size=size)

    def _require_kernel(self, node, kernel: np.ndarray) -> None:
        if kernel.ndim != 4 or 0 in kernel.shape or max(kernel.shape[2:]) > _MOST_TAPS:
            raise self._refused(node, f"found a kernel of shape {list(kernel.shape)[:8]}")
        if list(attribute(node, "kernel_shape", kernel.shape[2:])) != list(kernel.shape[2:]):
            raise self._refused(node, "found a kernel of another shape than it says")

    def _pair(self, node, name: str) -> tuple[int, int]:
        first, second = attribute(node, name, [1, 1])
        if min(first, second) < 1:
            raise self._refused(node, f"found {name} of {(first, second)}")
        return first, second

    def _bias(self, node, outputs: int) -> np.ndarray:
        bias = self._weights(node, 2) if self._has(node, 2) else np.zeros(outputs, np.float32)
        if bias.shape != (outputs,):
            raise self._refused(node, f"found a bias of shape {list(bias.shape)[:8]}")
        return bias

    def _padded(self, node, view: View, pads: Pads) -> View:
        size = (view.height + sum(pads[0]), view.width + sum(pads[1]))
        return self._add(node, "pad", [view], {"rows": pads[0], "columns": pads[1]}, size=size)

    def _read_ConvTranspose(self, node) -> View:
        view, kernel = self._nchw(node), self._weights(node, 1)
        groups = attribute(node, "group", 1)
        self._require_kernel(node, kernel)
        if groups < 1 or kernel.shape[0] != view.channels or view.channels % groups:
            raise self._refused(node, f"found {groups} groups of {view.channels} channels")
        strides, dilation = (self._pair(node, name) for name in ("strides", "dilations"))
        if dilation != (1, 1):
            raise self._refused(node, f"found a transposed convolution with dilations {dilation}")
        low, more = [view.height, view.width], attribute(node, "output_padding", [0, 0])
        whole = [s * (n - 1) + m + k for s, n, m, k in zip(strides, low, more, kernel.shape[2:])]
        asked = attribute(node, "output_shape")
        wanted = list(asked)[-2:] if asked else [s * n for s, n in zip(strides, low)]
        total = [n - m for n, m in zip(whole, wanted)]
        if asked and attribute(node, "auto_pad", "NOTSET") == "NOTSET":
            pads = [(n - n // 2, n // 2) for n in total]
        else:
            pads = self._pads(node, total)
        high = [n - sum(pad) for n, pad in zip(whole, pads)]
        stride = strides[0]
        if set(strides) != {stride} or min(high) < 1:
            raise self._refused(
                node,
                f"found a transposed convolution from {low} to {high} pixels with strides "
                f"{strides}",
            )
        outputs = kernel.shape[1] * groups
        if prod(high) * outputs > MOST_MADE:
            raise self._refused(node, f"found strides of {strides}")
        before = (pads[0][0], pads[1][0])
        if high != [n * stride for n in low]:
            cuts = [
                (b, n - m - b) for b, n, m in zip(before, _whole_sizes(low, stride, kernel), high)
            ]
            values = {
                "kernel": _of_one_group(kernel, groups),
                "bias": self._bias(node, outputs),
                "stride": stride,
                "rows": cuts[0],
                "columns": cuts[1],
            }
            return self._add(node, "transposed", [view], values, channels=outputs, size=tuple(high))
        small = as_convolution(_of_one_group(kernel, groups), stride=stride, padding=before)
        values = {
            "kernel": small,
            "bias": np.tile(self._bias(node, outputs), stride**2),
            "padding": "same",
            "dilation": (1, 1),
            "groups": 1,
        }
        made = self._add(node, "convolution", [view], values, channels=small.shape[-1])
        return self._spread(node, made, stride)

    def _read_BatchNormalization(self, node) -> View:
        if attribute(node, "training_mode", 0):
            raise self._refused(node, "found batch normalization in its training form")
        view = self._nchw(node)
        gamma, beta, mean, variance = (self._weights(node, place) for place in range(1, 5))
        with np.errstate(all="ignore"):
            factor = gamma / np.sqrt(variance + np.float32(attribute(node, "epsilon", 1e-5)))
            values = {"factor": factor, "shift": beta - mean * factor}
        if any(value.shape != (view.channels,) for value in values.values()):
            raise self._refused(node, "found batch normalization of another number of channels")
        return self._add(node, "affine", [view], values)


def _whole_sizes(low: list[int], stride: int, kernel: np.ndarray) -> list[int]:
    """Height and width of what a transposed convolution makes before anything is cut off."""
    return [stride * (n - 1) + k for n, k in zip(low, kernel.shape[2:])]


def _of_one_group(kernel: np.ndarray, groups: int) -> np.ndarray:
    """A transposed kernel (in, out / groups, h, w) as TensorFlow's (h, w, out, in) of one group."""
    inputs, outputs, height, width = kernel.shape
    made = np.zeros((groups, inputs // groups, groups, outputs, height, width), np.float32)
    parts = kernel.reshape(groups, inputs // groups, outputs, height, width)
    for group in range(groups):
        made[group, :, group] = parts[group]
    return made.reshape(inputs, groups * outputs, height, width).transpose(2, 3, 1, 0)
