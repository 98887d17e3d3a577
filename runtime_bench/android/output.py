"""What `benchmark_model` prints, read: times, memory, and whether the delegate took the graph.

Pure functions from text. The forms are those of google-ai-edge/LiteRT 2023 to 2026:
tflite/tools/benchmark/benchmark_model.cc (`count=`, `Inference timings in us`), .../
benchmark_tflite_model.cc (`Explicitly applied`, `Though`), tflite/core/subgraph.cc (`Replacing`),
tflite/tools/delegates/nnapi_delegate_provider.cc, and litert/tools/benchmark_litert_model.h. Lines
may carry any prefix (`INFO: `, a file and line, a logcat tag), and any may be missing.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_COUNT = re.compile(r"(?<!\(microseconds\): )(?<!\(bytes\): )\bcount=(\d+)\b([^\n]*)")
_PAIR = re.compile(rf"(\w+)=({_NUMBER})")
_SUMMARY_LINE = re.compile(r"nference timings in us: [^\n]*")
_SUMMARY = re.compile(
    rf"(Init|First inference|Warmup \(avg\)|Warmup|Inference \(avg\)|no stats): ({_NUMBER})"
)
_LITERT = re.compile(
    rf"(Model initialization|Warmup \(first\)|Warmup \(avg\)|Inference \((?:avg|min|max|std)\)):\s+"
    rf"({_NUMBER})(?: ms)?(?: \((\d+) runs\))?"
)
_REPLACING = re.compile(
    r"Replacing (\d+) out of (\d+) node\(s\) with delegate \(([^)\n]*)\)[^\n]*?"
    r"yielding (\d+) partitions"
)
_APPLIED = re.compile(
    r"Explicitly applied (\S+) delegate, and the model graph will be (completely|partially) "
    r"executed by the delegate(?: w/ (\d+) delegate kernels)?"
)
_NOT_APPLIED = re.compile(
    r"Though (\S+) delegate is explicitly applied, the model graph will not be\s+executed by the "
    r"delegate"
)
_REFUSED = re.compile(r"(?:Failed to apply (\S+) delegate|(NNAPI) acceleration is unsupported)")
# LiteRT's warning when no library of an accelerator can be loaded; it then runs on the CPU.
_ABSENT = re.compile(r"(GPU|NPU) accelerator could not be (?:dynamically )?loaded and registered")
_ACCELERATORS = re.compile(r"NNAPI accelerators available: \[([^\]\n]*)\]")
_MEMORY = re.compile(rf"\(MB\): init=({_NUMBER}) overall=({_NUMBER})")
_PEAK = re.compile(rf"(?:Overall peak memory footprint \(MB\) [^:\n]*|Peak memory):\s+({_NUMBER})")
_UNKNOWN_FLAGS = re.compile(r"Unconsumed cmdline flags: ([^\n]*)")
_ERROR = re.compile(r"\bERROR: (?:\[[^\]\n]*\] )?([^\n]+)")


@dataclass(frozen=True)
class Times:
    """Statistics of one series of runs, milliseconds; `None` where the program does not tell.

    Attributes:
        runs: Number of runs; `None` where only a mean is told.
        first_ms: The first of them.
        mean_ms: Mean.
        std_ms: Standard deviation.
        min_ms: Fastest.
        max_ms: Slowest.
        p5_ms: 5th percentile (programs of 2023 and later).
        median_ms: Median (programs of 2023 and later).
        p95_ms: 95th percentile (programs of 2023 and later).
    """

    runs: int | None = None
    first_ms: float | None = None
    mean_ms: float | None = None
    std_ms: float | None = None
    min_ms: float | None = None
    max_ms: float | None = None
    p5_ms: float | None = None
    median_ms: float | None = None
    p95_ms: float | None = None


@dataclass(frozen=True)
class Replacement:
    """A delegate that took nodes.

    Attributes:
        delegate: Its own name, e.g. `TfLiteXNNPackDelegate`.
        nodes: Nodes that it took.
        total: Nodes that were there.
        parts: Pieces of the graph thereafter, those of the delegate and those left alone.
    """

    delegate: str
    nodes: int
    total: int
    parts: int


@dataclass(frozen=True)
class Applied:
    """What the program says about a delegate that it was told to apply.

    Attributes:
        delegate: `XNNPACK`, `NNAPI`, `GPU` ...
        extent: `completely`, `partially` or `not`.
        kernels: Delegate kernels in the graph; `None` where not told.
    """

    delegate: str
    extent: str
    kernels: int | None


@dataclass(frozen=True)
class ToolOutput:
    """Everything that is read from the text of one run.

    Attributes:
        inference: The timed runs; `None` where the program did not come so far.
        warmup: The warm-up runs, whose first is the cold one; `None` where not told.
        init_ms: Loading, applying the delegate and allocating, milliseconds.
        init_mb: Memory after that, beyond the start, MiB.
        overall_mb: Memory at the end, beyond the start, MiB.
        peak_mb: Largest memory, MiB; told only on request.
        replacements: Delegates that took nodes, in order.
        applied: What is said about delegates that were asked for, in order.
        refused: Names of delegates that could not be applied at all.
        absent: Kinds of accelerators that LiteRT found no library of, `GPU` or `NPU`.
        accelerators: NNAPI accelerators of the phone.
        unknown_flags: Arguments that the program does not know.
        errors: Its error messages, in order.
    """

    inference: Times | None
    warmup: Times | None
    init_ms: float | None
    init_mb: float | None
    overall_mb: float | None
    peak_mb: float | None
    replacements: tuple[Replacement, ...]
    applied: tuple[Applied, ...]
    refused: tuple[str, ...]
    absent: tuple[str, ...]
    accelerators: tuple[str, ...]
    unknown_flags: str
    errors: tuple[str, ...]


def parse_output(text: str) -> ToolOutput:
    """Read what either program printed; what is not there is `None` or empty, never an error."""
    text = text.replace("\r\n", "\n")
    series = [times_of_count(match[0]) for match in _COUNT.finditer(text)]
    summary = _summary(text)
    litert, litert_warmup, litert_init = _litert(text)
    inference = series[-1] if series else litert
    warmup = series[-2] if len(series) > 1 else litert_warmup
    if inference is None and (mean := summary.get("Inference (avg)", summary.get("no stats"))):
        inference = Times(mean_ms=mean)
    if warmup is None and summary.keys() & {"First inference", "Warmup (avg)", "Warmup"}:
        mean = summary.get("Warmup (avg)", summary.get("Warmup"))
        warmup = Times(first_ms=summary.get("First inference"), mean_ms=mean)
    memory, peak = _MEMORY.search(text), _PEAK.search(text)
    accelerators, unknown = _ACCELERATORS.search(text), _UNKNOWN_FLAGS.search(text)
    return ToolOutput(
        inference=inference,
        warmup=warmup,
        init_ms=summary.get("Init", litert_init),
        init_mb=_finite(memory[1]) if memory else None,
        overall_mb=_finite(memory[2]) if memory else None,
        peak_mb=_finite(peak[1]) if peak else None,
        replacements=tuple(
            Replacement(found[3], _count(found[1]), _count(found[2]), _count(found[4]))
            for found in _REPLACING.finditer(text)
        ),
        applied=_applied(text),
        refused=tuple(found[1] or found[2] for found in _REFUSED.finditer(text)),
        absent=tuple(dict.fromkeys(found[1] for found in _ABSENT.finditer(text))),
        accelerators=_names(accelerators[1]) if accelerators else (),
        unknown_flags=unknown[1].strip() if unknown else "",
        errors=tuple(dict.fromkeys(found[1].strip() for found in _ERROR.finditer(text))),
    )


def times_of_count(line: str) -> Times:
    """Statistics from one `count=50 first=71900 curr=... p95=75610` line (microseconds)."""
    found = dict(_PAIR.findall(line))
    runs = _count(found.get("count", "0"))
    if runs and "first" not in found and "curr" in found:
        # A single sample, or "(all same)": the one value stands for each statistic.
        value = _ms(found["curr"])
        return Times(runs, value, value, 0.0, value, value, value, value, value)
    keys = ("first", "avg", "std", "min", "max", "p5", "median", "p95")
    return Times(runs, *(_ms(found[key]) if key in found else None for key in keys))


def _summary(text: str) -> dict[str, float | None]:
    # Every order of the parts: an old README has the warm-up first.
    found = _SUMMARY_LINE.search(text)
    return {name: _ms(value) for name, value in _SUMMARY.findall(found[0])} if found else {}


def _litert(text: str) -> tuple[Times | None, Times | None, float | None]:
    # The classic summary has parts of the same names, in microseconds.
    text = _SUMMARY_LINE.sub("", text)
    found = {match[1]: match for match in _LITERT.finditer(text)}

    def value(key: str) -> float | None:
        return _finite(found[key][2]) if key in found else None

    def runs(key: str) -> int | None:
        return _count(found[key][3]) if key in found and found[key][3] else None

    times = warmup = None
    if "Inference (avg)" in found:
        times = Times(
            runs("Inference (avg)"),
            mean_ms=value("Inference (avg)"),
            std_ms=value("Inference (std)"),
            min_ms=value("Inference (min)"),
            max_ms=value("Inference (max)"),
        )
    if "Warmup (first)" in found:
        warmup = Times(
            runs("Warmup (avg)"), first_ms=value("Warmup (first)"), mean_ms=value("Warmup (avg)")
        )
    return times, warmup, value("Model initialization")


def _applied(text: str) -> tuple[Applied, ...]:
    said = []
    for found in _APPLIED.finditer(text):
        # No number is printed where the whole graph is one kernel.
        kernels = _count(found[3]) if found[3] else 1 if found[2] == "completely" else None
        said.append((found.start(), Applied(found[1], found[2], kernels)))
    said += [(f.start(), Applied(f[1], "not", 0)) for f in _NOT_APPLIED.finditer(text)]
    return tuple(applied for _, applied in sorted(said, key=lambda item: item[0]))


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _count(text: str) -> int:
    # Python refuses to read absurdly long numbers.
    return int(text) if len(text) < 19 else 0


def _finite(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None


def _ms(text: str) -> float | None:
    value = _finite(text)
    return None if value is None else value / 1e3
