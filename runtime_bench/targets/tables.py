"""Rows of targets as a table, one for each file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from runtime_bench.targets.target import TARGETS, FileOnTargets, TargetRow
from sr_models.ground.console import print_table

COLUMNS = (
    "target",
    "processor",
    "operators taken",
    "partitions",
    "on the host",
    "difference, codes",
    "differing, %",
    "cycles, M",
    "SRAM, MiB",
    "DRAM, MiB",
    "estimated ms",
)
_NONE = "-"


def print_targets(found: FileOnTargets) -> None:
    """One file's rows on stdout."""
    size = f"{found.height}x{found.width}" if found.height else "the file's own size"
    title = f"{found.model.name}: codes beside {TARGETS[0].name}, at {size}"
    print_table(title, COLUMNS, [row_cells(row) for row in found.rows])


def row_cells(row: TargetRow) -> list[Any]:
    """The cells of a row; of a target that is not there, what to do stands in the second."""
    target, taken, compiled = row.target, row.delegation, row.compiled
    if row.status in ("missing", "failed"):
        said = "not installed" if row.missing else "does not take the file"
        return [target.name, said, *[_NONE] * (len(COLUMNS) - 2)]
    if row.listed:
        said = row.listed.in_words.partition("; ")[2] or "none"
        taken_count = sum(verdict.taken is True for verdict in row.listed.verdicts)
        counts = f"{taken_count} of {len(row.listed.verdicts)}"
        cells = [target.name, "not run", counts, _NONE, said]
        return [*cells, *[_NONE] * (len(COLUMNS) - len(cells))]
    cells: list[Any] = [target.name, target.processor]
    if taken is None:
        cells += ["not told", _NONE, _NONE]
    elif target.kernel in ("builtin", "reference"):
        # No delegate: the interpreter's own kernels compute everything.
        cells += [f"{taken.total_nodes} of {taken.total_nodes}", _NONE, _NONE]
    else:
        left = Counter(taken.left_behind)
        cells += [
            f"{taken.delegated_nodes} of {taken.total_nodes}",
            taken.partitions,
            ", ".join(f"{count} {op}" for op, count in left.items()) or "none",
        ]
    if row.max_abs_code_difference is None:
        cells += [_NONE, _NONE]
    else:
        cells += [row.max_abs_code_difference, f"{100 * (row.differing_fraction or 0):.2f}"]
    if compiled is None:
        return [*cells, *[_NONE] * (len(COLUMNS) - len(cells))]
    costs = (
        compiled.cycles / 1e6,
        compiled.sram_mb,
        compiled.dram_mb,
        compiled.estimated_ms,
    )
    return [*cells, *(f"{cost:.1f}" for cost in costs)]


def notes_of(rows: Sequence[TargetRow]) -> list[str]:
    """Why targets are missing or failed, each reason once."""
    return list(dict.fromkeys(row.missing or row.failure for row in rows if row.status in _SAID))


_SAID = ("missing", "failed")
