"""Convolutions of a frozen graph, in every form that TensorFlow gives them."""

from __future__ import annotations

import numpy as np

from sr_models.importing.operator_names import is_normalization
from sr_models.importing.operator_reader import OperatorReader, require_nhwc


def as_convolution(
    kernel: np.ndarray, *, stride: int, padding: str | tuple[int, int]
) -> np.ndarray:
    """The kernel of the convolution whose channels are the pixels of each s x s block.

    A transposed convolution adds `x[i] kernel[t]` to output pixel `i s + t - p`. Pixel `s q + r`
    therefore reads input `q + d` with tap `t = r + p - s d`: one small kernel for each r. Inputs
    beyond the border count as zero in both forms, so the border is exact too.

    Args:
        kernel: float32 (h, w, out, in), TensorFlow's layout of transposed convolutions.
        stride: s, the factor by which the picture grows.
        padding: `"same"`, or `"valid"` where the kernel is no larger than the stride; or p itself,
            of rows and of columns.

    Returns:
        float32 (2 R + 1, 2 R + 1, in, out s^2), for zero padding of R; channel `(i s + j) out + c`
        is pixel (i, j) of channel c, as depth-to-space wants it.
    """
    height, width, outputs, inputs = kernel.shape

    def before(size: int) -> int:
        return max(0, size - stride) // 2 if padding == "same" else 0

    def taps(size: int, p: int):
        """(offset d, place r, tap t) of one axis."""
        return [
            ((r + p - t) // stride, r, t)
            for r in range(stride)
            for t in range(size)
            if (r + p - t) % stride == 0
        ]

    given = (before(height), before(width)) if isinstance(padding, str) else padding
    rows, columns = taps(height, given[0]), taps(width, given[1])
    radius = max(abs(d) for d, _, _ in (*rows, *columns))
    made = np.zeros((2 * radius + 1, 2 * radius + 1, inputs, stride, stride, outputs), np.float32)
    for dy, i, ty in rows:
        for dx, j, tx in columns:
            made[dy + radius, dx + radius, :, i, j] = kernel[ty, tx].T
    return made.reshape(*made.shape[:3], stride**2 * outputs)


class ConvolutionReaders(OperatorReader):
    """`Conv2D` with groups and dilation, depthwise and transposed ones, batch normalization."""

    def _convolution(self, op, kernel: np.ndarray, *, groups: int) -> str:
        require_nhwc(op)
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
            "kernel": kernel,
            "bias": np.zeros(kernel.shape[-1], np.float32),
            "padding": padding,
            "dilation": dilation,
            "groups": groups,
        }
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
        require_nhwc(op)
        kernel, picture = self._weights(op, op.inputs[1]), op.inputs[2]
        strides = op.get_attr("strides")[1:3]
        low, high = picture.shape[1:3], op.outputs[0].shape[1:3]
        stride = strides[0]
        if set(strides) != {stride} or list(high) != [size * stride for size in low]:
            raise self._refused(
                op,
                f"found a transposed convolution from {list(low)} to {list(high)} pixels "
                f"with strides {strides}",
            )
        padding = op.get_attr("padding").decode().lower()
        small = as_convolution(kernel, stride=stride, padding=padding)
        values = {
            "kernel": small,
            "bias": np.zeros(small.shape[-1], np.float32),
            "padding": "same",
            "dilation": (1, 1),
            "groups": 1,
        }
        if stride == 1:
            return self._add(op, "convolution", [picture], values)
        made = self._add(op, "convolution", [picture], values, channels=small.shape[-1])
        return self._add(op, "depth_to_space", [made], {"block": stride})

    def _read_FusedBatchNormV3(self, op) -> str:
        if op.get_attr("is_training"):
            found = "found batch normalization in its training form"
            raise self._unknown(op) if is_normalization(op) else self._refused(op, found)
        gamma, beta, mean, variance = (self._weights(op, t) for t in op.inputs[1:5])
        factor = gamma / np.sqrt(variance + op.get_attr("epsilon"))
        made = {"factor": factor, "shift": beta - mean * factor}
        return self._add(op, "affine", [op.inputs[0]], made)
