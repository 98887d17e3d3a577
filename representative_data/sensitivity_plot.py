"""Sensitivities of layers as bars, in a PNG or SVG file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from representative_data.sensitivity import LayerSensitivity
from sr_models.atomic import writing_file
from sr_models.errors import OptionError

FORMATS = (".png", ".svg")
_COLOURS = {"weights": "#2563a8", "activation": "#c2621b"}


def require_plot_name(path: str | Path) -> None:
    """Raise `OptionError` for a name that does not say one of `FORMATS`."""
    if Path(path).suffix.lower() not in FORMATS:
        raise OptionError(f"expected a plot named {' or '.join(FORMATS)}, found {path}")


def error_grey_levels(fidelity_db: float) -> float:
    """Root mean square error of 255 grey levels at a PSNR in dB; 0 for infinity."""
    return 255.0 * 10.0 ** (-fidelity_db / 20.0)


def save_plot(rows: Sequence[LayerSensitivity], path: str | Path, *, title: str) -> None:
    """Write bars of each layer's error by its weights and by its activation alone.

    Args:
        rows: The layers, the first on top.
        path: A `.png` or `.svg` file.
        title: What stands above.

    Raises:
        OptionError: Another kind of file.
        OutputError: The place cannot be written to.
    """
    require_plot_name(path)
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 1.1 + 0.34 * len(rows)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for offset, (part, colour) in zip((-0.2, 0.2), _COLOURS.items()):
        errors = [error_grey_levels(getattr(row, f"{part}_db")) for row in rows]
        places = [index + offset for index in range(len(rows))]
        axes.barh(places, errors, height=0.38, color=colour, label=part, zorder=2)
    axes.set_yticks(range(len(rows)), [row.layer for row in rows])
    axes.invert_yaxis()
    axes.set_xlabel("error of the output in grey levels (RMS), this layer alone in int8")
    axes.set_title(title, loc="left")
    axes.grid(axis="x", color="#dde3e9", zorder=0)
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    kind = Path(path).suffix.lower().removeprefix(".")
    # Letters stay letters, and the same figure gives the same bytes.
    with (
        matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "sensitivity"}),
        writing_file(path) as beside,
    ):
        figure.savefig(beside, format=kind, metadata={"Date": None} if kind == "svg" else None)
