"""Arguments and options that several verbs of `sr-models` have."""

from __future__ import annotations

from typing import Annotated

import typer

from sr_models.ground.console import json_option

Name = Annotated[str, typer.Argument(help="Name of a preset, as `sr-models list` shows it.")]
Json = Annotated[str | None, json_option("Write the result as JSON there; - for stdout.")]
