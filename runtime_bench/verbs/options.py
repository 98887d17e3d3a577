"""Options that several verbs of `sr-bench` share."""

from __future__ import annotations

from typing import Annotated

import typer

# Every verb takes it from here, beside the options of measuring.
from sr_models.ground.options import Json as Json

Files = Annotated[list[str], typer.Argument(metavar="FILE", help="Files to measure.")]
Delegate = Annotated[str, typer.Option(help="xnnpack, builtin or reference.")]
Delegates = Annotated[
    list[str],
    typer.Option(
        "--delegate",
        help="xnnpack, builtin, reference or external:PATH[,key=value]; repeatable.",
    ),
]
Cpus = Annotated[
    str, typer.Option(metavar="MASK", help="Bind to cores by a hexadecimal mask, e.g. f0.")
]
FullDelegation = Annotated[
    bool, typer.Option("--require-full-delegation", help="Gate: nothing is left to the CPU.")
]
Threads = Annotated[int, typer.Option(help="Threads the kernels may use.")]
ThreadCounts = Annotated[
    list[int], typer.Option("--threads", help="Threads the kernels may use; repeatable.")
]
Scale = Annotated[int | None, typer.Option(help="Scale factor; read from the file by default.")]
White = Annotated[
    float | None, typer.Option(help="Value of white in float files: 1 (default) or 255.")
]
Runs = Annotated[int, typer.Option(help="Timed rounds at most.")]
Seconds = Annotated[float, typer.Option(help="Time budget of all rounds; at least 5 are done.")]
Warmup = Annotated[int, typer.Option(help="Untimed rounds after the cold first inference.")]
Seed = Annotated[int, typer.Option(help="Seed of the input and of the order in each round.")]
Height = Annotated[int | None, typer.Option(help="Input height; the file's own by default.")]
Width = Annotated[int | None, typer.Option(help="Input width; the file's own by default.")]
Save = Annotated[
    str | None,
    typer.Option("--save", metavar="FILE", help="Add the results to this history (JSON lines)."),
]
Against = Annotated[
    str | None,
    typer.Option("--against", metavar="FILE", help="Compare with what this history holds."),
]
Crops = Annotated[
    int, typer.Option(help="Keep this many crops with difference maps per dataset, for report.")
]
