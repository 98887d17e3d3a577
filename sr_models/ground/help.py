"""Help of a verb with many options: those that people need first, under headings; the others asked.

`--help` shows the usual options, `--help-all` every one. Which stands where is told once, by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

import typer
from typer.core import TyperCommand

_ALL = "every option of the help"


def headed(headings: Mapping[str, Sequence[str]], *, usual: Sequence[str]) -> type[TyperCommand]:
    """The kind of command, for `app.command(cls=...)`, whose help stands under headings.

    Args:
        headings: Heading -> names of parameters in the order of the help. What is not named comes
            last, under typer's own heading.
        usual: Names of the options that `--help` shows; `--help-all` shows the others too.

    Raises:
        ValueError: A usual option stands under no heading.
    """
    place = {name: heading for heading, names in headings.items() for name in names}
    order = {name: at for at, name in enumerate(place)}
    if astray := [name for name in usual if name not in place]:
        raise ValueError(f"expected a heading for each usual option, found none for {astray}")

    class Headed(TyperCommand):
        def format_help(self, ctx, formatter):
            shown = set(place) if ctx.meta.get(_ALL) else set(usual)
            for parameter in self.params:
                parameter.rich_help_panel = place.get(parameter.name)
                if parameter.name in place:
                    parameter.hidden = parameter.name not in shown
            self.params.sort(key=lambda parameter: order.get(parameter.name, len(order)))
            super().format_help(ctx, formatter)

    return Headed


def _show_all(context: typer.Context, asked: bool) -> None:
    if asked:
        context.meta[_ALL] = True
        typer.echo(context.get_help())
        raise typer.Exit


HelpAll = Annotated[
    bool,
    typer.Option("--help-all", is_eager=True, callback=_show_all, help="Show every option."),
]
"""An option for verbs of this kind; the verb itself has no use for its value."""
