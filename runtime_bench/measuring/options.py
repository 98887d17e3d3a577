"""Options that several verbs and studies of `sr-bench` share, and how a size is read."""

from __future__ import annotations

from typing import Annotated

import typer

# Every verb takes it from here, beside the options of measuring.
from sr_models.ground.options import FilePixels as FilePixels
from sr_models.ground.options import Json as Json
from sr_models.ground.sizes import parse_fixed_size

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
    str,
    typer.Option(
        metavar="MASK",
        help="Bind to cores by a hexadecimal mask, e.g. f0.",
        show_default="any core",
    ),
]
FullDelegation = Annotated[
    bool, typer.Option("--require-full-delegation", help="Gate: nothing is left to the CPU.")
]
Threads = Annotated[int, typer.Option(help="Threads the kernels may use.")]
ThreadCounts = Annotated[
    list[int], typer.Option("--threads", help="Threads the kernels may use; repeatable.")
]
Scale = Annotated[int | None, typer.Option(help="Scale factor.", show_default="read from the file")]
Runs = Annotated[int, typer.Option(help="Timed rounds at most.")]
Seconds = Annotated[float, typer.Option(help="Time budget of all rounds; at least 5 are done.")]
Warmup = Annotated[int, typer.Option(help="Untimed rounds after the cold first inference.")]
Seed = Annotated[int, typer.Option(help="Seed of the input and of the order in each round.")]
FileSize = Annotated[
    str | None,
    typer.Option("--size", metavar="HxW", help="Input size.", show_default="the file's own"),
]
ExportSize = Annotated[
    str, typer.Option("--size", metavar="HxW", help="Input size of the files, height first.")
]
Name = Annotated[str, typer.Argument(help="Preset name, e.g. xlsr_x3.")]
Data = Annotated[
    str, typer.Option("--data", metavar="DIR", help="Ground truth; each subfolder is a dataset.")
]
MaybeData = Annotated[
    str | None, typer.Option("--data", metavar="DIR", help="Ground-truth pictures, for PSNR.")
]
Markdown = Annotated[
    str | None, typer.Option("--markdown", metavar="PATH", help="Write the table as Markdown.")
]
Inputs = Annotated[
    str | None,
    typer.Option(
        "--inputs",
        metavar="DIR",
        help="What files are given, by the names of the ground truth.",
        show_default="made of the ground truth",
    ),
]
CalibrationInputs = Annotated[
    str | None,
    typer.Option(
        "--calibration-inputs",
        metavar="DIR",
        help="What the network is given, by the names of --images: degraded pictures.",
        show_default="made of --images",
    ),
]
Images = Annotated[
    str | None,
    typer.Option(
        "--images", metavar="DIR", help="Calibration.", show_default="scikit-image's pictures"
    ),
]
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


def sides(size: str | None) -> dict[str, int | None]:
    """`height` and `width` of a `--size`, as functions take them; both `None` without one.

    Raises:
        OptionError: Text that is no size, or a side outside of what is allowed.
    """
    if size is None:
        return {"height": None, "width": None}
    found = parse_fixed_size(size)
    return {"height": found.height, "width": found.width}
