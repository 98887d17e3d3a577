"""`results.pb`, which `benchmark_model` writes on `--result_file_path`: times and memory.

`tflite.tools.benchmark.BenchmarkResult` of google-ai-edge/LiteRT,
tflite/tools/benchmark/proto/benchmark_result.proto (as in tensorflow/tensorflow,
tensorflow/lite/tools/benchmark/proto/benchmark_result.proto at a4f54022085d, 2025; the copies of
2026 add `throughput_fps` alone). Who fills it: BenchmarkLoggingListener of
litert/tools/benchmark_litert_model.h at 15bfaa8b303d, and ProtoBenchmarkReporter of
tflite/tools/benchmark/benchmark_tflite_model.cc at 01d971c556e3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from runtime_bench.android.output import Times, ToolOutput
from runtime_bench.android.wire import Message, read_file

NAME = "results.pb"
# BenchmarkResult.
_LATENCY, _MEMORY, _MISC = 2, 3, 4
# LatencyMetrics, floats of milliseconds.
_MEAN, _MIN, _MAX, _STD, _MEDIAN, _P5, _P95, _INIT, _FIRST, _WARMUP = range(1, 11)
# MemoryMetrics: two of KiB, one of MiB.
_INIT_KB, _OVERALL_KB, _PEAK_MB = 1, 2, 3
# MiscMetrics.
_SIZE_MB, _RUNS, _WARMUPS, _THROUGHPUT = 1, 2, 3, 4


@dataclass(frozen=True)
class ToolResults:
    """What the file holds; `None` where it does not say.

    Attributes:
        inference: The timed runs; `None` where there were none.
        warmup: The runs before them; `None` where there were none.
        init_ms: Loading, applying the delegate and allocating, milliseconds.
        init_mb: Memory after that, beyond the start, MiB.
        overall_mb: Memory at the end, beyond the start, MiB.
        peak_mb: Largest memory, MiB; told only on request.
        size_mb: Size of the file, millions of bytes.
        throughput_mb_s: Input that was taken each second, millions of bytes.
    """

    inference: Times | None
    warmup: Times | None
    init_ms: float | None
    init_mb: float | None
    overall_mb: float | None
    peak_mb: float | None
    size_mb: float | None
    throughput_mb_s: float | None

    def over(self, output: ToolOutput) -> ToolOutput:
        """What the text says, with everything that the file says in its place."""
        known = {
            name: value
            for name in ("inference", "warmup", "init_ms", "init_mb", "overall_mb", "peak_mb")
            if (value := getattr(self, name)) is not None
        }
        return replace(output, **known)


def read_results(data: bytes | None) -> ToolResults | None:
    """Read the file; `None` where the program wrote none.

    Raises:
        WireError: The file is cut, no message, or holds figures that cannot be.
    """
    return read_file(data, NAME, _read)


def _read(message: Message) -> ToolResults:
    empty = Message(b"", NAME)
    latency = message.message(_LATENCY) or empty
    memory = message.message(_MEMORY) or empty
    misc = message.message(_MISC) or empty

    def ms(number: int) -> float | None:
        return _positive(latency, number)

    def mb(number: int) -> float | None:
        kb = memory.integer(number)
        # Memory that was given back counts as none, which is no error.
        return None if kb is None else round(kb / 1024, 4)

    runs, warmups = _count(misc, _RUNS), _count(misc, _WARMUPS)
    inference = warmup = None
    if runs != 0 and latency.real(_MEAN) is not None:
        inference = Times(
            runs=runs,
            mean_ms=ms(_MEAN),
            std_ms=ms(_STD),
            min_ms=ms(_MIN),
            max_ms=ms(_MAX),
            p5_ms=ms(_P5),
            median_ms=ms(_MEDIAN),
            p95_ms=ms(_P95),
        )
    # Without runs the program writes zeros.
    if warmups != 0 and latency.real(_FIRST) is not None:
        warmup = Times(runs=warmups, first_ms=ms(_FIRST), mean_ms=ms(_WARMUP))
    return ToolResults(
        inference,
        warmup,
        ms(_INIT),
        mb(_INIT_KB),
        mb(_OVERALL_KB),
        _positive(memory, _PEAK_MB),
        _positive(misc, _SIZE_MB),
        _positive(misc, _THROUGHPUT),
    )


def _positive(message: Message, number: int) -> float | None:
    value = message.real(number)
    if value is not None and not (math.isfinite(value) and value >= 0):
        raise message.wrong(f"a figure of {value:g}")
    return value


def _count(message: Message, number: int) -> int | None:
    value = message.integer(number)
    if value is not None and not 0 <= value < 1 << 31:
        raise message.wrong(f"{value} runs")
    return value
