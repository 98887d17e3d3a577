"""A `.tflite` file as plain data: operators, tensors, quantization."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ai_edge_litert import schema_py_generated as schema

from sr_models.ground.errors import ModelFileError
from sr_models.tflite.files import ModelFile, read_model
from sr_models.tflite.verifying import BadReference, Damage, check_references, verify_flatbuffer

_OPERATOR_NAMES = {
    code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)
}
_DTYPES = {
    code: name.lower() for name, code in vars(schema.TensorType).items() if isinstance(code, int)
}
_ACTIVATIONS = {
    code: name
    for name, code in vars(schema.ActivationFunctionType).items()
    if isinstance(code, int)
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
        activation: Activation that is fused into it: `NONE`, `RELU`, `RELU6` ...
        version: Version of the operator that the file asks a runtime for.
    """

    index: int
    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    activation: str = "NONE"
    version: int = 1


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
        return self._producers.get(tensor)

    @cached_property
    def _producers(self) -> dict[int, OperatorInfo]:
        return {tensor: op for op in self.operators for tensor in op.outputs}


def read_graph(source: str | Path | bytes | ModelFile) -> FileGraph:
    """Read the main subgraph of a `.tflite` file.

    Args:
        source: Path, content, or a file read before.

    Raises:
        ModelFileError: The file is missing, is none, is damaged, or has no subgraph.
    """
    file = source if isinstance(source, ModelFile) else read_model(source)
    return graph_of(unpack_model(file), file)


def unpack_model(file: ModelFile) -> schema.ModelT:
    """All tables of a file as the schema's own objects, to be read or changed.

    Raises:
        ModelFileError: The file is damaged: an offset, a length or an index leads nowhere.
    """
    with _damage_as_error(file):
        verify_flatbuffer(file.data)
        tables = schema.ModelT.InitFromPackedBuf(file.data, 0)
        check_references(tables)
    return tables


def graph_of(model: schema.ModelT, file: ModelFile) -> FileGraph:
    """The main subgraph of an unpacked file.

    Raises:
        ModelFileError: An index points nowhere, or there is no subgraph.
    """
    with _damage_as_error(file):
        graph = model.subgraphs[0]
        codes = [_operator_name(code) for code in model.operatorCodes or ()]
        tensors = tuple(_tensor(tensor, model.buffers) for tensor in graph.tensors or ())
        operators = tuple(
            OperatorInfo(
                index,
                codes[op.opcodeIndex],
                _indices(op.inputs, len(tensors)),
                _indices(op.outputs, len(tensors)),
                activation=_activation(op.builtinOptions),
                version=model.operatorCodes[op.opcodeIndex].version,
            )
            for index, op in enumerate(graph.operators or ())
        )
        inputs, outputs = (_indices(i, len(tensors)) for i in (graph.inputs, graph.outputs))
    return FileGraph(
        tensors,
        operators,
        inputs,
        outputs,
        len(model.subgraphs),
        file.sha256,
        file.size_bytes,
    )


@contextmanager
def _damage_as_error(file: ModelFile) -> Iterator[None]:
    try:
        yield
    except (
        struct.error,
        IndexError,
        TypeError,
        ValueError,
        AttributeError,
        KeyError,
        MemoryError,
        OverflowError,
        RecursionError,
        Damage,
        BadReference,
    ) as error:
        told = isinstance(error, (Damage, BadReference))
        raise ModelFileError(
            f"expected a whole .tflite file, found a damaged one: {file.name} "
            f"({error if told else type(error).__name__}); export or download it again"
        ) from error


def _operator_name(code) -> str:
    # Old files hold the deprecated field alone, new ones both.
    number = max(code.builtinCode, code.deprecatedBuiltinCode)
    return _text(code.customCode) or _OPERATOR_NAMES.get(number, "UNKNOWN")


def _text(name: bytes | None) -> str:
    # A name from anywhere must not move a terminal's cursor.
    text = (name or b"").decode(errors="replace")
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


def _activation(options) -> str:
    number = getattr(options, "fusedActivationFunction", 0)
    return _ACTIVATIONS.get(number, f"activation {number}")


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
        name=_text(tensor.name),
        shape=tuple(int(size) for size in _list(tensor.shape)),
        dtype=_DTYPES.get(tensor.type, f"type {tensor.type}"),
        scale=scales[0] if single else None,
        zero_point=zeros[0] if single and zeros else None,
        scales=scales,
        constant=data is not None and len(data) > 0,
    )


def _list(value) -> list:
    return [] if value is None else list(value)
