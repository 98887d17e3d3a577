"""Options that several verbs of `sr-export` have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sr_models.ground.console import json_option

JsonOption = Annotated[
    str | None, json_option("Write the result as JSON to a path, or - for stdout.")
]
ImagesOption = Annotated[
    Path | None,
    typer.Option(help="Folder of calibration pictures. [default: scikit-image's pictures]"),
]
DatasetOption = Annotated[
    Path | None, typer.Option(help="A set from sr-calibrate, instead of shaping one.")
]
MethodOption = Annotated[str, typer.Option(help="A recipe, see docs/quantizing.md; or auto.")]
PicturesOption = Annotated[int, typer.Option(help="Number of calibration tiles.")]
SeedOption = Annotated[int, typer.Option(help="Seed of the choice of tiles.")]


def was_given(context: typer.Context, option: str) -> bool:
    """Whether an option stands on the command line, by the name of its parameter."""
    source = context.get_parameter_source(option)
    return source is not None and source.name == "COMMANDLINE"
