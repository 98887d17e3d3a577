"""Arguments and options that several verbs of `sr-models` have."""

from __future__ import annotations

from typing import Annotated

import typer

from sr_models.command import require_json_target

Name = Annotated[str, typer.Argument(help="Name of a preset, as `sr-models list` shows it.")]
Json = Annotated[
    str | None,
    typer.Option(
        "--json",
        metavar="PATH",
        callback=require_json_target,
        help="Write the result as JSON there; - for stdout.",
    ),
]
