"""One self-contained HTML page: text, tables, plots and crops; it asks no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from runtime_bench.measuring.tables import short_names
from runtime_bench.pages import flame
from runtime_bench.pages.trend_plot import Chart, draw
from sr_models.ground import plots
from sr_models.ground.files import writing_file

_TEMPLATE = Path(__file__).with_name("templates") / "report.html"
Best = Literal["low", "high"]


@dataclass(frozen=True)
class Cell:
    """One cell of a table.

    Attributes:
        text: What it shows.
        numeric: Whether it is set to the right.
        best: Whether it is the best of its column.
    """

    text: str
    numeric: bool = False
    best: bool = False


class Page:
    """A page that is filled from top to bottom and saved as one HTML file.

    All text is plain text and is escaped by the template.

    Attributes:
        title: Headline, also the title of the browser's window.
        blocks: What was added so far; plain data that the template understands.
    """

    def __init__(self, title: str):
        self.title = title
        self.blocks: list[dict[str, Any]] = []

    def add_heading(self, text: str) -> Page:
        """A section's heading."""
        return self._add("heading", text=text)

    def add_text(self, text: str) -> Page:
        """Paragraphs, parted by blank lines."""
        parts = [" ".join(part.split()) for part in text.split("\n\n")]
        return self._add("text", paragraphs=[part for part in parts if part])

    def add_table(
        self,
        headers: Sequence[str],
        rows: Sequence[Sequence[Any]],
        *,
        caption: str = "",
        best: Mapping[str, Best] | None = None,
    ) -> Page:
        """A table; numbers go to the right.

        Args:
            headers: Column heads.
            rows: Cells; text, whole numbers, floats (shown to four significant digits) or `None`.
            caption: What stands below, e.g. the protocol.
            best: Column head to `low` or `high`: which of its numbers to highlight.
        """
        return self._add(
            "table", headers=list(headers), rows=_cells(headers, rows, best or {}), caption=caption
        )

    def add_latency_bars(self, rows: Sequence[Mapping[str, Any]], *, caption: str = "") -> Page:
        """Bars with whiskers; rows of `label`, `median_ms`, `p5_ms`, `p95_ms`."""
        text = "; ".join(f"{row['label']} {row['median_ms']:.1f} ms" for row in rows)
        return self._plot(plots.latency_bars(rows), alt=f"Latency: {text}", caption=caption)

    def add_scatter(self, rows: Sequence[Mapping[str, Any]], *, caption: str = "") -> Page:
        """PSNR against latency; rows of `label`, `median_ms`, `psnr_db`."""
        text = "; ".join(
            f"{r['label']} {r['psnr_db']:.2f} dB, {r['median_ms']:.1f} ms" for r in rows
        )
        return self._plot(plots.scatter(rows), alt=f"Quality and latency: {text}", caption=caption)

    def add_quality_by_bits(
        self, lines: Mapping[str, Sequence[tuple]], *, float_db: float, caption: str = ""
    ) -> Page:
        """PSNR against bits; `label` to points (bits, PSNR in dB)."""
        text = "; ".join(
            f"{label} {', '.join(f'{psnr:.2f} dB at {bits}' for bits, psnr in points)}"
            for label, points in lines.items()
        )
        source = plots.quality_by_bits(lines, float_db=float_db)
        return self._plot(source, alt=f"PSNR by bits: {text}", caption=caption)

    def add_histograms(self, rows: Sequence[tuple[str, np.ndarray]], *, caption: str = "") -> Page:
        """How often each code occurs; rows of caption and uint8 codes."""
        text = ", ".join(label for label, _ in rows)
        return self._plot(plots.histograms(rows), alt=f"Histograms of {text}", caption=caption)

    def add_crops(
        self, rows: Sequence[Sequence[tuple[str, np.ndarray]]], *, caption: str = ""
    ) -> Page:
        """Pictures side by side, one line per row, drawn with hard pixels.

        Args:
            rows: Lines of (caption, uint8 (H, W, 3)); `plots.difference_map` makes amplified
                difference maps.
            caption: What stands below all of them.
        """
        lines = [
            [
                {
                    "caption": text,
                    "source": plots.picture(array),
                    "height": array.shape[0],
                    "width": array.shape[1],
                }
                for text, array in row
            ]
            for row in rows
        ]
        return self._add("crops", lines=lines, caption=caption)

    def add_flame(self, row: Mapping[str, Any], *, caption: str = "") -> Page:
        """Operators of one result row with a `profile`, as boxes as wide as their time."""
        spans = flame.spans_of(row)
        text = "; ".join(span.label for span in spans)
        return self._plot(flame.flame(spans), alt=f"Operators: {text}", caption=caption)

    def add_trend(self, chart: Chart, *, caption: str = "") -> Page:
        """Figures of a history over time."""
        text = "; ".join(f"{line.label}: {line.points[-1].value:.4g}" for line in chart.lines)
        return self._plot(draw(chart), alt=f"Over time, the last: {text}", caption=caption)

    def add_drawn_crops(self, crop: Mapping[str, Any]) -> Page:
        """A crop as `comparing.crops` puts it into results: truth, files, differences.

        Raises:
            ValueError: A picture that is no PNG data URI.
        """
        size = {"height": int(crop["height"]), "width": int(crop["width"])}
        line = [{"caption": "ground truth", "source": plots.require_png(crop["truth"]), **size}]
        names = short_names(found["model"] for found in crop["files"])
        for found in crop["files"]:
            name = names[found["model"]]
            line += [
                {"caption": name, "source": plots.require_png(found["picture"]), **size},
                {
                    "caption": f"{name}: difference x{crop['gain']}",
                    "source": plots.require_png(found["difference"]),
                    **size,
                },
            ]
        place = f"column {crop['left']}, row {crop['top']}"
        return self._add(
            "crops",
            lines=[line],
            caption=f"{crop['dataset']}, {crop['image']}, {place}: codes read as pixels; "
            "differences to the ground truth, amplified",
        )

    def add_machine(self, machine: Mapping[str, Any]) -> Page:
        """The machine record, as `Machine.to_json` gives it."""
        versions = machine.get("versions") or {}
        load = machine.get("load_average")
        rows = [
            ("Processor", machine.get("cpu")),
            ("Instruction sets", ", ".join(machine.get("cpu_features") or ())),
            ("Cores", machine.get("cores")),
            ("Governor", machine.get("governor") or "not readable"),
            ("Load average before", load),
            ("System", machine.get("system")),
            ("Python", machine.get("python")),
            *((name, found or "not installed") for name, found in versions.items()),
        ]
        return self._add(
            "machine",
            rows=[(name, _text(value)) for name, value in rows if value not in (None, "")],
            warning=machine.get("warning") or "",
        )

    def html(self) -> str:
        """The page as text."""
        return plots.fill_template(_TEMPLATE, title=self.title, blocks=self.blocks)

    def save(self, path: str | Path) -> Path:
        """Write the page, whole or not at all.

        Raises:
            OutputError: The place cannot be written to.
        """
        text = self.html()
        with writing_file(path) as beside:
            beside.write_text(text, encoding="utf-8")
        return Path(path)

    def _plot(self, source: str, *, alt: str, caption: str) -> Page:
        return self._add("plot", source=source, alt=alt, caption=caption)

    def _add(self, kind: str, **content: Any) -> Page:
        self.blocks.append({"kind": kind, **content})
        return self


def _cells(
    headers: Sequence[str], rows: Sequence[Sequence[Any]], best: Mapping[str, Best]
) -> list[list[Cell]]:
    winners: dict[int, Any] = {}
    for column, header in enumerate(headers):
        numbers = [row[column] for row in rows if _is_number(row[column])]
        # Whichever NaN stood first would win every comparison.
        numbers = [number for number in numbers if number == number]
        # One number is no contest.
        if header in best and len(numbers) > 1:
            winners[column] = min(numbers) if best[header] == "low" else max(numbers)
    return [
        [
            Cell(_text(value), _is_number(value), _is_number(value) and winners.get(i) == value)
            for i, value in enumerate(row)
        ]
        for row in rows
    ]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool)


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, (float, np.floating)):
        # Four digits tell 28.39 from 28.41 dB and 0.8123 from 0.8124.
        return f"{value:.4g}" if abs(value) < 1e4 else f"{value:.0f}"
    return str(value)
