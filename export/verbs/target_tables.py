"""What `sr-export inspect --target` prints of a file's operators."""

from __future__ import annotations

from typing import Any

from sr_models.ground.console import print_table

_WORDS = {True: "yes", False: "no", None: "unknown"}


def print_work(work: dict[str, Any]) -> None:
    """Multiply-adds of each operator on a processor's kernels."""
    title = f"multiply-adds on {work['target']} ({work['kernel'] or 'kernels not known'}), millions"
    columns = ["", "operator", "output", "useful", "computed", "wasted", "share of time, expected"]

    def cell(value: float | None, form: str, factor: float = 1.0) -> str:
        return "-" if value is None else format(value * factor, form)

    rows = [
        [
            str(op["index"]),
            op["op"] if op["taken"] else f"{op['op']}, left behind",
            "-" if op["height"] is None else f"{op['height']}x{op['width']}x{op['channels']}",
            cell(op["useful"], ",.1f", 1e-6),
            cell(op["computed"], ",.1f", 1e-6),
            cell(op["waste_fraction"], ".0%"),
            cell(op["percent"], ".1f") + (" %" if op["percent"] is not None else ""),
        ]
        for op in work["operators"]
    ]
    print_table(title, columns, rows)
    print(f"widths of kernels: {work['source']}")


def print_vendor(report: dict[str, Any]) -> None:
    """Whether a vendor's compiler takes each operator, and where that stands."""
    sources = list(dict.fromkeys(op["source"] for op in report["operators"]))
    rows = [
        [
            str(op["index"]),
            op["op"],
            _WORDS[op["taken"]],
            op["reason"] or "",
            f"[{sources.index(op['source']) + 1}]",
        ]
        for op in report["operators"]
    ]
    title = f"operators that {report['target']} takes, by its table: {vendor_summary(report)}"
    print_table(title, ["", "operator", "taken", "why", "source"], rows)
    for number, source in enumerate(sources, start=1):
        print(f"[{number}] {source}")
    for note in report["notes"]:
        print(f"note: {note}")


def vendor_summary(report: dict[str, Any] | None) -> str:
    """How many operators are taken, and which are not, in a few words; empty without a report."""
    if report is None:
        return ""
    verdicts = [op["taken"] for op in report["operators"]]
    parts = [f"{verdicts.count(True)} of {len(verdicts)}"]
    for taken, said in ((False, "not"), (None, "unknown")):
        names = [op["op"] for op in report["operators"] if op["taken"] is taken]
        if names:
            parts.append(f"{said}: {', '.join(dict.fromkeys(names))}")
    return "; ".join(parts)
