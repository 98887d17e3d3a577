"""How long files take: cold first inference, then interleaved rounds over every entry."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from export.running.interpreters import Tensor
from export.running.pixels import codes_of_pixels
from export.running.plan import Plan
from export.running.runtimes import find_runtime
from export.running.statistics import Summary, summarize
from export.running.timing import Clock, Samples, time_interleaved
from runtime_bench.measuring.external import open_with_delegate
from sr_models.ground.arguments import (
    a_file,
    a_picture,
    a_text,
    optional,
    several,
    takes,
    whole_number,
)
from sr_models.ground.errors import OptionError
from sr_models.ground.metrics import luma_pixels
from sr_models.ground.pictures import resize_bicubic
from sr_models.ground.pixel_range import Ends
from sr_models.tflite.files import ModelFile, read_model


@dataclass(frozen=True)
class Entry:
    """One thing to time: a file, a delegate and a number of threads, opened.

    Attributes:
        runner: The opened file, with its input set.
        init_ms: Time to create the interpreter, apply the delegate and allocate, milliseconds.
    """

    runner: Any
    init_ms: float


@dataclass(frozen=True)
class Latency:
    """How long one entry took.

    Attributes:
        model: The file's name as given.
        sha256: Hash of the file.
        size_bytes: Size of the file.
        delegate: Delegate it ran with.
        threads: Threads it could use.
        runtime: Interpreter package and version.
        input_shape: Shape of the (first) input.
        samples_ms: Every timed run in order of rounds, milliseconds.
        summary: Statistics of `samples_ms`.
        init_ms: Creating the interpreter and allocating, milliseconds.
        first_ms: The cold first inference, milliseconds.
        delegation: Where the nodes ran; `None` where unknown.
        peak_memory_mb: Largest memory beyond that before opening, MiB; `None` if not measured.
        profile: Its operators, a `Profile`; `None` where not asked for.
    """

    model: str
    sha256: str
    size_bytes: int
    delegate: str
    threads: int
    runtime: str
    input_shape: tuple[int, ...]
    samples_ms: tuple[float, ...] = field(repr=False)
    summary: Summary
    init_ms: float
    first_ms: float
    delegation: Any
    peak_memory_mb: float | None = None
    profile: Any = None

    @property
    def whole(self) -> bool:
        """Whether every node surely ran in the delegate."""
        return self.delegation is not None and not self.delegation.left_behind

    def to_json(self) -> dict:
        """One result row; node counts are `null` where unknown."""
        profile = self.profile.to_json() if self.profile is not None else {"profile": []}
        unknown = dict.fromkeys(("delegated_nodes", "total_nodes", "partitions", "left_behind"))
        nodes = self.delegation.to_json() if self.delegation is not None else unknown
        return {
            "model": self.model,
            "delegate": self.delegate,
            "threads": self.threads,
            **self.summary.to_json(),
            "first_ms": self.first_ms,
            "init_ms": self.init_ms,
            **nodes,
            "peak_memory_mb": self.peak_memory_mb,
            "input_shape": list(self.input_shape),
            "runtime": self.runtime,
            "size_bytes": self.size_bytes,
            "sha256": self.sha256,
            **profile,
        }


def seeded_input(tensor: Tensor, *, seed: int = 0, ends: Ends | None = None) -> np.ndarray:
    """Uniform random pixels for one input, the same for the same picture size and seed.

    Args:
        tensor: The input.
        seed: Of the pixels.
        ends: Its black and white; by its own grid, and 0..1 for real numbers, without them.

    Returns:
        An array of the tensor's shape and dtype; codes are pixels for 8 bits.
    """
    shape = tensor.shape
    shape = (shape[0], *tensor.picture_shape) if tensor.picture_shape else shape
    pixels = np.random.default_rng(seed).integers(0, 256, size=shape, dtype=np.uint8)
    return codes_of_pixels(_stored(pixels, tensor), tensor, ends=ends)


def picture_input(tensor: Tensor, picture: np.ndarray, *, ends: Ends | None = None) -> np.ndarray:
    """A uint8 (H, W, 3) picture, resized to an input (N, H, W, 3), or of its luma (N, H, W, 1)."""
    if tensor.picture_shape is None or tensor.picture_shape[2] not in (1, 3):
        raise OptionError(
            "expected an input (N, H, W, 3) or (N, H, W, 1) for a picture, found "
            f"{list(tensor.shape)}; leave the picture out"
        )
    height, width, channels = tensor.picture_shape
    resized = resize_bicubic(picture, height=height, width=width)
    resized = luma_pixels(resized) if channels == 1 else resized
    pixels = np.broadcast_to(resized, (tensor.shape[0], *resized.shape))
    return np.ascontiguousarray(codes_of_pixels(_stored(pixels, tensor), tensor, ends=ends))


def _stored(pictures: np.ndarray, tensor: Tensor) -> np.ndarray:
    """Pictures (N, H, W, C) as the tensor has its axes."""
    return np.ascontiguousarray(np.moveaxis(pictures, 3, 1)) if tensor.channels_first else pictures


def input_array(
    tensor: Tensor, *, picture: np.ndarray | None, seed: int, ends: Ends | None = None
) -> np.ndarray:
    """What one input is fed: the picture where there is one, else random pixels by seed."""
    if picture is None:
        return seeded_input(tensor, seed=seed, ends=ends)
    return picture_input(tensor, picture, ends=ends)


@takes(
    sources=several(a_file, what="files"),
    delegates=several(a_text, what="delegates"),
    threads=several(whole_number(), what="numbers of threads"),
    picture=optional(a_picture),
)
def open_entries(
    sources: Sequence[str | Path | ModelFile],
    *,
    delegates: Sequence[str] = ("xnnpack",),
    threads: Sequence[int] = (1,),
    height: int | None = None,
    width: int | None = None,
    picture: np.ndarray | None = None,
    seed: int = 0,
    clock: Clock = time.perf_counter,
) -> list[Entry]:
    """Open every file with every delegate and number of threads, and set the input.

    Raises:
        ModelFileError: A file cannot be read or run.
        OptionError: An unknown delegate, or threads or sizes outside of what is allowed.
    """
    models = [s if isinstance(s, ModelFile) else read_model(s) for s in sources]
    # Importing the interpreter is no part of anybody's initialization.
    runtime = find_runtime()
    entries = []
    for model in models:
        for delegate in dict.fromkeys(delegates):
            for count in dict.fromkeys(threads):
                start = clock()
                runner = open_with_delegate(
                    model,
                    delegate=delegate,
                    threads=count,
                    height=height,
                    width=width,
                    runtime=runtime,
                )
                init_ms = (clock() - start) * 1e3
                if height is None and runner.any_size:
                    raise OptionError(
                        f"expected --size for {model.name}, which takes any size, found none; "
                        "give it, e.g. 360x640"
                    )
                runner.set_inputs(
                    *(input_array(tensor, picture=picture, seed=seed) for tensor in runner.inputs)
                )
                entries.append(Entry(runner, init_ms))
    return entries


def time_entries(
    entries: Sequence[Entry],
    plan: Plan | None = None,
    *,
    clock: Clock = time.perf_counter,
    on_step: Callable[[int, int], Any] | None = None,
) -> list[Latency]:
    """Time entries in interleaved rounds; see `export.running.timing.time_interleaved`.

    Args:
        entries: What to run, with inputs set.
        plan: Rounds, budget, warm-up and seed.
        clock: Seconds, monotonic.
        on_step: Called with the rounds done and the rounds at most.

    Returns:
        One result per entry, in their order; sample `i` of each comes from round `i`.
    """
    timed = time_interleaved([e.runner for e in entries], plan, clock=clock, on_step=on_step)
    return [_result(entry, found) for entry, found in zip(entries, timed)]


def measure_latency(
    sources: Sequence[str | Path | ModelFile],
    plan: Plan | None = None,
    *,
    delegates: Sequence[str] = ("xnnpack",),
    threads: Sequence[int] = (1,),
    height: int | None = None,
    width: int | None = None,
    picture: np.ndarray | None = None,
    on_step: Callable[[int, int], Any] | None = None,
) -> list[Latency]:
    """`open_entries`, then `time_entries`: the whole measurement of some files."""
    plan = plan or Plan()
    entries = open_entries(
        sources,
        delegates=delegates,
        threads=threads,
        height=height,
        width=width,
        picture=picture,
        seed=plan.seed,
    )
    return time_entries(entries, plan, on_step=on_step)


def latency_protocol(plan: Plan, *, picture: str | None = None) -> dict:
    """What a reader must know to repeat the figures."""
    return {
        "runs_at_most": plan.runs,
        "seconds_at_most": plan.seconds,
        "warmup": plan.warmup,
        "seed": plan.seed,
        "input": picture or "uniform random pixels by seed",
        "rounds": "interleaved, order shuffled by seed",
    }


def _result(entry: Entry, timed: Samples) -> Latency:
    runner = entry.runner
    return Latency(
        model=runner.model.name,
        sha256=runner.model.sha256,
        size_bytes=runner.model.size_bytes,
        delegate=runner.delegate,
        threads=runner.threads,
        runtime=str(runner.runtime),
        input_shape=runner.inputs[0].shape,
        samples_ms=timed.samples_ms,
        summary=summarize(timed.samples_ms),
        init_ms=entry.init_ms,
        first_ms=timed.first_ms,
        delegation=runner.delegation,
    )
