"""How long a file took on a phone, in the same rows as on a desktop."""

from __future__ import annotations

from dataclasses import dataclass

from runtime_bench.android.devices import Program
from runtime_bench.android.output import Times, ToolOutput
from runtime_bench.android.phone import Phone, Thermal
from runtime_bench.android.placement import TEXT, PhonePlacement
from runtime_bench.android.profile import OperatorTime
from runtime_bench.android.results_file import NAME as RESULTS
from runtime_bench.android.results_file import ToolResults
from runtime_bench.android.tool import KINDS, ToolRun
from sr_models.tflite.files import ModelFile

LEGACY = {"nnapi": "legacy (deprecated in Android 15)"}
"""Delegates that still run and are no longer developed, and what rows say of them."""


@dataclass(frozen=True)
class PhoneLatency:
    """One file on one phone with one delegate and number of threads.

    Attributes:
        model: The file.
        input_shape: Shape of its (first) input.
        run: What the program was told to do.
        cpus: Mask of the cores it was bound to, hexadecimal; empty for the scheduler's choice.
        kind: Which program ran, `classic` or `litert`.
        program: Which file that is.
        output: What it said: figures of `results.pb`, where it wrote that, before those printed.
        results: What `results.pb` holds; `None` where it wrote none.
        placement: Where the nodes ran.
        left_behind: Types of the nodes that ran on the CPU; `None` where no profile tells.
        profile: Times per operator; empty where none were asked for, or the program gave none.
        phone: The phone.
        before: How warm it was before the run.
        after: How warm it was after the run.
        notices: What the user should know about these figures.
    """

    model: ModelFile
    input_shape: tuple[int, ...]
    run: ToolRun
    cpus: str
    kind: str
    program: Program
    output: ToolOutput
    results: ToolResults | None
    placement: PhonePlacement
    left_behind: tuple[str, ...] | None
    profile: tuple[OperatorTime, ...]
    phone: Phone
    before: Thermal
    after: Thermal
    notices: tuple[str, ...] = ()

    @property
    def delegate(self) -> str:
        """The delegate, with the accelerator where one was named."""
        named = self.run.accelerator
        return f"{self.run.delegate}:{named}" if named else self.run.delegate

    @property
    def runtime(self) -> str:
        """Which program ran on which Android."""
        tool = f"{KINDS[self.kind]} {self.program.release}".rstrip()
        return f"{tool}, Android {self.phone.android or '?'}"

    @property
    def source(self) -> str:
        """What the figures were read from: `results.pb`, or the program's text."""
        return TEXT if self.results is None else RESULTS

    def to_json(self) -> dict:
        """One result row with the keys of a desktop's, and those of the phone."""
        times = self.output.inference or Times()
        warmup = self.output.warmup or Times()
        placement, abi = self.placement, self.phone.abis[0] if self.phone.abis else None
        return {
            "model": self.model.name,
            "delegate": self.delegate,
            "legacy": LEGACY.get(self.run.delegate),
            "threads": self.run.threads,
            "runs": times.runs,
            "median_ms": times.median_ms,
            "p5_ms": times.p5_ms,
            "p95_ms": times.p95_ms,
            "std_ms": times.std_ms,
            "mean_ms": times.mean_ms,
            "first_ms": warmup.first_ms,
            "init_ms": self.output.init_ms,
            "delegated_nodes": placement.delegated_nodes,
            "total_nodes": placement.total_nodes,
            "partitions": placement.partitions,
            "left_behind": None if self.left_behind is None else list(self.left_behind),
            "placement": placement.verdict,
            "fell_back": placement.fell_back,
            "placement_source": placement.source,
            "source": self.source,
            "memory_mb": self.output.overall_mb,
            "peak_memory_mb": self.output.peak_mb,
            "accelerators": list(self.output.accelerators),
            "cpus": self.cpus or None,
            "input_shape": list(self.input_shape),
            "runtime": self.runtime,
            "tool": self.program.name,
            "tool_sha256": self.program.sha256,
            "tool_flags": [f"{name}={value}" for name, value in self.run.extra],
            "size_bytes": self.model.size_bytes,
            "sha256": self.model.sha256,
            "phone": self.phone.name,
            "serial": self.phone.serial,
            "soc": self.phone.soc,
            "android": self.phone.android,
            "sdk": self.phone.sdk,
            "abi": abi,
            "thermal_before": self.before.to_json(),
            "thermal_after": self.after.to_json(),
            "notices": list(self.notices),
            "profile": [operator.to_json() for operator in self.profile],
        }
