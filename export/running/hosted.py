"""One file run once by an interpreter that may be on another machine: codes in, codes out."""

from __future__ import annotations

import base64
import time
from typing import Any

import numpy as np

from export.running.interpreters import open_model


def run_once(
    content: bytes,
    codes: bytes,
    *,
    delegate: str,
    height: int | None = None,
    width: int | None = None,
) -> dict[str, Any]:
    """Feed the only input and return the first output, as plain data; a job for a `Sandbox`.

    Args:
        content: A `.tflite` file.
        codes: The input tensor's elements, as its type stores them.
        delegate: `xnnpack`, `builtin` or `reference`.
        height: Input height in pixels; the file's own without.
        width: Input width in pixels, together with `height`.

    Returns:
        `output` (base64 of the elements), its `dtype` and `shape`, the `delegation` or `None`, and
        the `seconds` that the run took, which mean nothing under emulation.

    Raises:
        ModelFileError: The file cannot be run.
    """
    runner = open_model(content, delegate=delegate, height=height, width=width)
    source = runner.inputs[0]
    runner.set_inputs(np.frombuffer(codes, source.dtype).reshape(source.shape))
    begun = time.perf_counter()
    runner.invoke()
    seconds = time.perf_counter() - begun
    output = np.ascontiguousarray(runner.output())
    delegation = runner.delegation
    return {
        **packed(output),
        "delegation": delegation and delegation.to_json(),
        "seconds": seconds,
    }


def packed(output: np.ndarray) -> dict[str, Any]:
    """An array as plain data."""
    return {
        "output": base64.b64encode(output.tobytes()).decode(),
        "dtype": output.dtype.name,
        "shape": list(output.shape),
    }


def unpacked(told: dict[str, Any]) -> np.ndarray:
    """The array that `packed` made plain data of."""
    elements = np.frombuffer(base64.b64decode(told["output"]), told["dtype"])
    return elements.reshape(told["shape"])
