"""A TFLite file run by LiteRT in a child process, which a damaged file may bring down."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import numpy as np

from sr_models.ground.child import Sandbox
from sr_models.ground.errors import ModelFileError
from sr_models.ground.native_output import caught_native_output

_MEMORY_MB = 3072
_TIMEOUT_S = 300.0
PACKAGE = "ai-edge-litert"


def runtime_name() -> str:
    """What runs TFLite files here, e.g. `"LiteRT 2.3.0"`."""
    return f"LiteRT {version(PACKAGE)}"


def run_apart(
    content: bytes,
    picture: np.ndarray,
    *,
    shape: Sequence[int],
    source: int = 0,
    output: int = 0,
) -> np.ndarray:
    """Run a file on a picture in a child process.

    Args:
        content: Of the file.
        picture: float32 values of the input, real numbers also where the file takes codes.
        shape: The input's shape, to which the file is resized.
        source: Which of its inputs takes the picture; no other may matter.
        output: Which of its outputs.

    Returns:
        float32, real numbers also where the file returns codes.

    Raises:
        ModelFileError: It does not run at this shape.
        Crash: It brought the child down.
    """
    values = np.ascontiguousarray(picture, np.float32).tobytes()
    with Sandbox(__name__, memory_mb=_MEMORY_MB, timeout_s=_TIMEOUT_S) as sandbox:
        found = sandbox.call(
            run_content, content, values, shape=list(shape), source=source, output=output
        )
    return values_of(found)


def values_of(found: dict[str, Any]) -> np.ndarray:
    """The answer of `run_content` as an array."""
    values = np.frombuffer(base64.b64decode(found["values"]), np.float32)
    return values.reshape(found["shape"])


def run_content(
    content: bytes, values: bytes, *, shape: list[int], output: int, source: int = 0
) -> dict[str, Any]:
    """The child's side of `run_apart`: shape and values of the answer, as plain data."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    try:
        with caught_native_output():
            # Kernels of the CPU as they are: XNNPACK may refuse what they compute.
            interpreter = Interpreter(
                model_content=content,
                experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            )
            given = interpreter.get_input_details()[source]
            if list(given["shape"]) != shape:
                interpreter.resize_tensor_input(given["index"], shape)
            interpreter.allocate_tensors()
            picture = np.frombuffer(values, np.float32).reshape(shape)
            interpreter.set_tensor(given["index"], _stored(picture, given))
            interpreter.invoke()
            details = interpreter.get_output_details()[output]
            answer = _real(interpreter.get_tensor(details["index"]), details)
    except (RuntimeError, ValueError, IndexError, MemoryError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise ModelFileError(lines[0].strip()) from error
    text = base64.b64encode(np.ascontiguousarray(answer, np.float32).tobytes()).decode()
    return {"shape": list(answer.shape), "values": text}


def _stored(values: np.ndarray, details: dict[str, Any]) -> np.ndarray:
    """Real numbers as a tensor holds them."""
    dtype, (scale, zero) = np.dtype(details["dtype"]), details["quantization"]
    if dtype.kind == "f":
        return values.astype(dtype)
    codes = values / np.float32(scale) + zero if scale else values
    limits = np.iinfo(dtype)
    return np.clip(np.rint(codes), limits.min, limits.max).astype(dtype)


def _real(values: np.ndarray, details: dict[str, Any]) -> np.ndarray:
    scale, zero = details["quantization"]
    if values.dtype.kind == "f" or not scale:
        return values.astype(np.float32)
    return (values.astype(np.float32) - zero) * np.float32(scale)
