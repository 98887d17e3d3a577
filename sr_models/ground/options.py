"""Arguments and options that verbs of several commands share: one name and one help text for each.

A verb states its own default. What one verb alone has is declared there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sr_models.ground.console import require_json_target
from sr_models.ground.errors import OptionError
from sr_models.ground.memory import choose_budget

# The network. A verb that takes one has all of these by `sr_models.importing.source_options`.

Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME|FILE",
        help="Preset name, .keras, .h5, .onnx, .tflite or .pb file, SavedModel, module:function.",
    ),
]
PresetName = Annotated[
    str, typer.Argument(metavar="NAME", help="Name of a preset, as `sr-models list` shows it.")
]
Weights = Annotated[
    Path | None, typer.Option(help="A .weights.h5 file instead of the shipped one.")
]
Pixels = Annotated[
    str | None,
    typer.Option(help="Black and white of your network, as -1..1 or 0..255.", show_default="found"),
]
FilePixels = Annotated[
    str | None,
    typer.Option(
        "--pixels",
        metavar="RANGE",
        help="Black and white of the file: 0..1, 0..255, -1..1, or IN:OUT as 0..255:0..1.",
        show_default="found",
    ),
]
Trust = Annotated[
    bool, typer.Option("--trust", help="Run code of Lambda layers in your own Keras file.")
]
Input = Annotated[
    str | None,
    typer.Option(
        "--input", metavar="NAME|INDEX", help="Which input takes the picture.", show_default="found"
    ),
]
Output = Annotated[
    str | None,
    typer.Option(
        "--output",
        metavar="NAME|INDEX",
        help="Which output is the upscaled picture.",
        show_default="found",
    ),
]
Signature = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Which signature of a SavedModel.", show_default="found"),
]
Dequantize = Annotated[
    bool,
    typer.Option(
        "--dequantize", help="Take the integers of a .tflite file back to real numbers; lossy."
    ),
]
Tail = Annotated[str, typer.Option(help="Output tail: relu, none, clip or conv_clip.")]
OpenTail = Annotated[str, typer.Option(help="Output tail: relu or none.")]

# The pictures, and how a set is shaped of them.

Images = Annotated[
    Path | None,
    typer.Option(help="Folder of calibration pictures.", show_default="scikit-image's pictures"),
]
Inputs = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="What the network is given, by the names of --images: degraded pictures.",
        show_default="made of --images",
    ),
]
Dataset = Annotated[
    Path | None, typer.Option(help="A set from sr-calibrate, instead of shaping one.")
]
LowResolution = Annotated[
    bool,
    typer.Option("--low-resolution", help="Take the pictures as inputs; do not degrade them."),
]
Pictures = Annotated[int, typer.Option(help="Number of calibration tiles.")]
TileSide = Annotated[int, typer.Option(help="Side of a tile in input pixels.")]
Seed = Annotated[int, typer.Option(help="Seed of the choice of tiles.")]
Shaping = Annotated[
    str, typer.Option("--method", help="How the set is made: cfqp, or natural for no change.")
]
TamingMethod = Annotated[str, typer.Option("--taming", help="contrast, intensity, blur or select.")]
TamingTarget = Annotated[
    str,
    typer.Option("--taming-target", help="picture: a change for each; set: one for all pictures."),
]
MaxPasses = Annotated[int, typer.Option(help="Forward passes before a picture is dropped.")]
Anchors = Annotated[bool, typer.Option(help="Add pictures that span the input.")]

# The file.

Method = Annotated[str, typer.Option(help="A recipe, see docs/quantizing.md; or auto.")]
PackedFor = Annotated[
    str,
    typer.Option(
        "--packed-for",
        metavar="TARGET",
        help="Whose kernels layers are shaped for: a target of sr-export inspect, here or every.",
    ),
]
Shuffle = Annotated[
    str,
    typer.Option(
        "--shuffle",
        help="How pixels leave channels: depth_to_space, transpose_conv or resize_mask; equal "
        "codes.",
    ),
]
Sizes = Annotated[
    list[str] | None,
    typer.Option(
        "--size",
        metavar="SIZE",
        show_default="360x640",
        help="Input size (270x480) or dynamic; repeatable, quantized alike.",
    ),
]

MemoryBudget = Annotated[
    str | None,
    typer.Option(
        "--memory-budget",
        metavar="SIZE",
        callback=choose_budget,
        show_default="half of what is free",
        help="Memory that batches and tiles may take, e.g. 4GiB.",
    ),
]
"""For verbs that run networks; the verb itself has no use for its value."""

# What is written.

Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there already.")]
Json = Annotated[
    str | None,
    typer.Option(
        "--json",
        metavar="PATH",
        callback=require_json_target,
        help="Write the result as JSON to a path, or - for stdout.",
    ),
]


def require_open_tail(tail: str) -> str:
    """`tail` itself; raises `OptionError` for one that hides what must be tamed."""
    if tail not in ("relu", "none"):
        raise OptionError(
            f"expected an output tail of relu, none, found {tail!r}; a clip leaves nothing to tame"
        )
    return tail


def require_one_kind(*, low_resolution: bool, inputs: Path | None) -> None:
    """Raise `OptionError` where pictures are inputs and have inputs."""
    if low_resolution and inputs is not None:
        raise OptionError(
            "expected --low-resolution or --inputs, found both; leave out --low-resolution"
        )


def require_shaping(method: str) -> str:
    """`method` itself; raises `OptionError` for one that no set is made by."""
    if method not in ("cfqp", "natural"):
        raise OptionError(f"expected a method of cfqp, natural, found {method!r}")
    return method


def was_given(context: typer.Context, option: str) -> bool:
    """Whether an option stands on the command line, by the name of its parameter."""
    source = context.get_parameter_source(option)
    return source is not None and source.name == "COMMANDLINE"
