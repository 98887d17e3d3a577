"""Small `.tflite` files written table by table, for graphs that no converter would write."""

from __future__ import annotations

from collections.abc import Sequence

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from sr_models.quantization.grids import LIMITS, Grid

PIXELS = {"int8": -128, "uint8": 0, "int16": 0}
_TYPES = {
    name: getattr(schema.TensorType, name.upper())
    for name in (
        "int8",
        "uint8",
        "int16",
        "int32",
        "int64",
        "float16",
        "float32",
    )
}


def pixel_grid(dtype: str = "int8", *, white: float = 1.0) -> Grid:
    """The grid that holds black to white and nothing else."""
    top = LIMITS[dtype][1] - PIXELS[dtype]
    return Grid(dtype, float(np.float32(white / top)), PIXELS[dtype])


class TinyFile:
    """Tables of a file in the making.

    Attributes:
        tables: The schema's own objects; free to be spoiled.
    """

    def __init__(self):
        graph = schema.SubGraphT()
        graph.tensors, graph.operators, graph.name = [], [], b"main"
        self.tables = schema.ModelT()
        self.tables.version = 3
        self.tables.description = b"made by a test"
        self.tables.operatorCodes, self.tables.subgraphs = [], [graph]
        self.tables.buffers = [schema.BufferT()]

    @property
    def graph(self):
        return self.tables.subgraphs[0]

    def tensor(self, name, shape, *, grid: Grid | None = None, dtype=None, data=None) -> int:
        """Add a tensor; a constant where it has data."""
        table, buffer = schema.TensorT(), schema.BufferT()
        dtype = grid.dtype if grid else dtype
        table.name, table.type = name.encode(), _TYPES[dtype]
        table.shape = np.array(shape, np.int32)
        if data is not None:
            buffer.data = np.frombuffer(np.asarray(data).astype(dtype).tobytes(), np.uint8)
        self.tables.buffers.append(buffer)
        table.buffer = len(self.tables.buffers) - 1
        self.graph.tensors.append(table)
        index = len(self.graph.tensors) - 1
        if grid is not None:
            self.give_grid(index, grid.scale, grid.zero_point)
        return index

    def give_grid(self, tensor: int, scale: float, zero_point: int) -> None:
        """Give a tensor a scale and a zero point."""
        quantization = schema.QuantizationParametersT()
        quantization.scale = np.array([scale], np.float32)
        quantization.zeroPoint = np.array([zero_point], np.int64)
        self.graph.tensors[tensor].quantization = quantization

    def operator(self, name, inputs, outputs, *, version=2, **options) -> int:
        """Add an operator; options as the schema's options table names them."""
        code = schema.OperatorCodeT()
        code.builtinCode = getattr(schema.BuiltinOperator, name)
        code.deprecatedBuiltinCode, code.version = min(code.builtinCode, 127), version
        self.tables.operatorCodes.append(code)
        table = schema.OperatorT()
        table.opcodeIndex = len(self.tables.operatorCodes) - 1
        table.inputs, table.outputs = (np.array(i, np.int32) for i in (inputs, outputs))
        kind = _OPTIONS.get(name)
        if kind:
            table.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
            table.builtinOptions = getattr(schema, kind + "T")()
            for key, value in options.items():
                assert hasattr(table.builtinOptions, key), key
                setattr(table.builtinOptions, key, value)
        self.graph.operators.append(table)
        return len(self.graph.operators) - 1

    def convolution(
        self,
        source: int,
        grid: Grid,
        *,
        channels: int,
        seed: int = 0,
        name="conv",
        gain=1.0,
        activation="NONE",
    ) -> int:
        """Add a 3x3 convolution with random weights whose results fill the grid and leave it."""
        rng = np.random.default_rng(seed)
        picture = self.graph.tensors[source]
        _, height, width, depth = picture.shape
        step = float(picture.quantization.scale[0])
        low, high = grid.span
        # The sum of 9 * depth products of weight and value has about this deviation.
        value = step * (LIMITS_OF[picture.type][1] - LIMITS_OF[picture.type][0]) / 4
        weight = gain * (high - low) / 2 / (value * 70.0 * np.sqrt(9.0 * depth))
        kind = "uint8" if grid.dtype == "uint8" else "int8"
        weights = Grid(kind, float(np.float32(weight)), 128 if kind == "uint8" else 0)
        numbers = rng.integers(-127, 128, (channels, 3, 3, depth)) + weights.zero_point
        wide = "int64" if grid.dtype == "int16" else "int32"
        bias = rng.normal((low + high) / 2, (high - low) / 6, channels) / (step * weights.scale)
        kernel = self.tensor(f"{name}/w", numbers.shape, grid=weights, data=numbers)
        offset = self.tensor(f"{name}/b", (channels,), dtype=wide, data=np.rint(bias))
        # XNNPACK leaves a convolution whose bias has no scale.
        self.give_grid(offset, step * weights.scale, 0)
        result = self.tensor(name, (1, height, width, channels), grid=grid)
        self.operator(
            "CONV_2D",
            [source, kernel, offset],
            [result],
            version=4 if wide == "int64" else 3,
            strideW=1,
            strideH=1,
            fusedActivationFunction=getattr(schema.ActivationFunctionType, activation),
        )
        return result

    def bound(self, name: str, source: int, value: float | Sequence[float]) -> int:
        """Add a `MINIMUM` or `MAXIMUM` with a constant of real values."""
        grid, shape = self.grid(source), self.graph.tensors[source].shape
        codes = np.rint(np.asarray(value) / grid.scale) + grid.zero_point
        codes = np.clip(codes, *grid.limits)
        index = len(self.graph.operators)
        constant = self.tensor(f"{name}{index}/c", codes.shape, grid=grid, data=codes)
        result = self.tensor(f"{name}{index}", shape, grid=grid)
        self.operator(name, [source, constant], [result])
        return result

    def rectifier(self, name: str, source: int, grid: Grid) -> int:
        """Add a `RELU` or one of its kin that writes another grid."""
        return self._same_shape(name, source, grid)

    def quantize(self, source: int, grid: Grid) -> int:
        """Add a `QUANTIZE` to another grid."""
        return self._same_shape("QUANTIZE", source, grid)

    def depth_to_space(self, source: int, *, block: int = 2) -> int:
        """Add a `DEPTH_TO_SPACE`."""
        batch, height, width, depth = self.graph.tensors[source].shape
        shape = (batch, height * block, width * block, depth // block**2)
        result = self.tensor(f"d2s{len(self.graph.operators)}", shape, grid=self.grid(source))
        self.operator("DEPTH_TO_SPACE", [source], [result], blockSize=block)
        return result

    def reshape(self, source: int, shape: Sequence[int]) -> int:
        """Add a `RESHAPE`."""
        index = len(self.graph.operators)
        constant = self.tensor(f"shape{index}", (len(shape),), dtype="int32", data=shape)
        result = self.tensor(f"reshape{index}", shape, grid=self.grid(source))
        self.operator("RESHAPE", [source, constant], [result], version=1)
        return result

    def concatenation(self, sources: Sequence[int], *, axis: int = 3) -> int:
        """Add a `CONCATENATION` of tensors of one grid."""
        shape = np.array(self.graph.tensors[sources[0]].shape)
        shape[axis] = sum(self.graph.tensors[i].shape[axis] for i in sources)
        index = len(self.graph.operators)
        result = self.tensor(f"concat{index}", shape, grid=self.grid(sources[0]))
        self.operator("CONCATENATION", sources, [result], axis=axis)
        return result

    def add(self, first: int, second: int, grid: Grid, *, activation="NONE") -> int:
        """Add an `ADD`."""
        shape = self.graph.tensors[first].shape
        result = self.tensor(f"add{len(self.graph.operators)}", shape, grid=grid)
        self.operator(
            "ADD",
            [first, second],
            [result],
            potScaleInt16=False,
            fusedActivationFunction=getattr(schema.ActivationFunctionType, activation),
        )
        return result

    def dtype(self, tensor: int) -> str:
        """The type of a tensor."""
        number = self.graph.tensors[tensor].type
        return next(name for name, known in _TYPES.items() if known == number)

    def grid(self, tensor: int) -> Grid:
        """The grid of a tensor."""
        quantization = self.graph.tensors[tensor].quantization
        return Grid(
            self.dtype(tensor), float(quantization.scale[0]), int(quantization.zeroPoint[0])
        )

    def finished(self, inputs: Sequence[int], outputs: Sequence[int], *, signature=True) -> bytes:
        """The content of the file, by the schema's own packing."""
        self.graph.inputs = np.array(inputs, np.int32)
        self.graph.outputs = np.array(outputs, np.int32)
        if signature:
            entry = schema.SignatureDefT()
            entry.signatureKey, entry.subgraphIndex = b"serving_default", 0
            entry.inputs = [_named(f"in{n}", tensor) for n, tensor in enumerate(inputs)]
            entry.outputs = [_named(f"out{n}", tensor) for n, tensor in enumerate(outputs)]
            self.tables.signatureDefs = [entry]
        return self.packed()

    def packed(self) -> bytes:
        """The tables as they are, as a file."""
        builder = flatbuffers.Builder(1024)
        builder.Finish(self.tables.Pack(builder), file_identifier=b"TFL3")
        return bytes(builder.Output())

    def metadata(self, name: str, content: bytes) -> None:
        """Add an entry of metadata."""
        buffer, entry = schema.BufferT(), schema.MetadataT()
        buffer.data = np.frombuffer(content, np.uint8)
        self.tables.buffers.append(buffer)
        entry.name, entry.buffer = name.encode(), len(self.tables.buffers) - 1
        self.tables.metadata = [*(self.tables.metadata or []), entry]

    def _same_shape(self, name: str, source: int, grid: Grid) -> int:
        shape = self.graph.tensors[source].shape
        result = self.tensor(f"{name}{len(self.graph.operators)}", shape, grid=grid)
        self.operator(name, [source], [result], version=1 if name.startswith("RELU_") else 2)
        return result


LIMITS_OF = {_TYPES[name]: limits for name, limits in LIMITS.items()}
_OPTIONS = {
    "CONV_2D": "Conv2DOptions",
    "DEPTH_TO_SPACE": "DepthToSpaceOptions",
    "CONCATENATION": "ConcatenationOptions",
    "ADD": "AddOptions",
    "MINIMUM": "MaximumMinimumOptions",
    "MAXIMUM": "MaximumMinimumOptions",
    "RESHAPE": "ReshapeOptions",
    "QUANTIZE": "QuantizeOptions",
    "DEQUANTIZE": "DequantizeOptions",
    "MUL": "MulOptions",
    "SUB": "SubOptions",
    "DIV": "DivOptions",
    "CAST": "CastOptions",
    "RESIZE_NEAREST_NEIGHBOR": "ResizeNearestNeighborOptions",
    "RESIZE_BILINEAR": "ResizeBilinearOptions",
    "TRANSPOSE": "TransposeOptions",
    "TRANSPOSE_CONV": "TransposeConvOptions",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
    "FULLY_CONNECTED": "FullyConnectedOptions",
    "LEAKY_RELU": "LeakyReluOptions",
    "MAX_POOL_2D": "Pool2DOptions",
    "AVERAGE_POOL_2D": "Pool2DOptions",
    "MEAN": "ReducerOptions",
    "SUM": "ReducerOptions",
    "SPACE_TO_DEPTH": "SpaceToDepthOptions",
    "SPLIT": "SplitOptions",
    "SPLIT_V": "SplitVOptions",
    "STRIDED_SLICE": "StridedSliceOptions",
}


def _named(name: str, tensor: int):
    entry = schema.TensorMapT()
    entry.name, entry.tensorIndex = name.encode(), tensor
    return entry


def clipped_file(
    *steps: str,
    dtype: str = "int8",
    before: Grid | None = None,
    after: Grid | None = None,
    top: float = 1.0,
    activation: str = "NONE",
    seed: int = 0,
) -> bytes:
    """A convolution and a tail: `clipped_file("MINIMUM", "RELU", "DEPTH_TO_SPACE")`.

    Args:
        steps: Names of the tail's operators in order. `RELU` and its kin and `QUANTIZE` write the
            grid `after`, `ADD` adds another convolution and writes the grid `before`,
            `CONCATENATION` joins two tensors of the convolution's kind.
        dtype: Type of all pictures.
        before: Grid of the convolution.
        after: Grid behind the clip.
        top: Bound of `MINIMUM`.
        activation: Fused into the convolution.
        seed: Seed of the weights.
    """
    before = before or loose_grid(dtype)
    after = after or pixel_grid(dtype)
    file = TinyFile()
    picture = file.tensor("picture", (1, 4, 6, 3), grid=pixel_grid(dtype))
    tensor = file.convolution(picture, before, channels=12, seed=seed, activation=activation)
    for step in steps:
        if step in ("MINIMUM", "MAXIMUM"):
            tensor = file.bound(step, tensor, top if step == "MINIMUM" else 0.0)
        elif step == "QUANTIZE":
            tensor = file.quantize(tensor, after)
        elif step == "DEPTH_TO_SPACE":
            tensor = file.depth_to_space(tensor)
        elif step == "RESHAPE":
            shape = file.graph.tensors[tensor].shape
            tensor = file.reshape(tensor, (shape[0], shape[2], shape[1], shape[3]))
        elif step == "CONCATENATION":
            other = file.convolution(picture, file.grid(tensor), channels=12, name="other", seed=9)
            tensor = file.concatenation([tensor, other])
        elif step == "ADD":
            detail = Grid(
                dtype, before.scale / 4, sum(LIMITS[dtype]) // 2 if dtype != "int16" else 0
            )
            other = file.convolution(picture, detail, channels=12, name="other", seed=9)
            tensor = file.add(tensor, other, before)
        else:
            tensor = file.rectifier(step, tensor, after)
    return file.finished([picture], [tensor])


def loose_grid(dtype: str = "int8", *, white: float = 1.0) -> Grid:
    """What calibration makes of a network that overshoots: about -0.2 to 1.0 and a bit."""
    if dtype == "int16":
        return Grid("int16", float(np.float32(1.3 * white / 32767)), 0)
    zero = -88 if dtype == "int8" else 40
    return Grid(dtype, float(np.float32(1.19 * white / 255)), zero)
