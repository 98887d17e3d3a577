"""The command `sr-calibrate`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from sr_models.command import (
    new_app,
    print_table,
    progress,
    require_json_target,
    run,
    say,
    write_json,
)
from sr_models.native_output import import_tensorflow_quietly

app = new_app("Shape a representative dataset from what the float network outputs.")


@app.callback()
def _several_verbs():
    # Typer drops the name of a lone verb unless there is a callback.
    pass


@app.command()
def tame(
    name: Annotated[str, typer.Argument(help="Preset name, e.g. xlsr_x3.")],
    out: Annotated[Path, typer.Option(help="The .npz file to write.")],
    images: Annotated[
        Path | None,
        typer.Option(help="Folder of pictures. [default: scikit-image's pictures]"),
    ] = None,
    method: Annotated[str, typer.Option(help="cfqp or natural.")] = "cfqp",
    taming: Annotated[str, typer.Option(help="contrast, intensity, blur or select.")] = "contrast",
    anchors: Annotated[bool, typer.Option(help="Add pictures that span the input.")] = True,
    max_passes: Annotated[int, typer.Option(help="Forward passes before a picture is dropped.")] = (
        12
    ),
    tail: Annotated[str, typer.Option(help="Output tail: relu or none.")] = "relu",
    pictures: Annotated[int, typer.Option(help="Number of tiles.")] = 64,
    tile_side: Annotated[int, typer.Option(help="Side of a tile in input pixels.")] = 96,
    seed: Annotated[int, typer.Option(help="Seed of the choice of tiles.")] = 0,
    low_resolution: Annotated[
        bool,
        typer.Option("--low-resolution", help="Take the pictures as inputs; do not degrade them."),
    ] = False,
    weights: Annotated[
        Path | None, typer.Option(help="A .weights.h5 file instead of the shipped one.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = (
        False
    ),
    json: Annotated[
        str | None,
        typer.Option(
            "--json",
            callback=require_json_target,
            help="Write the report to a path, or - for stdout.",
        ),
    ] = None,
):
    """Write a representative dataset for the TFLite converter (the verb may be left out).

    Reports what the float network outputs, what was changed, and the tensor ranges that result.

    Examples:

      sr-calibrate xlsr_x3 --images photos --out rd.npz

      sr-calibrate xlsr_x3 --images photos --out rd.npz --taming select --no-anchors --json -
    """
    from sr_models.atomic import refuse_existing, require_writable
    from sr_models.errors import OptionError

    if tail not in ("relu", "none"):
        raise OptionError(
            f"expected an output tail of relu, none, found {tail!r}; a clip leaves nothing to tame"
        )
    if method not in ("cfqp", "natural"):
        raise OptionError(f"expected a method of cfqp, natural, found {method!r}")
    refuse_existing(out, overwrite=overwrite)
    import_tensorflow_quietly()
    from representative_data.cfqp import CfqpSettings, build_cfqp_dataset, build_natural_dataset
    from representative_data.report import build_report, report_rows
    from representative_data.sources import bundled_pictures
    from representative_data.taming import Taming
    from representative_data.tiles import load_tiles
    from sr_models.network import load_model
    from sr_models.presets import get_preset

    settings = CfqpSettings(taming=Taming(taming, max_passes), anchors=anchors)
    choices = {
        "pictures": pictures, "tile_side": tile_side, "seed": seed, "tail": tail,
        "low_resolution": low_resolution,
    }  # fmt: skip
    scale = get_preset(name).scale
    require_writable(out)
    model = load_model(name, tail=tail, weights=weights)
    with progress("reading pictures") as update:
        tiles = load_tiles(
            bundled_pictures() if images is None else images, on_picture=update,
            scale=1 if low_resolution else scale, count=pictures, side=tile_side, seed=seed,
        )  # fmt: skip
    with progress("taming") as update:
        if method == "natural":
            dataset = build_natural_dataset(
                model, tiles, network=name, scale=scale, choices=choices
            )
        else:
            dataset = build_cfqp_dataset(
                model, tiles, network=name, scale=scale, settings=settings, choices=choices,
                on_pass=update,
            )  # fmt: skip
    report = build_report(model, tiles, dataset)
    dataset.save(out)
    write_json(report, json)
    if json != "-":
        for table in report_rows(report):
            print_table(*table)
    say(f"wrote {out}")


def main() -> None:
    """Entry point of `sr-calibrate`; without a verb, `tame` is meant."""
    arguments = sys.argv[1:]
    verbs = {command.name or command.callback.__name__ for command in app.registered_commands}
    if arguments and arguments[0] not in verbs and arguments[0] != "--help":
        arguments = ["tame", *arguments]
    run(app, arguments)
