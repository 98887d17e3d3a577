"""Operators of one inference as a flame-style plot: what lies within what, as wide as its time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sr_models.ground.plots import COLOURS, GRID, INK, new_axes, svg_uri

WHOLE = "inference"
BETWEEN = "between operators"
_ROW_INCHES = 0.5
# Width of a letter of the labels, as a share of the plot.
_LETTER = 0.0096
_OTHER = "#e8ecf1"
# Share of the whole from which the time between operators is drawn.
_LEAST = 0.005


@dataclass(frozen=True)
class Box:
    """One box.

    Attributes:
        level: Row, 0 for the whole inference.
        start_ms: Where it begins; operators follow each other in the order in which they ran.
        width_ms: Its time.
        label: What it is; the longest label that fits is drawn, or none.
        kind: Name of the operator, which gives the colour; empty for what holds operators.
    """

    level: int
    start_ms: float
    width_ms: float
    label: str
    kind: str = ""


def is_delegate(op: Mapping[str, Any]) -> bool:
    """Whether a row outside of delegates is the node of one: those of a file are in capitals."""
    return not op["inside"] and op["op"] != op["op"].upper()


def spans_of(row: Mapping[str, Any]) -> tuple[Box, ...]:
    """Boxes from the `profile` of a result row, of this machine or of a phone.

    The second level holds the operators of the interpreter and the delegate's kernels, the third
    what those are made of. Where a phone has several kernels of a delegate it does not tell which
    of them an operator belongs to: those operators are left out.

    Args:
        row: A result row with a non-empty `profile`.
    """
    operators = row["profile"]
    told = [op for op in operators if not op["inside"]]
    inside = [op for op in operators if op["inside"]]
    if any("partition" in op for op in operators):
        spans = _in_order(operators, row["delegate"])
    else:
        spans = _listed(told, inside)
    end = max(span.start_ms + span.width_ms for span in spans)
    total = end + ((row.get("profiled") or {}).get("between_ms") or 0.0)
    if total - end > _LEAST * total:
        spans.append(Box(1, end, total - end, BETWEEN))
    added = "medians" if "profiled" in row else "means"
    return Box(0, 0.0, total, f"{WHOLE}, sum of {added} {total:.4g} ms"), *spans


def flame(spans: Sequence[Box]) -> str:
    """Draw boxes from top to bottom, coloured by operator.

    Returns:
        An SVG as a data URI.
    """
    total = max(span.width_ms for span in spans)
    levels = max(span.level for span in spans) + 1
    times: dict[str, float] = {}
    for span in spans:
        if span.kind:
            times[span.kind] = times.get(span.kind, 0.0) + span.width_ms
    kinds = sorted(times, key=lambda kind: -times[kind])
    colours = {kind: COLOURS[index % len(COLOURS)] for index, kind in enumerate(kinds)}
    figure, axes = new_axes(height=1.0 + _ROW_INCHES * levels)
    for span in spans:
        axes.barh(
            span.level,
            span.width_ms,
            left=span.start_ms,
            height=0.94,
            edgecolor="white",
            linewidth=0.6,
            color=colours.get(span.kind, _OTHER),
            zorder=2,
        )
        room = int(span.width_ms / total / _LETTER)
        text = next((text for text in _shorter(span.label) if len(text) <= room), "")
        axes.text(
            span.start_ms + span.width_ms / 2,
            span.level,
            text,
            ha="center",
            va="center",
            fontsize=7,
            color="white" if span.kind else INK,
            parse_math=False,
            zorder=3,
        )
    axes.set_xlim(0, total)
    axes.set_ylim(levels - 0.5, -0.5)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("ms, operators in the order in which they ran")
    axes.grid(axis="x", color=GRID, zorder=0)
    _add_legend(figure, {kind: colours[kind] for kind in kinds[: len(COLOURS)]}, times)
    return svg_uri(figure)


def _in_order(operators: Sequence[Mapping[str, Any]], delegate: str) -> list[Box]:
    spans: list[Box] = []
    start, partition, began = 0.0, None, 0.0

    def close() -> None:
        if partition is not None:
            spans.append(Box(1, began, start - began, f"{delegate} {partition}"))

    for op in operators:
        if op["partition"] != partition:
            close()
            partition, began = op["partition"], start
        width = float(op["median_ms"])
        spans.append(Box(1 if partition is None else 2, start, width, _label(op), op["op"]))
        start += width
    close()
    return spans


def _listed(told: Sequence[Mapping[str, Any]], inside: Sequence[Mapping[str, Any]]) -> list[Box]:
    spans: list[Box] = []
    start = 0.0
    kernels = []
    for op in told:
        width = float(op["mean_ms"]) * op["calls"]
        spans.append(Box(1, start, width, _label(op), "" if is_delegate(op) else op["op"]))
        if is_delegate(op):
            kernels.append(start)
        start += width
    if inside and len(kernels) <= 1:
        level, at = (2, kernels[0]) if kernels else (1, start)
        for op in inside:
            width = float(op["mean_ms"]) * op["calls"]
            spans.append(Box(level, at, width, _label(op), op["op"]))
            at += width
    return spans


def _label(op: Mapping[str, Any]) -> str:
    time_ms = op.get("median_ms") or op["mean_ms"]
    size = f" {op['height']}x{op['width']}" if op.get("height") and op.get("width") else ""
    return f"{op['op']}{size} {time_ms:.3g} ms"


def _shorter(label: str) -> list[str]:
    words = label.split(" ")
    without_size = " ".join([words[0], *words[-2:]]) if len(words) > 3 else label
    return [label, without_size, words[0]]


def _add_legend(figure, colours: Mapping[str, str], times: Mapping[str, float]) -> None:
    from matplotlib.patches import Patch

    patches = [Patch(color=colour) for colour in colours.values()]
    if not patches:
        return
    legend = figure.legend(
        patches,
        list(map(str, range(len(patches)))),
        loc="outside lower left",
        ncols=3,
        frameon=False,
        fontsize=8,
        labelcolor=INK,
    )
    for text, kind in zip(legend.get_texts(), colours):
        text.set(text=f"{kind} {times[kind]:.3g} ms", parse_math=False)
