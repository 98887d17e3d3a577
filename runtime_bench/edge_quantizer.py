"""ai-edge-quantizer's calibration of a float file, for comparison; an optional dependency."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

PACKAGE = "ai-edge-quantizer"
INSTALL = f"not installed, pip install {PACKAGE}"
MODES = ("profiler", "all tensors")
"""Its two ways to see inside of the interpreter; the second is its default, the first faster."""


def is_installed() -> bool:
    """Whether the package is there."""
    return importlib.util.find_spec("ai_edge_quantizer") is not None


def make_calibrator(
    content: bytes, samples: Sequence[np.ndarray], *, threads: int, mode: str = MODES[0]
) -> Callable[[], dict[str, Any]]:
    """A function that calibrates once and returns what was found, by name of the tensor.

    Args:
        content: A float32 file with the signature `serving_default`: input -> output.
        samples: float32 (1, h, w, 3), the size of the file's input.
        threads: Threads that its interpreter may use.
        mode: One of `MODES`.
    """
    from ai_edge_quantizer import Quantizer, calibrator, recipe

    modes = calibrator.CalibrationMode
    chosen = {
        "profiler": modes.CALIBRATION_PROFILER_BASED,
        "all tensors": modes.CALIBRATION_PRESERVE_ALL_TENSORS,
    }[mode]
    data = {"serving_default": [{"input": sample} for sample in samples]}

    def calibrate() -> dict[str, Any]:
        # It draws a progress bar, and warns of its own mode.
        with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            quantizer = Quantizer(bytearray(content), recipe.static_wi8_ai8())
            return quantizer.calibrate(data, num_threads=threads, mode=chosen)

    return calibrate
