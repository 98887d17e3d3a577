"""LiteRT's C interface by ctypes, as far as profiling a file needs it; run as a process of its own.

Signatures are those of litert/c/litert_*.h of version 2.3. Whatever comes back in another form ends
the process with one line on stderr.
"""

from __future__ import annotations

import ctypes
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from runtime_bench.measuring.litert_profiler import Recording
from sr_models.ground.child import answer

# litert/c/litert_profiler_event.h: what an event is about.
_DEFAULT, _OPERATOR, _DELEGATE_OPERATOR, _DELEGATE_PROFILED = 1, 2, 4, 8
_KNOWN_TYPES = {1 << bit for bit in range(9)}
_WHOLE = "Invoke"
# kLiteRtHwAcceleratorCpu, and the mode of LiteRtLockTensorBuffer to write.
_CPU, _WRITE = 1, 1


class NativeLayout(ctypes.Structure):
    # litert/c/litert_layout.h; the rank is in the low seven bits.
    _fields_ = [
        ("packed", ctypes.c_uint32),
        ("dimensions", ctypes.c_int32 * 8),
        ("strides", ctypes.c_uint32 * 8),
    ]


class _TensorType(ctypes.Structure):
    _fields_ = [("element_type", ctypes.c_int32), ("layout", NativeLayout)]


class NativeEvent(ctypes.Structure):
    # litert/c/litert_profiler_event.h with three words of memory usage before and after.
    _fields_ = [
        ("tag", ctypes.c_void_p),
        ("type", ctypes.c_int32),
        ("start_us", ctypes.c_uint64),
        ("elapsed_us", ctypes.c_uint64),
        ("memory", ctypes.c_uint64 * 6),
        ("index", ctypes.c_uint64),
        ("second_index", ctypes.c_uint64),
        ("source", ctypes.c_int32),
    ]


