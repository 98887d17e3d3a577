"""Convolutions of a frozen graph, in every form that TensorFlow gives them."""

from __future__ import annotations

import numpy as np

from sr_models.importing.geometry import same_padding
from sr_models.importing.grid_readers import GridReaders
from sr_models.importing.operator_names import is_normalization
from sr_models.importing.operator_reader import require_nhwc
from sr_models.importing.source_grids import with_steps
from sr_models.importing.transposed import as_convolution


class ConvolutionReaders(GridReaders):
    """`Conv2D` with groups and dilation, depthwise and transposed ones, batch normalization."""

    def _convolution(self, op, kernel: np.ndarray, *, groups: int) -> str:
        require_nhwc(op)
        padding = op.get_attr("padding").decode().lower()
        source = op.inputs[0]
        dilation = tuple(op.get_attr("dilations")[1:3])
        if source.name in self.spread:
            # Dilation as TensorFlow computes it: apart, convolved, and together again.
            dilation, padding = self.spread[source.name]
        pads = {}
        if padding == "explicit":
            amounts = op.get_attr("explicit_paddings")
            pads = {"rows": tuple(amounts[2:4]), "columns": tuple(amounts[4:6])}
            source = self._add(op, "pad", [source], pads, channels=source.shape[-1])
            padding = "valid"
        values = {
            "kernel": kernel,
            "bias": np.zeros(kernel.shape[-1], np.float32),
            "padding": padding,
            "dilation": dilation,
            "groups": groups,
        }
        strides = tuple(op.get_attr("strides")[1:3])
        if max(strides) > 1:
            self._require_plain_dilation(op, dilation)
            values |= {"strides": strides, "size": self._read_size(op, pads)}
        values = with_steps(values, self._steps(op.inputs[1]))
        return self._add(op, "convolution", [source], values)

    def _require_plain_dilation(self, op, dilation: tuple[int, ...]) -> None:
        if max(dilation) > 1:
            raise self._refused(op, f"found strides with a dilation of {tuple(dilation)}")

    @staticmethod
    def _read_size(op, pads) -> tuple[int, int]:
        """Height and width of what an operator reads, its own padding included."""
        height, width = op.inputs[0].shape[1:3]
        return height + sum(pads.get("rows", ())), width + sum(pads.get("columns", ()))

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
        if set(strides) != {stride}:
            raise self._refused(op, f"found a transposed convolution with strides of {strides}")
        padding = op.get_attr("padding").decode().lower()
        if list(high) != [size * stride for size in low] or padding not in ("same", "valid"):
            values = self._cut_transposed(op, kernel, low=low, high=high)
            return self._add(op, "transposed", [picture], values)
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

    def _cut_transposed(self, op, kernel: np.ndarray, *, low, high) -> dict:
        """The values of a transposed convolution that grows by something else than its stride."""
        stride, padding = op.get_attr("strides")[1], op.get_attr("padding").decode().lower()
        whole = [(n - 1) * stride + k for n, k in zip(low, kernel.shape[:2])]
        before = [0, 0]
        if padding == "same":
            before = [
                same_padding(n, kernel=k, stride=stride)[0] for n, k in zip(high, kernel.shape)
            ]
        elif padding == "explicit":
            before = [op.get_attr("explicit_paddings")[axis] for axis in (2, 4)]
        rows, columns = ((b, n - m - b) for b, n, m in zip(before, whole, high))
        zeros = np.zeros(kernel.shape[2], np.float32)
        values = {"kernel": kernel, "bias": zeros, "stride": stride}
        return {**values, "rows": rows, "columns": columns}

    def _read_FusedBatchNormV3(self, op) -> str:
        if op.get_attr("is_training"):
            found = "found batch normalization in its training form"
            raise self._unknown(op) if is_normalization(op) else self._refused(op, found)
        gamma, beta, mean, variance = (self._weights(op, t) for t in op.inputs[1:5])
        factor = gamma / np.sqrt(variance + op.get_attr("epsilon"))
        made = {"factor": factor, "shift": beta - mean * factor}
        return self._add(op, "affine", [op.inputs[0]], made)
