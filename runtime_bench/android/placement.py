"""Where a run on a phone took place: in the delegate asked for, or on the CPU after all."""

from __future__ import annotations

from dataclasses import dataclass

from runtime_bench.android.output import Replacement, ToolOutput

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
