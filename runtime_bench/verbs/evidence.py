"""The verb of `sr-bench` that runs the studies of `runtime_bench.evidence`."""

from __future__ import annotations

import typer
from typer.core import TyperCommand, TyperGroup

from runtime_bench.evidence.studies import find_study, studies
from sr_models.ground.console import new_app, print_table


class Studies(TyperGroup):
    """Every study as a command of its own, imported when it is called rightly."""

    def list_commands(self, ctx) -> list[str]:
        """Names of all studies."""
        return list(studies())

    def get_command(self, ctx, cmd_name: str):
        """The study; for an unknown one `OptionError` with the nearest names."""
        found = find_study(cmd_name)
        app = new_app("")
        app.command(found.name)(found.command())
        return typer.main.get_command(app)

    def format_help(self, ctx, formatter) -> None:
        """What the group does and one line a study, none of them imported."""
        lines = {name: TyperCommand(name, help=one.line) for name, one in studies().items()}
        listed = TyperGroup(
            name=self.name,
            commands=lines,
            help=self.help,
            params=self.params,
            rich_markup_mode=self.rich_markup_mode,
            subcommand_metavar=self.subcommand_metavar,
        )
        listed.format_help(ctx, formatter)


app = new_app(
    """Run a study that measures this project and not your file; without a name, list them.

    [bold]Examples[/bold]

    \b
    sr-bench evidence
    sr-bench evidence trust model.tflite --size 48x64
    sr-bench evidence twins --out twins --markdown twins.md
    """
)


@app.callback(
    cls=Studies,
    invoke_without_command=True,
    no_args_is_help=False,
    subcommand_metavar="[NAME [OPTIONS]...]",
)
def list_studies(context: typer.Context) -> None:
    """Print every study with the line that its function says of itself."""
    if context.invoked_subcommand is None:
        rows = [[one.name, one.line] for one in studies().values()]
        print_table("Studies", ["sr-bench evidence", "what it does"], rows)
