"""The verb `sr-export sensitivity`: what quantizing each layer alone costs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from export.verbs.usage import require_calibration
from sr_models.ground.console import print_table, progress, say, write_json
from sr_models.ground.errors import OptionError
from sr_models.ground.files import writing_file
from sr_models.ground.native_output import import_tensorflow_quietly
from sr_models.ground.options import (
    Images,
    Inputs,
    Json,
    LowResolution,
    MemoryBudget,
    Name,
    OpenTail,
    Overwrite,
    Pictures,
    Seed,
    Shaping,
    TileSide,
    require_one_kind,
    require_open_tail,
    require_shaping,
)
from sr_models.importing.source_options import SourceOptions, takes_source

if TYPE_CHECKING:
    from export.precision.sensitivity import LayerSensitivity

COLUMNS = ["layer", "kind", "weights dB", "activation dB", "both dB", "share", "rank"]


@takes_source
def sensitivity(
    name: Name,
    *,
    images: Images = None,
    inputs: Inputs = None,
    method: Shaping = "cfqp",
    tail: OpenTail = "relu",
    pictures: Pictures = 64,
    tile_side: TileSide = 96,
    seed: Seed = 0,
    memory_budget: MemoryBudget = None,
    low_resolution: LowResolution = False,
    source: SourceOptions,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE.svg", help="Draw it, as .svg or .png.")
    ] = None,
    overwrite: Overwrite = False,
    json: Json = None,
):
    """Quantize each layer alone and print what it costs in fidelity to the float network.

    Simulated, with min/max ranges, on scikit-image's held-out pictures, or with --inputs on a fifth
    of yours; lower is worse. Keep the layers of the first ranks with sr-export model --precision
    mixed --keep LAYER.

    [bold]Examples[/bold]

    \b
    sr-export sensitivity xlsr_x3
    sr-export sensitivity xlsr_x3 --images photos --plot layers.svg --json -
    """
    from representative_data.choices import require_usable
    from sr_models.ground.files import refuse_existing, require_writable

    require_open_tail(tail)
    require_shaping(method)
    require_usable(count=pictures, side=tile_side, seed=seed)
    if plot is not None:
        require_plot_name(plot)
        refuse_existing(plot, overwrite=overwrite)
        require_writable(plot)
    require_calibration(images=images, inputs=inputs)
    require_one_kind(low_resolution=low_resolution, inputs=inputs)
    import_tensorflow_quietly()
    from export.precision.sensitivity import measure_sensitivity
    from representative_data.cfqp import build_cfqp_dataset, build_natural_dataset
    from representative_data.effort import fitting_side
    from representative_data.observation import observe_ranges, pin_pixels
    from representative_data.pictures import open_subject

    subject = open_subject(
        name,
        images=images,
        tail=tail,
        low_resolution=low_resolution,
        inputs=inputs,
        hold_out=True,
        options=source,
    )
    network, model = subject.network, subject.model
    tile_side = fitting_side(model, tile_side, on_stage=say)
    tiles = subject.tiles(count=pictures, side=tile_side, seed=seed)
    build = build_natural_dataset if method == "natural" else build_cfqp_dataset
    dataset = build(model, tiles, network=network.name, scale=network.scale)
    ranges = pin_pixels(observe_ranges(model, dataset), model)
    held_out, apart = subject.held_out(side=tile_side)
    with progress("quantizing", unit="layers") as update:
        rows = measure_sensitivity(model, ranges, held_out, on_layer=update)
    protocol = (
        f"simulated, one layer at a time; {ranges.method} ranges of {len(dataset)} pictures; "
        f"{apart}, tail {tail}"
    )
    write_json(
        {"model": name, "tail": tail, "protocol": protocol, "layers": [r.to_json() for r in rows]},
        json,
    )
    if json != "-":
        print_table(f"sensitivity of {name}", COLUMNS, table_rows(rows))
    if plot is not None:
        save_plot(rows, plot, title=f"{name}: what each layer costs in int8")
        say(f"wrote {plot}")
    say(protocol)


def table_rows(rows: Sequence[LayerSensitivity]) -> list[list[str]]:
    """The layers as cells, see `COLUMNS`; rank 1 costs most."""
    ordered = sorted(rows, key=lambda row: row.both_db)
    ranks = {row.layer: rank for rank, row in enumerate(ordered, start=1)}

    def text(fidelity_db: float) -> str:
        return "-" if fidelity_db == float("inf") else f"{fidelity_db:.2f}"

    return [
        [
            row.layer,
            row.kind,
            text(row.weights_db),
            text(row.activation_db),
            text(row.both_db),
            f"{100.0 * row.share:.1f} %",
            str(ranks[row.layer]),
        ]
        for row in rows
    ]


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
