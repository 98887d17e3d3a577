"""The verb `sr-export verify`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sr_models.ground.console import GateNotMet, print_table, say, write_json
from sr_models.ground.options import Json


def verify(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder of sr-export bundle.")],
    delegate: Annotated[
        list[str] | None,
        typer.Option(help="xnnpack, builtin or reference; repeatable.", show_default="all three"),
    ] = None,
    json: Json = None,
):
    """Check a received bundle: every byte, the schema, the models, the golden pairs.

    Exit status 2 where the bundle is not what it says it is, 1 where its pictures differ by more
    than they did where it was made.

    Examples:

      sr-export verify phone

      sr-export verify phone --delegate xnnpack --json -
    """
    from export.bundle.layout import inventory
    from export.running.runtimes import require_delegate

    for path in delegate or ():
        require_delegate(path)
    inventory(folder)
    from export.bundle.golden import PATHS
    from export.bundle.verification import verify_bundle

    result = verify_bundle(folder, paths=delegate or PATHS, on_stage=say)
    write_json(result.to_json(), json)
    if json != "-":
        print_table(
            f"{folder}: {result.files} files unchanged",
            ["model", "path", "greatest difference", "share of pixels", "allowed", "passed"],
            [
                [
                    check.file,
                    check.path,
                    check.found.max_abs_code_difference,
                    f"{check.found.differing_fraction:.2e}",
                    f"{check.allowed.max_abs_code_difference} at "
                    f"{check.allowed.differing_fraction:.2e}",
                    "yes" if check.passed else "no",
                ]
                for check in result.checks
            ],
        )
    if result.failures:
        raise GateNotMet(f"gate not met: {'; '.join(result.failures)}")
