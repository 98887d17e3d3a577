"""Which operators of a file a vendor's compiler takes, judged by tables read from public sources.

A table says what a compiler's plugin, delegate or checker lists. It is no compiler: what a chip at
hand makes of an operator, its sizes and its grids, only the vendor's own tools tell. What no source
tells is unknown here and never a yes. The tables stand in `export.inspecting.vendor_tables`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from export.running.targets import HERE, find_target, target_names
from sr_models.ground.errors import require_known

if TYPE_CHECKING:  # Which chips there are is asked before any file is read.
    from sr_models.tflite.flatbuffer import FileGraph, OperatorInfo

EIGHT_BITS = ("int8", "uint8")


@dataclass(frozen=True)
class Source:
    """Where a row of a table was read.

    Attributes:
        place: Repository and path, or an issue.
        at: Commit or version; empty for an issue.
        date: When it was read, or what it is dated.
    """

    place: str
    at: str
    date: str

    def __str__(self) -> str:
        return ", ".join(
            filter(None, (f"{self.place} at {self.at}".removesuffix(" at "), self.date))
        )


@dataclass(frozen=True)
class Rule:
    """What a compiler makes of operators of a certain kind, whatever its list says of their name.

    Attributes:
        operators: Their names.
        holds: Whether an operator of a file is of that kind.
        taken: Whether it is taken; `None` where no source tells.
        reason: Why, in words.
        source: Where that stands.
    """

    operators: tuple[str, ...]
    holds: Callable[[FileGraph, OperatorInfo], bool]
    taken: bool | None
    reason: str
    source: Source


@dataclass(frozen=True)
class Remark:
    """What else is known of a target and concerns some files.

    Attributes:
        text: One or two sentences.
        source: Where that stands.
        concerns: Whether it concerns a file.
    """

    text: str
    source: Source
    concerns: Callable[[FileGraph], bool] = lambda graph: True


@dataclass(frozen=True)
class Vendor:
    """A target whose compiler is told by a table.

    Attributes:
        name: What options call it.
        summary: Which chips, and which software.
        listed: Operators that it takes.
        source: Where the list stands.
        refused: Operators that it lists as not taken.
        unlisted: What it means to stand in neither list: `False` for not taken, `None` for unknown.
        unlisted_reason: The same in words.
        left: What becomes of operators that are not taken.
        rules: Kinds of operators that the names do not tell apart; the first that holds counts.
        remarks: What else is known.
    """

    name: str
    summary: str
    listed: frozenset[str]
    source: Source
    refused: frozenset[str] = frozenset()
    unlisted: bool | None = False
    unlisted_reason: str = "not on its list"
    left: str = "is left to the CPU, which cuts the file into parts"
    rules: tuple[Rule, ...] = ()
    remarks: tuple[Remark, ...] = ()

    def verdict(self, graph: FileGraph, op: OperatorInfo) -> Verdict:
        """Whether the compiler takes one operator of a file."""
        for rule in self.rules:
            if op.name in rule.operators and rule.holds(graph, op):
                return Verdict(op.index, op.name, rule.taken, rule.reason, rule.source)
        if op.name in self.refused:
            return Verdict(op.index, op.name, False, "listed as not taken", self.source)
        if op.name in self.listed:
            return Verdict(op.index, op.name, True, "", self.source)
        return Verdict(op.index, op.name, self.unlisted, self.unlisted_reason, self.source)


@dataclass(frozen=True)
class Verdict:
    """One operator of a file.

    Attributes:
        index: Its place in the file.
        op: Its name.
        taken: Whether the compiler takes it; `None` where that is unknown.
        reason: Why not, or why that is unknown; empty where it is taken.
        source: Where that stands.
    """

    index: int
    op: str
    taken: bool | None
    reason: str
    source: Source

    def to_json(self) -> dict[str, Any]:
        """The same as plain data; `taken` is `null` where it is unknown."""
        return {
            "index": self.index,
            "op": self.op,
            "taken": self.taken,
            "reason": self.reason or None,
            "source": str(self.source),
        }


@dataclass(frozen=True)
class VendorReport:
    """A file by a vendor's table.

    Attributes:
        vendor: The target.
        verdicts: One for each operator, in order of execution.
        remarks: What else concerns the file.
    """

    vendor: Vendor
    verdicts: tuple[Verdict, ...]
    remarks: tuple[Remark, ...]

    @property
    def whole(self) -> bool | None:
        """Whether every operator is taken; `None` where all are, but for some that are unknown."""
        found = {verdict.taken for verdict in self.verdicts}
        if False in found:
            return False
        return None if None in found else True

    @property
    def in_words(self) -> str:
        """The same as a sentence without its end, for a row of a table."""
        count = len(self.verdicts)
        if self.whole:
            return f"takes all {count} operators, by its table"
        parts = []
        for taken, said in ((False, "not taken"), (None, "unknown")):
            names = [v.op for v in self.verdicts if v.taken is taken]
            if names:
                told = ", ".join(f"{names.count(name)} {name}" for name in dict.fromkeys(names))
                parts.append(f"{said}: {told}")
        taken = sum(verdict.taken is True for verdict in self.verdicts)
        return f"takes {taken} of {count} operators, by its table; {'; '.join(parts)}"

    def to_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return {
            "target": self.vendor.name,
            "source": str(self.vendor.source),
            "whole": self.whole,
            "operators": [verdict.to_json() for verdict in self.verdicts],
            "notes": [f"{remark.text} ({remark.source})" for remark in self.remarks],
        }


def judge_graph(graph: FileGraph, vendor: Vendor) -> VendorReport:
    """Which operators of a file a vendor's compiler takes."""
    return VendorReport(
        vendor,
        tuple(vendor.verdict(graph, op) for op in graph.operators),
        tuple(remark for remark in vendor.remarks if remark.concerns(graph)),
    )


