"""Times per operator that `benchmark_model` writes, as text or as CSV.

The forms are those of TFLite's profile summarizers (tflite/profiling/profile_summary_formatter.cc,
xla/tsl/util/stats_calculator.cc): sections with a title, tables with a heading line whose columns
are `[node type]`, `[first]`, `[avg ms]` ... between tabs in text, and `node type, first, avg_ms`
... in CSV. Programs before 2022 have a column `[start]` more, so columns go by their heading.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass

RUNS = "Operator-wise Profiling Info for Regular Benchmark Runs"
INSIDE = "Delegate internal"
_TABLE = re.compile(r"=+ (.+?) =+\s*$")
# A table with the rows in the order of execution, each operator once.
_WANTED_TABLE = "Run Order"


@dataclass(frozen=True)
class OperatorTime:
    """One operator of the timed runs.

    Attributes:
        op: Type of the node, e.g. `CONV_2D`; for a delegate its own name.
        mean_ms: Mean over the runs, milliseconds.
        percent: Share of its table, in percent; `None` where not told.
        calls: How often it ran in each inference.
        name: Name of the tensor that it makes; empty where not told.
        inside: Whether it lies inside of a delegate.
    """

    op: str
    mean_ms: float
    percent: float | None
    calls: int
    name: str
    inside: bool = False

    def to_json(self) -> dict:
        """The attributes by name."""
        return asdict(self)


def parse_profile(text: str) -> tuple[OperatorTime, ...]:
    """Operators of the timed runs in order of execution; those inside of delegates follow.

    Rows of the initialization are left out, and lines that do not fit are passed over. Empty where
    the text holds no such table.
    """
    found: list[OperatorTime] = []
    timed = inside = False
    header: list[str] | None = None
    table, separator = "", ""
    for line in text.replace("\r\n", "\n").split("\n"):
        title = _TABLE.search(line)
        if RUNS in line:
            timed, inside, table = True, False, ""
        elif "Profiling Info for" in line:
            timed, table = False, ""
        elif INSIDE in line:
            inside, table = True, ""
        elif title:
            table, header = title[1], None
        elif timed and table == _WANTED_TABLE:
            if header is None:
                separator = next((mark for mark in "\t," if mark in line), "")
                cells = _cells(line, separator)
                header = [cell.strip("[]").replace("_", " ").lower() for cell in cells]
            elif (row := _row(_cells(line, separator), header, inside=inside)) is not None:
                found.append(row)
    return tuple(found)


def left_to_cpu(operators: Sequence[OperatorTime]) -> tuple[str, ...]:
    """Types of the nodes that ran outside of every delegate, in order of execution.

    A delegate's own node goes by a name in mixed case (`TfLiteNnapiDelegate`), operators of a file
    by one in capitals.
    """
    return tuple(
        found.op
        for found in operators
        if not found.inside
        and re.fullmatch(r"[A-Z][A-Z0-9_]*", found.op)
        and not found.op.startswith("LITERT_")
    )


def _cells(line: str, separator: str) -> list[str]:
    if separator == "\t":
        # Text begins each line with a tab.
        parts = line.removeprefix("\t").split("\t")
    elif separator == ",":
        # A comma within a name is written as a tab.
        parts = [part.replace("\t", ",") for part in line.split(",")]
    else:
        # A copy whose tabs became spaces.
        parts = re.split(r"\s{2,}", line.strip())
    return [part.strip() for part in parts]


def _row(cells: list[str], header: list[str], *, inside: bool) -> OperatorTime | None:
    facts = dict(zip(header, cells))
    mean_ms = _number(facts.get("avg ms", ""))
    if not facts.get("node type") or mean_ms is None or len(cells) < len(header) - 1:
        return None
    calls = _number(facts.get("times called", ""))
    return OperatorTime(
        op=facts["node type"],
        mean_ms=mean_ms,
        percent=_number(facts.get("%", "").rstrip("%")),
        calls=int(calls) if calls is not None else 1,
        name=facts.get("name", ""),
        inside=inside,
    )


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
