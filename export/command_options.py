"""Options that several verbs of `sr-export` have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sr_models.command import require_json_target

JsonOption = Annotated[
    str | None,
    typer.Option(
        "--json",
        callback=require_json_target,
        help="Write the result as JSON to a path, or - for stdout.",
    ),
]

NameArgument = Annotated[
    str,
    typer.Argument(
        metavar="NAME|FILE",
        help="Preset name, .keras or .h5 file, SavedModel folder, or module:function.",
    ),
]
ImagesOption = Annotated[
    Path | None,
    typer.Option(help="Folder of calibration pictures. [default: scikit-image's pictures]"),
]
DatasetOption = Annotated[
    Path | None, typer.Option(help="A set from sr-calibrate, instead of shaping one.")
]
PixelsOption = Annotated[
    str | None,
    typer.Option(help="Black and white of your own network: 0..1, 0..255 or -1..1. [found]"),
]
TrustOption = Annotated[
    bool, typer.Option("--trust", help="Run code of Lambda layers in your own Keras file.")
]
MethodOption = Annotated[str, typer.Option(help="A recipe, see docs/quantizing.md; or auto.")]
PicturesOption = Annotated[int, typer.Option(help="Number of calibration tiles.")]
TileSideOption = Annotated[int, typer.Option(help="Side of a tile in input pixels.")]
SeedOption = Annotated[int, typer.Option(help="Seed of the choice of tiles.")]
WeightsOption = Annotated[
    Path | None, typer.Option(help="A .weights.h5 file instead of the shipped one.")
]
