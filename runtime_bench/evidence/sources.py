"""Twelve architectures in every source format, fitted for a moment and exported to eight bits."""

from __future__ import annotations

import json as json_module
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from runtime_bench.evidence.studies import study
from runtime_bench.evidence.third_party import export_file
from runtime_bench.measuring.options import ExportSize, Json, Markdown, sides
from sr_models.ground.console import GateNotMet, print_table, progress, say, write_json
from sr_models.ground.errors import ConversionError, OptionError
from sr_models.ground.files import require_writable, writing_file
from sr_models.ground.native_output import import_tensorflow_quietly
from sr_models.ground.registry import unknown_name_message

MOST_DROP_DB = 0.08
MOST_DIFFERENCE = 0.1
"""Codes of 255 between a source and the network that was read of it."""


@dataclass(frozen=True)
class SourceRow:
    """One architecture in one format.

    Attributes:
        name: The architecture's.
        source_format: One of `source_formats.FORMATS`.
        taken: Whether it was exported.
        reason: Why not, in one line.
        largest_difference_of_255: The most that a pixel of the network that was read differs from
            the source's; `None` where the source could not be run.
        drop_db: PSNR of the float network less that of the file, the greater of RGB and luma.
        seconds: What the export took.
    """

    name: str
    source_format: str
    taken: bool
    reason: str = ""
    largest_difference_of_255: float | None = None
    drop_db: float | None = None
    seconds: float | None = None

    def failure(self) -> str | None:
        """What is not as it should be, if anything."""
        label = f"{self.name} as {self.source_format}"
        if not self.taken:
            return f"{label} is refused"
        difference, drop = self.largest_difference_of_255, self.drop_db
        if difference is None or not difference <= MOST_DIFFERENCE:
            return f"{label} is not shown to be its source"
        if drop is None or not drop <= MOST_DROP_DB:
            return f"{label} loses {math.nan if drop is None else drop:.3f} dB"
        return None

    def to_json(self) -> dict[str, Any]:
        """The attributes."""
        return asdict(self)


def measure_source(name: str, kind: str, folder: Path, *, size: str, model) -> SourceRow:
    """Write a model in a format, export that, and read from the manifest what came of it.

    Args:
        name: Of the architecture.
        kind: Of the format.
        folder: Where files are kept.
        size: Input size of the exported file.
        model: The fitted Keras model.
    """
    from runtime_bench.evidence.source_formats import FORMATS
    from runtime_bench.evidence.source_networks import SOURCE_NETWORKS

    source = FORMATS[kind](SOURCE_NETWORKS[name], model, folder)
    try:
        made = export_file(source, folder / f"{name}_{kind}", size=size)
    except ConversionError as error:
        return SourceRow(name, kind, False, str(error))
    manifest = made.manifest
    drop = [v for k, v in manifest["drop"].items() if k.endswith("_db") and v is not None]
    return SourceRow(
        name,
        kind,
        True,
        largest_difference_of_255=manifest["network"]["origin"]["check"][
            "largest_difference_of_255"
        ],
        drop_db=max(drop),
        seconds=made.seconds,
    )


def fitted_model(name: str, folder: Path, *, width: int, seconds: float):
    """The fitted Keras model of an architecture, from the folder where it was fitted before."""
    from runtime_bench.evidence.fitting import fit
    from runtime_bench.evidence.keras_pen import keras_model
    from runtime_bench.evidence.source_networks import SOURCE_NETWORKS

    model = keras_model(SOURCE_NETWORKS[name], width=width)
    kept = folder / f"{name}_{width}.weights.h5"
    if kept.exists():
        model.load_weights(kept)
    else:
        fit(model, scale=SOURCE_NETWORKS[name].scale, channels=3, seconds=seconds)
        model.save_weights(kept)
    return model


