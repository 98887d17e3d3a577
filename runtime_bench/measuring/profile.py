"""Where the time of one inference goes: every operator, its resolution, and where it ran."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from export.running.interpreters import open_model
from export.running.plan import Plan
from runtime_bench.measuring.latency import input_array
from runtime_bench.measuring.litert_profiler import Event, RecordedRun, Recording, record
from runtime_bench.measuring.usage import require_profiled
from sr_models.ground.errors import ModelFileError
from sr_models.tflite.files import read_model
from sr_models.tflite.flatbuffer import FileGraph, OperatorInfo, read_graph

METHOD = "LiteRT's own profiler, one event per operator and run"
# Operators of a file by what XNNPACK calls those that stand for them, up to the parenthesis.
_COUNTERPARTS = {
    ("Convolution", "Fully Connected"): ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"),
    ("Deconvolution",): ("TRANSPOSE_CONV",),
    ("Depth To Space",): ("DEPTH_TO_SPACE",),
    ("Space To Depth",): ("SPACE_TO_DEPTH",),
    ("Add",): ("ADD",),
    ("Subtract",): ("SUB",),
    ("Multiply",): ("MUL",),
    ("Copy",): ("CONCATENATION", "RESHAPE", "EXPAND_DIMS", "SPLIT", "STRIDED_SLICE"),
    ("Constant Pad",): ("PAD", "PADV2"),
    ("PReLU",): ("PRELU",),
    ("Leaky ReLU",): ("LEAKY_RELU",),
    ("Clamp",): ("RELU", "RELU6", "MINIMUM", "MAXIMUM"),
    ("Convert",): ("QUANTIZE", "DEQUANTIZE"),
    ("Resize Bilinear",): ("RESIZE_BILINEAR",),
}


@dataclass(frozen=True)
class TimedOperator:
    """One operator of the profiled runs.

    Attributes:
        op: Its name in the file; the delegate's name where it has no counterpart there.
        kernel: What the delegate calls it; empty for kernels of the interpreter.
        inside: Whether it ran inside of a delegate.
        partition: Which of the delegate's kernels it belongs to, from 0; `None` outside.
        index: Its place in the file; `None` where it has no counterpart.
        name: The tensor that it makes; empty like `index`.
        height: Height of that tensor in pixels; `None` where it is no picture or not known.
        width: Its width.
        median_ms: Median over the runs, milliseconds.
        mean_ms: Mean over the runs.
        p5_ms: 5th percentile.
        p95_ms: 95th percentile.
        percent: Share of the sum of all medians.
    """

    op: str
    kernel: str
    inside: bool
    partition: int | None
    index: int | None
    name: str
    height: int | None
    width: int | None
    median_ms: float
    mean_ms: float
    p5_ms: float
    p95_ms: float
    percent: float

    def to_json(self) -> dict:
        """The attributes by name, and `calls` as phones have it."""
        return {**asdict(self), "calls": 1}


@dataclass(frozen=True)
class Profile:
    """The operators of one file with one delegate and number of threads.

    Attributes:
        operators: In the order in which they ran.
        runs: Number of profiled runs.
        total_ms: Median of the whole graph in these runs, milliseconds.
        between_ms: Median of what a run took beyond the sum of its operators.
    """

    operators: tuple[TimedOperator, ...]
    runs: int
    total_ms: float
    between_ms: float

    def to_json(self) -> dict:
        """The keys that a latency row has for it."""
        return {
            "profile": [operator.to_json() for operator in self.operators],
            "profiled": {
                "runs": self.runs,
                "total_ms": self.total_ms,
                "between_ms": self.between_ms,
                "method": METHOD,
            },
        }


def operators_of(
    runs: Sequence[RecordedRun], graph: FileGraph, shapes: Sequence[tuple[int, ...]]
) -> tuple[TimedOperator, ...]:
    """Statistics per operator from recorded runs.

    An operator inside of a delegate is given that of the file which it stands for only where the
    delegate has as many of its kind as it took from the file; both are in order of execution.

    Args:
        runs: At least one run.
        graph: The file.
        shapes: Shape of each tensor of the file at the size that was run.

    Raises:
        ModelFileError: The runs differ in their operators, or are not of this file.
    """
    first = runs[0].events
    for run in runs:
        if [_identity(event) for event in run.events] != [_identity(event) for event in first]:
            raise ModelFileError(
                "expected the same operators in every profiled run, found others; measure again"
            )
    counterparts = _counterparts(first, graph)
    samples_ms = np.array([[e.elapsed_us for e in run.events] for run in runs], float) / 1e3
    medians = np.median(samples_ms, axis=0) if first else np.zeros(0)
    whole = float(medians.sum()) or 1.0
    found = []
    for number, (event, op, partition) in enumerate(zip(first, counterparts, _partitions(first))):
        p5, p95 = np.percentile(samples_ms[:, number], (5, 95))
        height, width = _resolution(op, shapes)
        found.append(
            TimedOperator(
                op=op.name if op else event.name,
                kernel=event.name if event.inside else "",
                inside=event.inside,
                partition=partition,
                index=op.index if op else None,
                name=graph.tensors[op.outputs[0]].name if op and op.outputs else "",
                height=height,
                width=width,
                median_ms=float(medians[number]),
                mean_ms=float(samples_ms[:, number].mean()),
                p5_ms=float(p5),
                p95_ms=float(p95),
                percent=100.0 * float(medians[number]) / whole,
            )
        )
    return tuple(found)


def profile_file(
    path: str,
    plan: Plan | None = None,
    *,
    delegate: str = "xnnpack",
    threads: int = 1,
    height: int | None = None,
    width: int | None = None,
    picture: np.ndarray | None = None,
) -> Profile:
    """Run a file under LiteRT's profiler, fed as `measure_latency` feeds it.

    Raises:
        OptionError: A delegate that cannot be profiled, or no library to do it with.
        ModelFileError: The file cannot be run.
    """
    plan = plan or Plan()
    require_profiled([delegate])
    # Without a delegate every tensor has its shape at the size that is run.
    runner = open_model(path, delegate="builtin", height=height, width=width)
    runs = record(
        Recording(
            model=path,
            kernels=delegate,
            threads=threads,
            runs=plan.runs,
            seconds=plan.seconds,
            warmup=plan.warmup,
            resize=height is not None,
        ),
        [input_array(tensor, picture=picture, seed=plan.seed) for tensor in runner.inputs],
    )
    operators = operators_of(runs, read_graph(read_model(path)), runner.tensor_shapes)
    total_us = np.array([run.total_us for run in runs], float)
    sums_us = np.array([sum(event.elapsed_us for event in run.events) for run in runs], float)
    # Times of operators are cut off to whole microseconds, and so is the whole.
    between_us = np.maximum(total_us - sums_us, 0.0)
    return Profile(
        operators, len(runs), float(np.median(total_us)) / 1e3, float(np.median(between_us)) / 1e3
    )


def _identity(event: Event) -> tuple[str, bool, int]:
    return event.name, event.inside, event.index


def _partitions(events: Sequence[Event]) -> list[int | None]:
    found: list[int | None] = []
    number, inside = -1, False
    for event in events:
        # A kernel of the delegate begins where one of the interpreter's ended, or counts anew.
        if event.inside and (not inside or event.index == 0):
            number += 1
        inside = event.inside
        found.append(number if inside else None)
    return found


def _counterparts(events: Sequence[Event], graph: FileGraph) -> list[OperatorInfo | None]:
    found: list[OperatorInfo | None] = [None] * len(events)
    left = {op.index: op for op in graph.operators}
    for number, event in enumerate(events):
        if not event.inside:
            op = left.pop(event.index, None)
            if op is None or op.name not in (event.name, "CUSTOM"):
                raise ModelFileError(
                    f"expected the operators of the file in its profile, found {event.name} as "
                    f"number {event.index}; leave --profile"
                )
            found[number] = op
    for kernels, names in _COUNTERPARTS.items():
        places = [
            number
            for number, event in enumerate(events)
            if event.inside and event.name.split(" (")[0] in kernels
        ]
        taken = [op for op in left.values() if op.name in names]
        if len(places) == len(taken):
            for number, op in zip(places, taken):
                found[number] = op
    return found


def _resolution(
    op: OperatorInfo | None, shapes: Sequence[tuple[int, ...]]
) -> tuple[int | None, int | None]:
    if op is None or not op.outputs or not 0 <= op.outputs[0] < len(shapes):
        return None, None
    shape = shapes[op.outputs[0]]
    return (shape[1], shape[2]) if len(shape) == 4 else (None, None)