def require_any_target(name: str, vendors: dict[str, Vendor]) -> None:
    """Raise `OptionError`, naming processors and vendors alike, for an unknown target."""
    require_known("a target", name, (*target_names(), *vendors))
    if name == HERE:
        find_target(name)


def is_float(graph: FileGraph, op: OperatorInfo) -> bool:
    """Whether an operator computes real numbers."""
    return any(graph.tensors[i].dtype in ("float32", "float16") for i in op.outputs)


def between_signs(graph: FileGraph, op: OperatorInfo) -> bool:
    """Whether an operator goes from uint8 to int8 codes or back."""
    kinds = {graph.tensors[i].dtype for i in (*op.inputs, *op.outputs) if i >= 0}
    return kinds.issuperset(EIGHT_BITS)


def reads_codes(graph: FileGraph, op: OperatorInfo) -> bool:
    """Whether an operator reads integers that stand for real numbers."""
    kinds = [graph.tensors[i].dtype for i in op.inputs[:1] if i >= 0]
    return bool(kinds) and kinds[0] in (*EIGHT_BITS, "int16")


def has_groups(graph: FileGraph, op: OperatorInfo) -> bool:
    """Whether a convolution has several groups of channels that know nothing of each other."""
    if len(op.inputs) < 2 or min(op.inputs[:2]) < 0:
        return False
    read, weights = (graph.tensors[i].shape for i in op.inputs[:2])
    return len(read) == len(weights) == 4 and read[3] > weights[3] > 0


def enlarges_otherwise(*factors: int, source: int = 0) -> Callable[[FileGraph, OperatorInfo], bool]:
    """Whether an operator enlarges pictures by another factor than these, or unequally.

    Args:
        factors: Those that are meant.
        source: Which input is the picture.
    """

    def holds(graph: FileGraph, op: OperatorInfo) -> bool:
        ends = (*op.inputs[source : source + 1], *op.outputs[:1])
        if len(ends) < 2 or min(ends) < 0:
            return True
        read, made = (graph.tensors[i].shape for i in ends)
        if len(read) != 4 or len(made) != 4 or not read[1] or not read[2]:
            return True
        return not any(made[1] == read[1] * f and made[2] == read[2] * f for f in factors)

    return holds


def joins_more_than(most: int) -> Callable[[FileGraph, OperatorInfo], bool]:
    """Whether an operator joins more tensors than so many."""
    return lambda graph, op: len(op.inputs) > most


def has_shifted_codes(graph: FileGraph) -> bool:
    """Whether a file has int8 tensors whose code of zero is not 0."""
    return any(t.dtype == "int8" and t.zero_point for t in graph.tensors if not t.constant)


def has_scales_by_channel(graph: FileGraph) -> bool:
    """Whether weights of a file have a scale for each output channel."""
    return any(t.constant and t.dtype == "int8" and len(t.scales) > 1 for t in graph.tensors)


def has_integer_bias(graph: FileGraph) -> bool:
    """Whether convolutions of a file add an int32 bias, as those of all int8 files do."""
    convolutions = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED")
    return any(
        graph.tensors[tensor].dtype == "int32"
        for op in graph.operators
        for tensor in op.inputs[-1:]
        if op.name in convolutions and tensor >= 0
    )