def source_cells(rows: Sequence[SourceRow]) -> tuple[list[str], list[list[str]]]:
    """Column names and cells, one line for each row."""
    columns = ["network", "format", "taken", "difference, of 255", "INT8 drop, dB", "export, s"]

    def number(value: float | None, digits: str) -> str:
        return "" if value is None else f"{value:{digits}}"

    return columns, [
        [
            row.name,
            row.source_format,
            "yes" if row.taken else row.reason,
            number(row.largest_difference_of_255, ".2g"),
            number(row.drop_db, ".3f"),
            number(row.seconds, ".0f"),
        ]
        for row in rows
    ]


def _chosen(asked: Sequence[str] | None, known: Sequence[str], what: str) -> list[str]:
    for name in asked or ():
        if name not in known:
            raise OptionError(unknown_name_message(what, name, known))
    return list(dict.fromkeys(asked or known))


@study("sources")
def sources(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]...", help="Architectures.", show_default="all twelve"),
    ] = None,
    *,
    out: Annotated[str, typer.Option(metavar="DIR", help="Where files and results are kept.")],
    formats: Annotated[
        list[str] | None,
        typer.Option("--format", help="Source format; repeatable.", show_default="all seven"),
    ] = None,
    size: ExportSize = "64x64",
    width: Annotated[int, typer.Option(help="Channels.")] = 16,
    fit_seconds: Annotated[float, typer.Option(help="How long each is fitted.")] = 30.0,
    require: Annotated[
        bool,
        typer.Option(
            "--require", help=f"Gate: all taken, equal, and at most {MOST_DROP_DB} dB lost."
        ),
    ] = False,
    markdown: Markdown = None,
    json: Json = None,
) -> None:
    """Twelve architectures in seven source formats, each opened, exported and measured.

    What a folder holds the result of is not done again.

    [bold]Examples[/bold]

    \b
    sr-bench evidence sources --out sources --markdown sources.md
    sr-bench evidence sources rfdn --format onnx-dynamo --out sources --require
    """
    sides(size)
    if width < 8 or width % 4:
        raise OptionError(f"expected a multiple of 4 channels, 8 at least, found {width}")
    if not fit_seconds > 0:
        raise OptionError(f"expected more than 0 seconds to fit, found {fit_seconds:g}")
    if markdown is not None:
        require_writable(markdown)
    import_tensorflow_quietly()
    from runtime_bench.evidence.source_formats import FORMATS
    from runtime_bench.evidence.source_networks import SOURCE_NETWORKS

    kinds = _chosen(formats, list(FORMATS), "format")
    networks = _chosen(names, list(SOURCE_NETWORKS), "architecture")
    folder, rows = Path(out), []
    folder.mkdir(parents=True, exist_ok=True)
    with progress("exporting", unit="sources") as update:
        for name in networks:
            for kind in kinds:
                update(len(rows), len(networks) * len(kinds), f"{name} as {kind}")
                kept = folder / f"{name}_{kind}_{width}_{size}.json"
                if kept.exists():
                    rows.append(SourceRow(**json_module.loads(kept.read_text())))
                    continue
                model = fitted_model(name, folder, width=width, seconds=fit_seconds)
                rows.append(measure_source(name, kind, folder, size=size, model=model))
                with writing_file(kept) as path:
                    path.write_text(json_module.dumps(rows[-1].to_json(), indent=2) + "\n")
    write_json({"results": [row.to_json() for row in rows]}, json)
    columns, cells = source_cells(rows)
    if json != "-":
        print_table(f"Sources at {size}, {width} channels", columns, cells)
        say(f"{sum(row.taken for row in rows)} of {len(rows)} are exported")
    if markdown is not None:
        lines = [columns, ["---"] * len(columns), *cells]
        with writing_file(markdown) as path:
            path.write_text("".join(f"| {' | '.join(line)} |\n" for line in lines))
    if require and (failed := [text for row in rows if (text := row.failure())]):
        raise GateNotMet(f"not met: {'; '.join(failed)}")
