"""A `.tflite` file as plain data: operators, tensors, quantization."""

from __future__ import annotations

import struct
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ai_edge_litert import schema_py_generated as schema

from export.model_files import read_model
from sr_models.errors import ModelFileError

_OPERATOR_NAMES = {
    code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)
}
_DTYPES = {
    code: name.lower() for name, code in vars(schema.TensorType).items() if isinstance(code, int)
}


@dataclass(frozen=True)
class TensorInfo:
    """One tensor of a file.

    Attributes:
        name: Name in the file.
        shape: Sizes, outermost first.
        dtype: `uint8`, `int8`, `int16`, `int32`, `float32` ...
        scale: Real value of one code; `None` where the tensor has none, or one for each channel.
        zero_point: Code of the real value 0; `None` like `scale`.
        scales: All scales (several where they go by channel).
        constant: Whether the file holds its values.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float | None
    zero_point: int | None
    scales: tuple[float, ...]
    constant: bool

    def to_json(self) -> dict[str, Any]:
        """Name, shape, dtype, scale and zero point."""
        kept = {k: v for k, v in asdict(self).items() if k not in ("scales", "constant")}
        return {**kept, "shape": list(self.shape)}


@dataclass(frozen=True)
class OperatorInfo:
    """One operator of a file.

    Attributes:
        index: Place in the order of execution.
        name: `CONV_2D`, `DEPTH_TO_SPACE` ...
        inputs: Tensor indices; -1 where an optional one is absent.
        outputs: Tensor indices.
    """

    index: int
    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True)
class FileGraph:
    """The main subgraph of a `.tflite` file.

    Attributes:
        tensors: All tensors, by index.
        operators: All operators, in order of execution.
        inputs: Tensor indices of the graph's inputs.
        outputs: Tensor indices of the graph's outputs.
        subgraphs: Number of subgraphs in the file.
        sha256: SHA-256 of the file.
        size_bytes: Size of the file.
    """

    tensors: tuple[TensorInfo, ...]
    operators: tuple[OperatorInfo, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    subgraphs: int
    sha256: str
    size_bytes: int

    def producer(self, tensor: int) -> OperatorInfo | None:
        """The operator that makes a tensor; `None` for inputs and constants."""
        return next((op for op in self.operators if tensor in op.outputs), None)


def read_graph(source: str | Path | bytes) -> FileGraph:
    """Read the main subgraph of a `.tflite` file.

    Args:
        source: Path or content.

    Raises:
        ModelFileError: The file is missing, is none, is damaged, or has no subgraph.
    """
    file = read_model(source)
    content = file.data
    try:
        model = schema.ModelT.InitFromPackedBuf(content, 0)
        graph = model.subgraphs[0]
        codes = [max(c.builtinCode, c.deprecatedBuiltinCode) for c in model.operatorCodes]
        customs = [(c.customCode or b"").decode() for c in model.operatorCodes]
        tensors = tuple(_tensor(tensor, model.buffers) for tensor in graph.tensors)
        operators = tuple(
            OperatorInfo(
                index,
                customs[op.opcodeIndex] or _OPERATOR_NAMES.get(codes[op.opcodeIndex], "UNKNOWN"),
                _indices(op.inputs, len(tensors)),
                _indices(op.outputs, len(tensors)),
            )
            for index, op in enumerate(graph.operators)
        )
        inputs, outputs = (_indices(i, len(tensors)) for i in (graph.inputs, graph.outputs))
    except (
        struct.error, IndexError, TypeError, ValueError, AttributeError, KeyError, MemoryError,
        OverflowError, RecursionError, UnicodeDecodeError,
    ) as error:  # fmt: skip
        raise ModelFileError(
            f"expected a whole .tflite file, found a damaged one: {file.name} "
            f"({type(error).__name__}); export or download it again"
        ) from error
    return FileGraph(
        tensors, operators, inputs, outputs, len(model.subgraphs),
        file.sha256, file.size_bytes,
    )  # fmt: skip


def _indices(values, count: int) -> tuple[int, ...]:
    found = tuple(int(value) for value in (values if values is not None else ()))
    if any(not -1 <= value < count for value in found):
        raise IndexError("tensor index out of range")
    return found


def _tensor(tensor, buffers) -> TensorInfo:
    quantization = tensor.quantization
    scales = tuple(float(s) for s in _list(quantization and quantization.scale))
    zeros = [int(z) for z in _list(quantization and quantization.zeroPoint)]
    single = len(scales) == 1
    data = buffers[tensor.buffer].data if tensor.buffer < len(buffers) else None
    return TensorInfo(
        name=(tensor.name or b"").decode(errors="replace"),
        shape=tuple(int(size) for size in _list(tensor.shape)),
        dtype=_DTYPES.get(tensor.type, f"type {tensor.type}"),
        scale=scales[0] if single else None,
        zero_point=zeros[0] if single and zeros else None,
        scales=scales,
        constant=data is not None and len(data) > 0,
    )


def _list(value) -> list:
    return [] if value is None else list(value)