class Profiled:
    """A file in LiteRT's compiled model, with its profiler."""

    def __init__(self, library: str, recording: Recording, inputs: Sequence[np.ndarray]):
        self._library = ctypes.CDLL(library)
        self._environment = self._new("LiteRtCreateEnvironment", 0, None)
        content = Path(recording.model).read_bytes()
        # LiteRT keeps pointing into these bytes.
        self._content = ctypes.create_string_buffer(content, len(content))
        model = self._new(
            "LiteRtCreateModelFromBuffer",
            self._environment,
            self._content,
            ctypes.c_size_t(len(content)),
        )
        self._model = self._new(
            "LiteRtCreateCompiledModel", self._environment, model, self._options(recording)
        )
        if recording.resize:
            for number, array in enumerate(inputs):
                shape = (ctypes.c_int * array.ndim)(*array.shape)
                self._call(
                    "LiteRtCompiledModelResizeInputTensorNonStrict",
                    self._model,
                    *map(ctypes.c_size_t, (0, number)),
                    shape,
                    ctypes.c_size_t(array.ndim),
                )
        signature = self._new("LiteRtGetModelSignature", model, ctypes.c_size_t(0))
        self._inputs = self._buffers("Input", signature, [array.shape for array in inputs])
        outputs = self._count(signature, "Output")
        self._outputs = self._buffers("Output", signature, self._output_shapes(outputs))
        for buffer, array in zip(self._inputs, inputs):
            self._fill(buffer, array)
        self.profiler = self._new("LiteRtCompiledModelGetProfiler", self._model)

    def run(self) -> None:
        self._call(
            "LiteRtRunCompiledModel",
            self._model,
            ctypes.c_size_t(0),
            ctypes.c_size_t(len(self._inputs)),
            self._inputs,
            ctypes.c_size_t(len(self._outputs)),
            self._outputs,
        )

    def profiled_run(self) -> dict[str, Any]:
        for name in ("LiteRtResetProfiler", "LiteRtStartProfiler"):
            self._call(name, self.profiler)
        self.run()
        self._call("LiteRtStopProfiler", self.profiler)
        count = ctypes.c_int()
        self._call("LiteRtGetNumProfilerEvents", self.profiler, ctypes.byref(count))
        # Room for larger structures than ours, so that another version overruns nothing.
        room = ctypes.create_string_buffer(4 * max(1, count.value) * ctypes.sizeof(NativeEvent))
        self._call("LiteRtGetProfilerEvents", self.profiler, count, room)
        return read_events((NativeEvent * count.value).from_buffer(room))

    def _options(self, recording: Recording) -> ctypes.c_void_p:
        options = self._new("LiteRtCreateOptions")
        self._call("LiteRtSetOptionsHardwareAccelerators", options, _CPU)
        texts = {
            "runtime_options_string": "enable_profiling = true\n",
            "xnnpack": f'kernel_mode = "{recording.kernels}"\nnum_threads = {recording.threads}\n',
        }
        # The texts live as long as the process; LiteRT wants a function that frees them.
        self._keep = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(lambda _: None)
        self._texts = [ctypes.create_string_buffer(text.encode()) for text in texts.values()]
        for name, text in zip(texts, self._texts):
            opaque = self._new("LiteRtCreateOpaqueOptions", name.encode(), text, self._keep)
            self._call("LiteRtAddOpaqueOptions", options, opaque)
        return options

    def _buffers(self, kind: str, signature: Any, shapes: Sequence[Sequence[int]]) -> Any:
        buffers = (ctypes.c_void_p * len(shapes))()
        for number, shape in enumerate(shapes):
            tensor = self._new(
                f"LiteRtGetSignature{kind}TensorByIndex", signature, ctypes.c_size_t(number)
            )
            ranked = _TensorType()
            self._call("LiteRtGetRankedTensorType", tensor, ctypes.byref(ranked))
            ranked.layout.dimensions[: len(shape)] = shape
            needed = self._new(
                f"LiteRtGetCompiledModel{kind}BufferRequirements",
                self._model,
                *map(ctypes.c_size_t, (0, number)),
            )
            buffers[number] = self._new(
                "LiteRtCreateManagedTensorBufferFromRequirements",
                self._environment,
                ctypes.byref(ranked),
                needed,
            ).value
        return buffers

    def _output_shapes(self, count: int) -> list[list[int]]:
        layouts = (NativeLayout * count)()
        self._call(
            "LiteRtGetCompiledModelOutputTensorLayouts",
            self._model,
            *map(ctypes.c_size_t, (0, count)),
            layouts,
            ctypes.c_bool(True),
        )
        return [list(layout.dimensions[: layout.packed & 0x7F]) for layout in layouts]

    def _fill(self, buffer: int, array: np.ndarray) -> None:
        size, place = ctypes.c_size_t(), ctypes.c_void_p()
        handle = ctypes.c_void_p(buffer)
        self._call("LiteRtGetTensorBufferPackedSize", handle, ctypes.byref(size))
        if size.value != array.nbytes:
            raise SystemExit(f"an input of {size.value} bytes where {array.nbytes} were given")
        self._call("LiteRtLockTensorBuffer", handle, ctypes.byref(place), _WRITE)
        ctypes.memmove(place, np.ascontiguousarray(array).ctypes.data, array.nbytes)
        self._call("LiteRtUnlockTensorBuffer", handle)

    def _count(self, signature: Any, kind: str) -> int:
        count = ctypes.c_size_t()
        self._call(f"LiteRtGetNumSignature{kind}s", signature, ctypes.byref(count))
        return count.value

    def _new(self, name: str, *arguments: Any) -> ctypes.c_void_p:
        handle = ctypes.c_void_p()
        self._call(name, *arguments, ctypes.byref(handle))
        return handle

    def _call(self, name: str, *arguments: Any) -> None:
        function = getattr(self._library, name, None)
        if function is None:
            raise SystemExit(f"no function {name}")
        function.restype = ctypes.c_int
        if status := function(*arguments):
            raise SystemExit(f"{name} failed with status {status}")


def read_events(events: Sequence[NativeEvent]) -> dict[str, Any]:
    """One run's events as plain data: `events` (the arguments of `Event`) and `total_us`.

    Raises:
        SystemExit: They have another form, or are not all there.
    """
    if not len(events) or any(e.type not in _KNOWN_TYPES or not e.tag for e in events):
        raise SystemExit("events of an unknown form, from another version than 2.3")
    told = [(ctypes.string_at(event.tag).decode(errors="replace"), event) for event in events]
    totals = [event.elapsed_us for name, event in told if (name, event.type) == (_WHOLE, _DEFAULT)]
    if len(totals) != 1:
        raise SystemExit("more operators than the profiler remembers")
    wanted = (_OPERATOR, _DELEGATE_OPERATOR, _DELEGATE_PROFILED)
    return {
        "events": [
            [name, event.type != _OPERATOR, event.index, event.elapsed_us]
            for name, event in told
            if event.type in wanted
        ],
        "total_us": totals[0],
    }


def main() -> None:
    """The process of its own: prints the events."""
    library, asked, *paths = sys.argv[1:]
    recording = Recording(**json.loads(asked))
    profiled = Profiled(library, recording, [np.load(path) for path in paths])
    for _ in range(recording.warmup + 1):
        profiled.run()
    start, runs = time.perf_counter(), []
    while len(runs) < recording.runs:
        runs.append(profiled.profiled_run())
        if time.perf_counter() - start > recording.seconds:
            break
    answer(runs)


if __name__ == "__main__":
    main()
