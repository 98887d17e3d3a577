"""Options that several verbs of `sr-export` have."""

from __future__ import annotations

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
