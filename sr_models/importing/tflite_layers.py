"""TFLite operators that compute: convolutions, pooling, arithmetic, activations."""

from __future__ import annotations

import numpy as np

from sr_models.importing.tflite_nodes import NodeWriter, Spread
from sr_models.tflite.flatbuffer import OperatorInfo

_ENDS = (0.0, 1.0, 255.0, -1.0)
_MISSED = 0.01
"""By which share of white a grid that was calibrated on pictures may end before white."""
_PADDING = {0: "SAME_UPPER", 1: "VALID"}


class LayerWriter(NodeWriter):
    """An operator `X` is written by a method `_put_X`."""

    # Convolutions.

    def _put_CONV_2D(self, op: OperatorInfo) -> None:
        kernel = self._kernel(op, 1, (0, 3, 1, 2))
        channels, inputs = self.shape(op)[-1], kernel.shape[1]
        self._convolve(op, kernel, groups=max(1, channels // inputs))

    def _put_DEPTHWISE_CONV_2D(self, op: OperatorInfo) -> None:
        self._convolve(op, self._kernel(op, 1, (3, 0, 1, 2)), groups=self.shape(op)[-1])

    def _convolve(self, op: OperatorInfo, kernel: np.ndarray, *, groups: int) -> None:
        weights = [self.constant(kernel, np.float32), *self._bias(op, 2)]
        spread = self.spread.get(op.inputs[0])
        if spread is None:
            picture, padding = self.input(op), self._padding(op)
            dilation = [self.option(op, f"dilation{side}Factor", 1) for side in "HW"]
        else:
            picture, dilation = self.name_of(spread.picture), list(spread.dilation)
            padding = "SAME_UPPER" if spread.padded else "VALID"
        self.put_picture(
            op,
            "Conv",
            picture,
            *weights,
            group=groups,
            strides=self._strides(op),
            dilations=dilation,
            auto_pad=padding,
        )

    # TensorFlow's own spelling of a dilation.

    def _put_SPACE_TO_BATCH_ND(self, op: OperatorInfo) -> None:
        block = self.whole(op, 1)
        if len(block) != 2 or len(self.shape(op)) != 4:
            raise self.refused(op, f"found blocks of {block[:8]}")
        border = self.held(op.inputs[2]) if self.has(op, 2) else None
        # A border that follows the picture's size is that of a convolution that keeps it.
        padded = border is None or bool(border.any())
        self.spread[op.outputs[0]] = Spread(op.inputs[0], (block[0], block[1]), padded)

    def _put_BATCH_TO_SPACE_ND(self, op: OperatorInfo) -> None:
        self.put_last(op, "Identity", self.input(op))

    def _put_FLOOR_MOD(self, op: OperatorInfo) -> None:
        self._elementwise(op, "Mod")

    def _put_TRANSPOSE_CONV(self, op: OperatorInfo) -> None:
        kernel, strides = self._kernel(op, 1, (3, 0, 1, 2)), self._strides(op)
        # A constant size is for one size of the picture; the reader sees where they do not fit.
        size = self.held(op.inputs[0]) if self.has(op, 0) else None
        asked = {} if size is None else {"output_shape": size.reshape(-1)[1:3].tolist()}
        self.put_picture(
            op,
            "ConvTranspose",
            self.input(op, 2),
            self.constant(kernel, np.float32),
            *self._bias(op, 3),
            strides=strides,
            auto_pad=self._padding(op),
            output_padding=[max(0, s - k) for s, k in zip(strides, kernel.shape[2:])],
            **asked,
        )

    def _put_FULLY_CONNECTED(self, op: OperatorInfo) -> None:
        weights = self.numbers(op, 1)
        pictures = len(self.shape(op)) == 4 and self.option(op, "keepNumDims", False)
        if not pictures or weights.ndim != 2:
            raise self.refused(op, "found FULLY_CONNECTED of anything but pixels")
        kernel = self.constant(weights[:, :, None, None], np.float32)
        self.put_picture(op, "Conv", self.input(op), kernel, *self._bias(op, 2))

    def _kernel(self, op: OperatorInfo, place: int, order: tuple[int, ...]) -> np.ndarray:
        kernel = self.numbers(op, place)
        if kernel.ndim != 4 or 0 in kernel.shape:
            raise self.refused(op, f"found a kernel of shape {list(kernel.shape)[:8]}")
        return kernel.transpose(order)

    def _bias(self, op: OperatorInfo, place: int) -> list[str]:
        """The name of the bias, or none."""
        if not self.has(op, place):
            return []
        bias = self.numbers(op, place)
        if bias.dtype == np.float32:
            return [self.constant(bias, np.float32)]
        # Integers without a scale of their own are on that of the products.
        tensors = self.model.graph.tensors
        data, kernel = (tensors[op.inputs[i]] for i in ((2, 1) if place == 3 else (0, 1)))
        if data.scale is None or len(kernel.scales) not in (1, bias.size):
            raise self.refused(op, "found a bias of integers without a scale")
        real = bias * np.float64(data.scale) * np.array(kernel.scales, np.float64)
        return [self.constant(real, np.float32)]

    def _strides(self, op: OperatorInfo) -> list[int]:
        return [self.option(op, "strideH"), self.option(op, "strideW")]

    def _padding(self, op: OperatorInfo) -> str:
        padding = self.option(op, "padding")
        if padding not in _PADDING:
            raise self.refused(op, f"found padding of the kind {padding}")
        return _PADDING[padding]

    # Pooling and means.

    def _put_MAX_POOL_2D(self, op: OperatorInfo) -> None:
        self._pool(op, "MaxPool")

    def _put_AVERAGE_POOL_2D(self, op: OperatorInfo) -> None:
        self._pool(op, "AveragePool")

    def _pool(self, op: OperatorInfo, kind: str) -> None:
        self.put_picture(
            op,
            kind,
            self.input(op),
            kernel_shape=[self.option(op, "filterHeight"), self.option(op, "filterWidth")],
            strides=self._strides(op),
            auto_pad=self._padding(op),
        )

    def _put_MEAN(self, op: OperatorInfo) -> None:
        self._reduce(op, "ReduceMean")

    def _put_REDUCE_MAX(self, op: OperatorInfo) -> None:
        self._reduce(op, "ReduceMax")

    def _put_REDUCE_PROD(self, op: OperatorInfo) -> None:
        self._reduce(op, "ReduceProd")

    def _put_SUM(self, op: OperatorInfo) -> None:
        self._reduce(op, "ReduceSum")

    def _reduce(self, op: OperatorInfo, kind: str) -> None:
        rank, given = len(self.shape(op)), self.whole(op, 1)
        axes = {axis % rank for axis in given} if rank else set(given)
        keep = int(self.option(op, "keepDims", False))
        if rank == 4 and axes == {1, 2} and keep:
            self.put_picture(op, kind, self.input(op), self.constant([2, 3]), keepdims=1)
        else:
            self.put_last(op, kind, self.input(op), self.constant(given), keepdims=keep)

    # Arithmetic.

    def _elementwise(self, op: OperatorInfo, kind: str) -> None:
        places = range(len(op.inputs))
        self.put_last(op, kind, *(self.input(op, place) for place in places))

    def _put_ADD(self, op: OperatorInfo) -> None:
        self._elementwise(op, "Add")

    def _put_SUB(self, op: OperatorInfo) -> None:
        self._elementwise(op, "Sub")

    def _put_MUL(self, op: OperatorInfo) -> None:
        self._elementwise(op, "Mul")

    def _put_DIV(self, op: OperatorInfo) -> None:
        self._elementwise(op, "Div")

    def _put_ADD_N(self, op: OperatorInfo) -> None:
        self._elementwise(op, "Sum")

    def _put_MINIMUM(self, op: OperatorInfo) -> None:
        self._bound(op, "Min")

    def _put_MAXIMUM(self, op: OperatorInfo) -> None:
        self._bound(op, "Max")

    def _bound(self, op: OperatorInfo, kind: str) -> None:
        """A bound; one that integers hold is the end of pixels that their grid just misses."""
        inputs = []
        for place, tensor in enumerate(op.inputs):
            inputs.append(self.input(op, place))
            values, info = self.held(tensor), self.model.graph.tensors[tensor]
            if values is not None and values.size == 1 and info.scales:
                near = [end for end in _ENDS if abs(values.item() - end) <= _MISSED * abs(end)]
                inputs[-1] = self.constant(near[0] if near else values, np.float32)
        self.put_last(op, kind, *inputs)

    def _put_NEG(self, op: OperatorInfo) -> None:
        self._elementwise(op, "Neg")

    def _put_ABS(self, op: OperatorInfo) -> None:
        self._elementwise(op, "Abs")

    def _put_SQRT(self, op: OperatorInfo) -> None:
        self._elementwise(op, "Sqrt")

    def _put_ROUND(self, op: OperatorInfo) -> None:
        self._elementwise(op, "Round")

    def _put_FLOOR(self, op: OperatorInfo) -> None:
        self._elementwise(op, "Floor")

    def _put_SQUARE(self, op: OperatorInfo) -> None:
        self.put_last(op, "Mul", self.input(op), self.input(op))

    def _put_SQUARED_DIFFERENCE(self, op: OperatorInfo) -> None:
        apart = self.put(op, "Sub", self.input(op), self.input(op, 1))
        self.put_last(op, "Mul", apart, apart)

    def _put_FLOOR_DIV(self, op: OperatorInfo) -> None:
        # Of sizes alone, which are positive.
        self._elementwise(op, "Div")

    # Activations.

    def _put_RELU(self, op: OperatorInfo) -> None:
        self.put_activation(op, op.name, self.input(op))

    _put_RELU6 = _put_RELU
    _put_RELU_N1_TO_1 = _put_RELU
    _put_RELU_0_TO_1 = _put_RELU
    _put_TANH = _put_RELU
    _put_LOGISTIC = _put_RELU

    def _put_LEAKY_RELU(self, op: OperatorInfo) -> None:
        alpha = float(self.option(op, "alpha", 0.0))
        self.put_last(op, "LeakyRelu", self.input(op), alpha=alpha)

    def _put_PRELU(self, op: OperatorInfo) -> None:
        self._elementwise(op, "PRelu")

    def _put_HARD_SWISH(self, op: OperatorInfo) -> None:
        gate = self.put(op, "HardSigmoid", self.input(op), alpha=1.0 / 6.0, beta=0.5)
        self.put_last(op, "Mul", self.input(op), gate)

    def _put_GELU(self, op: OperatorInfo) -> None:
        form = "tanh" if self.option(op, "approximate", False) else "none"
        self.put_last(op, "Gelu", self.input(op), approximate=form)
