"""One file run by LiteRT's GPU accelerator (ML Drift on WebGPU): codes in, codes out.

A job for the `Sandbox` of a machine that has a Vulkan device.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from export.running.hosted import packed
from sr_models.ground.errors import ModelFileError


def run_on_gpu(
    content: bytes,
    codes: bytes,
    *,
    shape: Sequence[int],
    dtype: str,
    output_shape: Sequence[int],
    output_dtype: str,
    resize: bool,
) -> dict[str, Any]:
    """Feed the only input and return the first output, as plain data.

    Args:
        content: A `.tflite` file.
        codes: The input's elements, as its type stores them.
        shape: The input's shape.
        dtype: Its NumPy type.
        output_shape: The output's shape.
        output_dtype: Its NumPy type.
        resize: Whether the file itself has another shape.

    Returns:
        `output`, `dtype` and `shape` as `export.running.hosted.packed` has them, and `whole`:
        whether the GPU takes every operator.

    Raises:
        ModelFileError: The GPU does not take the file.
    """
    from ai_edge_litert.compiled_model import CompiledModel
    from ai_edge_litert.hardware_accelerator import HardwareAccelerator

    with tempfile.TemporaryDirectory(prefix="gpu-") as folder:
        file = Path(folder, "model.tflite")
        file.write_bytes(content)
        try:
            model = CompiledModel.from_file(str(file), hardware_accel=HardwareAccelerator.GPU)
            # Asked before the size changes: it is not told of a file that was resized.
            whole = bool(model.is_fully_accelerated())
            if resize:
                model.resize_input_tensor(0, list(shape), strict=False)
            inputs, outputs = model.create_input_buffers(0), model.create_output_buffers(0)
            inputs[0].write(np.frombuffer(codes, dtype).reshape(tuple(shape)))
            try:
                model.run_by_index(0, inputs, outputs)
            except RuntimeError:
                # The first run compiles shaders, and on a busy machine its wait may end before.
                model.run_by_index(0, inputs, outputs)
            count, kind = math.prod(output_shape), np.dtype(output_dtype).type
            output = np.asarray(outputs[0].read(count, kind)).reshape(tuple(output_shape))
        except (RuntimeError, ValueError, TypeError, KeyError) as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise ModelFileError(
                f"expected the GPU to take the file, found: {reason.rstrip('.')}; "
                "leave this target out"
            ) from error
    return {**packed(output), "whole": whole}
