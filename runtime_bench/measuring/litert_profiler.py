"""Events of the profiler inside of LiteRT, recorded in a process of its own.

The wheel of ai-edge-litert has no `benchmark_model`, and its `Interpreter` shows no profiler. Its
library `libLiteRt` has one (litert/c/litert_profiler.h): one event per operator and run with its
elapsed time, also for operators inside of XNNPACK. `litert_library` calls it; a child process does
so, since native structures may change with a version and would take this process along.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from sr_models.ground.child import Crash, ask_module
from sr_models.ground.errors import ModelFileError, OptionError

"""Kernels that can be profiled; in its reference mode LiteRT 2.3 runs the builtin ones."""

_LIBRARIES = ("libLiteRt.so", "libLiteRt.dylib", "libLiteRt.dll")


@dataclass(frozen=True)
class Event:
    """One operator in one run.

    Attributes:
        name: The operator: as in the file for kernels of the interpreter, else the delegate's name.
        inside: Whether it lies inside of a delegate.
        index: Number of the node in the file; inside of a delegate, its number in its partition.
        elapsed_us: How long it took, whole microseconds.
    """

    name: str
    inside: bool
    index: int
    elapsed_us: int


@dataclass(frozen=True)
class RecordedRun:
    """One profiled inference.

    Attributes:
        events: Operators in the order in which they ran.
        total_us: The whole graph, microseconds.
    """

    events: tuple[Event, ...]
    total_us: int


@dataclass(frozen=True)
class Recording:
    """What the child is asked to do.

    Attributes:
        model: Path of the file.
        kernels: One of `KERNELS`.
        threads: Threads that the kernels may use.
        runs: Profiled runs at most.
        seconds: Time budget of them; one run is always done.
        warmup: Runs before them.
        resize: Whether the inputs' shapes are to be set first.
    """

    model: str
    kernels: str
    threads: int
    runs: int
    seconds: float
    warmup: int
    resize: bool


def find_library() -> Path:
    """The `libLiteRt` of the installed ai-edge-litert.

    Raises:
        OptionError: The package is not installed, or has no such library.
    """
    spec = find_spec("ai_edge_litert")
    folders = list(spec.submodule_search_locations or ()) if spec is not None else []
    for name in _LIBRARIES:
        for folder in folders:
            if (found := Path(folder) / name).is_file():
                return found
    raise OptionError(
        "expected ai-edge-litert with its library libLiteRt for --profile, found none; install "
        "ai-edge-litert 2.3, or leave --profile"
    )


def record(recording: Recording, inputs: Sequence[np.ndarray]) -> tuple[RecordedRun, ...]:
    """Run a file on `inputs` under LiteRT's profiler.

    Args:
        recording: The file and how to run it.
        inputs: One array per input, of exactly its dtype and of the shape to run at.

    Raises:
        OptionError: No library to profile with.
        ModelFileError: The file cannot be run, or the profiler's answer is not understood.
    """
    library = find_library()
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder) / f"{number}.npy") for number in range(len(inputs))]
        for path, array in zip(paths, inputs):
            np.save(path, array)
        asked = json.dumps(asdict(recording))
        try:
            answer = ask_module(
                "runtime_bench.measuring.litert_library", str(library), asked, *paths
            )
        except Crash as crash:
            raise ModelFileError(
                f"expected to profile {recording.model} with {library.name}, found: {crash}; leave "
                "--profile"
            ) from None
    return tuple(
        RecordedRun(tuple(Event(*event) for event in run["events"]), run["total_us"])
        for run in answer
    )
