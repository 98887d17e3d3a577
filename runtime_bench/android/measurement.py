"""How long a file took on a phone, in the same rows as on a desktop."""

from __future__ import annotations

from dataclasses import dataclass

from runtime_bench.android.output import Replacement, Times, ToolOutput
from runtime_bench.android.phone import Phone, Thermal
from runtime_bench.android.profile import OperatorTime
from runtime_bench.android.tool import KINDS, ToolRun
from sr_models.tflite.files import ModelFile

FELL_BACK = "fell back to CPU"
# Parts of the names that delegates go by in the program's text: its own name and the node's, e.g.
# `TfLiteNnapiDelegate`, `TfLiteGpuDelegateV2`, `LITERT_CL`, `DispatchDelegate`.
NAMES = {
    "xnnpack": ("xnnpack",),
    "nnapi": ("nnapi",),
    "gpu": ("gpu", "litert_cl", "litert_gl", "litert_webgpu"),
    "npu": ("npu", "dispatch"),
}


@dataclass(frozen=True)
class PhonePlacement:
    """Where the nodes ran.

    Attributes:
        verdict: `completely`, `partially`, `FELL_BACK`, `not delegated` (none was asked for), or
            `unknown` where the program does not tell.
        delegated_nodes: Nodes in the delegate that was asked for; `None` where unknown.
        total_nodes: Nodes of the file; `None` where unknown.
        partitions: Delegate kernels that stand for those nodes; `None` where unknown.
    """

    verdict: str
    delegated_nodes: int | None = None
    total_nodes: int | None = None
    partitions: int | None = None

    @property
    def fell_back(self) -> bool:
        """Whether the delegate did not take the graph though it was asked to."""
        return self.verdict == FELL_BACK

    @property
    def whole(self) -> bool:
        """Whether the delegate surely took every node."""
        return self.verdict == "completely"


def judge_placement(output: ToolOutput, delegate: str) -> PhonePlacement:
    """Decide where a run with `delegate` took place.

    A delegate that finds nothing to do leaves a warning at most, and the program then shows the
    CPU's time as if it were the delegate's.
    """
    if delegate not in NAMES:
        return PhonePlacement("not delegated")
    # The first node count is that of the file; a second delegate sees the first one's node.
    total = output.replacements[0].total if output.replacements else None
    taken = [found for found in output.replacements if _is(found.delegate, delegate)]
    nodes = taken[0].nodes if taken else None
    applied = next((found for found in output.applied if _is(found.delegate, delegate)), None)
    refused = any(_is(name, delegate) for name in output.refused)
    # Another delegate took nodes, and this one is not heard of.
    others_only = bool(output.replacements) and not taken and delegate != "xnnpack"
    if refused or (applied is not None and applied.extent == "not") or nodes == 0:
        return PhonePlacement(FELL_BACK, 0, total, 0)
    if applied is not None:
        return PhonePlacement(applied.extent, nodes, total, applied.kernels)
    if taken:
        return _from_nodes(taken[0])
    if others_only:
        return PhonePlacement(FELL_BACK, 0, total, 0)
    return PhonePlacement("unknown")


def _from_nodes(taken: Replacement) -> PhonePlacement:
    whole = taken.nodes == taken.total
    # What lies between kernels is counted too, so that only the whole is sure.
    return PhonePlacement(
        "completely" if whole else "partially", taken.nodes, taken.total, 1 if whole else None
    )


def _is(name: str, delegate: str) -> bool:
    return any(part in name.lower() for part in NAMES[delegate])


@dataclass(frozen=True)
class PhoneLatency:
    """One file on one phone with one delegate and number of threads.

    Attributes:
        model: The file.
        input_shape: Shape of its (first) input.
        run: What the program was told to do.
        cpus: Mask of the cores it was bound to, hexadecimal; empty for the scheduler's choice.
        kind: Which program ran, `classic` or `litert`.
        output: What it printed, read.
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
    output: ToolOutput
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
        return f"{KINDS[self.kind]}, Android {self.phone.android or '?'}"

    def to_json(self) -> dict:
        """One result row with the keys of a desktop's, and those of the phone."""
        times = self.output.inference or Times()
        warmup = self.output.warmup or Times()
        placement, abi = self.placement, self.phone.abis[0] if self.phone.abis else None
        return {
            "model": self.model.name,
            "delegate": self.delegate,
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
            "memory_mb": self.output.overall_mb,
            "peak_memory_mb": self.output.peak_mb,
            "accelerators": list(self.output.accelerators),
            "cpus": self.cpus or None,
            "input_shape": list(self.input_shape),
            "runtime": self.runtime,
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
