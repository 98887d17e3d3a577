"""Arguments and options that several verbs of `sr-calibrate` have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sr_models.ground.console import json_option
from sr_models.ground.errors import OptionError

Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME|FILE",
        help="Preset name, .keras or .h5 file, SavedModel folder, or module:function.",
    ),
]
Images = Annotated[
    Path | None, typer.Option(help="Folder of pictures. [default: scikit-image's pictures]")
]
Tail = Annotated[str, typer.Option(help="Output tail: relu or none.")]
TileSide = Annotated[int, typer.Option(help="Side of a tile in input pixels.")]
LowResolution = Annotated[
    bool,
    typer.Option("--low-resolution", help="Take the pictures as inputs; do not degrade them."),
]
Weights = Annotated[
    Path | None, typer.Option(help="A .weights.h5 file instead of the shipped one.")
]
Pixels = Annotated[
    str | None,
    typer.Option(help="Black and white of your own network: 0..1, 0..255 or -1..1. [found]"),
]
Trust = Annotated[
    bool, typer.Option("--trust", help="Run code of Lambda layers in your own Keras file.")
]
Json = Annotated[str | None, json_option("Write the report as JSON; - for stdout.")]


def require_open_tail(tail: str) -> str:
    """`tail` itself; raises `OptionError` for one that hides what must be tamed."""
    if tail not in ("relu", "none"):
        raise OptionError(
            f"expected an output tail of relu, none, found {tail!r}; a clip leaves nothing to tame"
        )
    return tail
