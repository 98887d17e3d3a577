"""What pages are made of: a template, and plots and pictures as data URIs, so that nothing else is
needed beside a page."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

INK, MUTED, GRID = "#1c2733", "#5b6875", "#dde3e9"
COLOURS = ("#2563a8", "#d9822b", "#2f8f6b", "#8a5bb0", "#c2464e", "#6b7a88")
_WIDTH_INCHES = 7.2


def latency_bars(rows: Sequence[Mapping[str, Any]]) -> str:
    """Horizontal bars of medians with whiskers from the 5th to the 95th percentile.

    Args:
        rows: `label`, `median_ms`, `p5_ms`, `p95_ms` each; the first row comes on top.

    Returns:
        An SVG as a data URI.
    """
    figure, axes = new_axes(height=0.9 + 0.42 * len(rows))
    places = np.arange(len(rows))
    medians = np.array([row["median_ms"] for row in rows], float)
    whiskers = np.array(
        [
            [max(0.0, row["median_ms"] - row["p5_ms"]) for row in rows],
            [max(0.0, row["p95_ms"] - row["median_ms"]) for row in rows],
        ]
    )
    axes.barh(places, medians, height=0.62, color=_colours(len(rows)), zorder=2)
    axes.errorbar(
        medians, places, xerr=whiskers, fmt="none", ecolor=INK, elinewidth=1.2, capsize=4, zorder=3
    )
    right = float((medians + whiskers[1]).max())
    for place, median, whisker in zip(places, medians, whiskers[1]):
        axes.text(median + whisker + right * 0.015, place, f"{median:.1f}", va="center", color=INK)
    axes.set_xlim(0, right * 1.12)
    axes.set_yticks(places, [row["label"] for row in rows], parse_math=False)
    axes.invert_yaxis()
    axes.set_xlabel("median latency in ms, whiskers 5th to 95th percentile")
    axes.grid(axis="x", color=GRID, zorder=0)
    return svg_uri(figure)


def scatter(rows: Sequence[Mapping[str, Any]]) -> str:
    """PSNR against latency, one point per row; up and left is better.

    Labels stand in a legend, for good files lie too near to each other for labels beside points.

    Args:
        rows: `label`, `median_ms`, `psnr_db` each.
    """
    figure, axes = new_axes(height=4.0)
    points = [
        axes.scatter(row["median_ms"], row["psnr_db"], s=70, color=colour, zorder=3, alpha=0.85)
        for row, colour in zip(rows, _colours(len(rows)))
    ]
    legend = axes.legend(
        points, list(map(str, range(len(rows)))), loc="best", frameon=False, labelcolor=INK
    )
    # Set afterwards, for a legend leaves out labels that begin with an underscore.
    for text, row in zip(legend.get_texts(), rows):
        text.set(text=str(row["label"]), parse_math=False)
    axes.margins(x=0.1, y=0.2)
    axes.set_xlabel("median latency in ms")
    axes.set_ylabel("PSNR in dB")
    axes.grid(color=GRID, zorder=0)
    return svg_uri(figure)


def quality_by_bits(lines: Mapping[str, Sequence[tuple]], *, float_db: float) -> str:
    """PSNR against bits, one line per method; the float network is a dashed line.

    Args:
        lines: Label -> points (bits, PSNR in dB) by rising bits.
        float_db: PSNR of the float network.
    """
    figure, axes = new_axes(height=4.0)
    drawn = [
        axes.plot(*zip(*points), marker="o", color=colour, zorder=3)[0]
        for points, colour in zip(lines.values(), _colours(len(lines)))
    ]
    axes.axhline(float_db, color=INK, linestyle="--", linewidth=1.2, zorder=2)
    legend = axes.legend(
        drawn, list(map(str, range(len(lines)))), loc="best", frameon=False, labelcolor=INK
    )
    for text, label in zip(legend.get_texts(), lines):
        text.set(text=label, parse_math=False)
    axes.set_xticks(sorted({bits for points in lines.values() for bits, _ in points}))
    axes.set_xlabel("bits")
    axes.set_ylabel("PSNR in dB")
    axes.grid(color=GRID, zorder=0)
    return svg_uri(figure)


def histograms(rows: Sequence[tuple[str, np.ndarray]]) -> str:
    """How often each code 0..255 occurs, one panel per row, on a common logarithmic scale.

    Args:
        rows: Caption and uint8 codes of any shape.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH_INCHES, 0.6 + 1.25 * len(rows)), layout="constrained")
    panels = figure.subplots(len(rows), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    for panel, (caption, codes), colour in zip(panels, rows, _colours(len(rows))):
        counts = np.bincount(np.asarray(codes, np.uint8).ravel(), minlength=256)
        panel.bar(np.arange(256), counts, width=1.0, color=colour)
        panel.set_yscale("symlog", linthresh=1)
        panel.set_ylim(bottom=0)
        panel.set_title(caption, fontsize=9, loc="left", color=INK, parse_math=False)
        _quiet(panel)
    panels[-1].set_xlim(-0.5, 255.5)
    panels[-1].set_xlabel("code")
    return svg_uri(figure)


def difference_map(first: np.ndarray, second: np.ndarray, *, gain: int = 8) -> np.ndarray:
    """Absolute difference of two uint8 pictures of one shape, amplified and saturated.

    Args:
        first: uint8 (H, W, 3).
        second: uint8 (H, W, 3).
        gain: Factor; 8 makes a difference of one code just visible.

    Returns:
        uint8 (H, W, 3), black where the pictures agree.
    """
    apart = np.abs(first.astype(np.int32) - second.astype(np.int32)) * gain
    return np.minimum(apart, 255).astype(np.uint8)


def picture(array: np.ndarray) -> str:
    """A uint8 (H, W, 3), (H, W, 1) or (H, W) array as a PNG data URI."""
    from PIL import Image

    buffer = io.BytesIO()
    array = array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array
    Image.fromarray(np.ascontiguousarray(array)).save(buffer, "PNG", optimize=True)
    return _data_uri("image/png", buffer.getvalue())


def fill_template(template: Path, **content: Any) -> str:
    """A page's text; names that the template asks for and nobody gave are an error.

    Args:
        template: A Jinja template; of HTML, all text that goes in is escaped.
        content: What it asks for.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    is_html = template.suffix == ".html"
    environment = Environment(
        loader=FileSystemLoader(template.parent),
        undefined=StrictUndefined,
        autoescape=is_html,
        trim_blocks=is_html,
        lstrip_blocks=is_html,
        keep_trailing_newline=not is_html,
    )
    return environment.get_template(template.name).render(**content)


def require_png(uri: Any) -> str:
    """`uri` itself; raises `ValueError` where it is no PNG data URI such as `picture` makes."""
    if not (isinstance(uri, str) and re.fullmatch(r"data:image/png;base64,[A-Za-z0-9+/=]+", uri)):
        raise ValueError("a picture that is no PNG")
    return uri


def _colours(count: int) -> list[str]:
    return [COLOURS[index % len(COLOURS)] for index in range(count)]


def new_axes(*, height: float):
    """A figure of the page's width and this height in inches, and its axes."""
    # Figure without pyplot: no global state, no window system.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH_INCHES, height), layout="constrained")
    axes = figure.subplots()
    _quiet(axes)
    return figure, axes


def _quiet(axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GRID)
    axes.tick_params(colors=MUTED, length=0, labelsize=9)
    for axis in (axes.xaxis, axes.yaxis):
        axis.label.set(color=MUTED, fontsize=9)
    axes.set_axisbelow(True)


def svg_uri(figure) -> str:
    """A figure as an SVG data URI."""
    import matplotlib

    buffer = io.BytesIO()
    # An image of its own, not inline markup: identifiers of several plots would collide.
    with matplotlib.rc_context({"svg.hashsalt": "plots"}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return _data_uri("image/svg+xml", buffer.getvalue())


def _data_uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
