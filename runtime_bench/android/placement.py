"""Where the nodes of a file ran: with the delegate that was asked for, or without it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from runtime_bench.android.output import Replacement, ToolOutput
from runtime_bench.android.runtime_info import NAME, RuntimeInfo, Share

FELL_BACK = "fell back to CPU"
TEXT = "text"
# Parts of the names that delegates go by: the delegate's own and its node's, e.g.
# `TfLiteNnapiDelegate`, `TfLiteGpuDelegateV2`, `LITERT_CL`, `LITERT_WEBGPU`, `DispatchDelegate`.
NAMES = {
    "xnnpack": ("xnnpack",),
    "nnapi": ("nnapi",),
    "gpu": ("gpu", "litert_"),
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
        name: The delegate's own name; empty where it took nothing, or is unknown.
        parts: Pieces of the graph, those of the delegate and the others; `None` where unknown.
        left: Types of the nodes outside of the delegate; `None` where unknown.
        source: What says so: `runtime_info.pb`, or `text`.
    """

    verdict: str
    delegated_nodes: int | None = None
    total_nodes: int | None = None
    partitions: int | None = None
    name: str = ""
    parts: int | None = None
    left: tuple[str, ...] | None = None
    source: str = TEXT

    @property
    def fell_back(self) -> bool:
        """Whether the delegate did not take the graph though it was asked to."""
        return self.verdict == FELL_BACK

    @property
    def whole(self) -> bool:
        """Whether the delegate surely took every node."""
        return self.verdict == "completely"


def judge_placement(
    output: ToolOutput,
    delegate: str,
    info: RuntimeInfo | None = None,
    *,
    operators: int | None = None,
) -> PhonePlacement:
    """Decide where a run with `delegate` took place.

    A delegate that finds nothing to do leaves a warning at most, and the program then shows the
    CPU's time as if it were the delegate's. What `runtime_info.pb` says is the graph as it ran, and
    no text is asked then.

    Args:
        output: What the program printed, read.
        delegate: What was asked for.
        info: The graph as it ran; `None` where the program wrote none.
        operators: Operators of the file, where known.
    """
    if info is not None:
        return _of_info(info, delegate, operators)
    if delegate not in NAMES:
        return PhonePlacement("not delegated")
    # The first node count is that of the file; a second delegate sees the first one's node.
    total = output.replacements[0].total if output.replacements else None
    taken = [found for found in output.replacements if _is(found.delegate, delegate)]
    nodes = taken[0].nodes if taken else None
    applied = next((found for found in output.applied if _is(found.delegate, delegate)), None)
    refused = any(_is(name, delegate) for name in output.refused)
    absent = any(_is(name, delegate) for name in output.absent) and not taken
    # Another delegate took nodes, and this one is not heard of.
    others_only = bool(output.replacements) and not taken and delegate != "xnnpack"
    if refused or absent or (applied is not None and applied.extent == "not") or nodes == 0:
        return PhonePlacement(FELL_BACK, 0, total, 0)
    if applied is not None:
        told = PhonePlacement(applied.extent, nodes, total, applied.kernels)
        return replace(told, name=taken[0].delegate, parts=taken[0].parts) if taken else told
    if taken:
        return _from_nodes(taken[0])
    if others_only:
        return PhonePlacement(FELL_BACK, 0, total, 0)
    return PhonePlacement("unknown")


def _of_info(info: RuntimeInfo, delegate: str, operators: int | None) -> PhonePlacement:
    if delegate not in NAMES:
        share = info.share_of(lambda name: True)
        return PhonePlacement(
            "not delegated", share.nodes, share.total, share.kernels, share.name, source=NAME
        )
    share = info.share_of(lambda name: _is(name, delegate))
    nodes, total = share.nodes, share.total
    if delegate == "npu" and nodes and operators is not None and len(share.left) <= operators:
        # An NPU's compiler puts one operator in the place of those that it takes.
        nodes, total = operators - len(share.left), operators
    return PhonePlacement(
        _verdict(share), nodes, total, share.kernels, share.name, share.parts, share.left, NAME
    )


def _verdict(share: Share) -> str:
    if not share.nodes:
        return FELL_BACK
    return "partially" if share.left else "completely"


def _from_nodes(taken: Replacement) -> PhonePlacement:
    whole = taken.nodes == taken.total
    # What lies between kernels is counted too, so that only the whole is sure.
    return PhonePlacement(
        "completely" if whole else "partially",
        taken.nodes,
        taken.total,
        1 if whole else None,
        taken.delegate,
        taken.parts,
    )


def _is(name: str, delegate: str) -> bool:
    return any(part in name.lower() for part in NAMES[delegate])
