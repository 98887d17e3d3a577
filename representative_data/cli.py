"""The command `sr-calibrate`: write a representative dataset and judge it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from sr_models.ground.console import (
    GateNotMet,
    new_app,
    print_table,
    progress,
    run,
    say,
    write_json,
)
from sr_models.ground.errors import OptionError
from sr_models.ground.native_output import import_tensorflow_quietly
from sr_models.ground.options import (
    Anchors,
    Images,
    Inputs,
    Json,
    LowResolution,
    MaxPasses,
    MemoryBudget,
    Name,
    OpenTail,
    Overwrite,
    Pictures,
    Seed,
    Shaping,
    TamingMethod,
    TamingTarget,
    TileSide,
    require_one_kind,
    require_open_tail,
    require_shaping,
    was_given,
)
from sr_models.ground.picture_files import inputs_of, list_images
from sr_models.importing.source_options import SourceOptions, takes_source

# One command and no verbs: whatever stands first is a network's name, so that none is out of reach.
app = new_app("Write a representative dataset for the TFLite converter.")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `sr-calibrate` and leave the process with its exit status."""
    run(app, arguments)


@app.command(no_args_is_help=True)
@takes_source
def calibrate(
    context: typer.Context,
    name: Name,
    *,
    out: Annotated[Path, typer.Option(help="The .npz file to write.")],
    images: Images = None,
    inputs: Inputs = None,
    method: Shaping = "cfqp",
    taming: TamingMethod = "contrast",
    target: TamingTarget = "picture",
    anchors: Anchors = True,
    max_passes: MaxPasses = 10,
    tail: OpenTail = "relu",
    pictures: Pictures = 64,
    tile_side: TileSide = 96,
    seed: Seed = 0,
    memory_budget: MemoryBudget = None,
    low_resolution: LowResolution = False,
    source: SourceOptions,
    unit_weights: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.weights.h5",
            help="Where a preset with --weights of 0..255 is written as the 0..1 network that "
            "the set is for.",
        ),
    ] = None,
    max_saturation: Annotated[
        float,
        typer.Option(
            help="Gate: largest share of a tensor's natural activations that may lie outside of "
            "the set's range, 0..1."
        ),
    ] = 0.001,
    report: Annotated[
        Path | None, typer.Option(metavar="PAGE.html", help="Write the report as one HTML page.")
    ] = None,
    overwrite: Overwrite = False,
    json: Json = None,
):
    """Write a representative dataset for the TFLite converter.

    Reports what the float network outputs, what was changed, the tensor ranges that result, and
    what saturates. Exit status 1 where more than --max-saturation does; the set is written anyhow.

    [bold]Examples[/bold]

    \b
    sr-calibrate xlsr_x3 --images photos --out rd.npz
    sr-calibrate my_network.keras --images photos --out rd.npz
    sr-calibrate xlsr_x3 --images photos --out rd.npz --report rd.html
    sr-calibrate xlsr_x3 --images photos --out rd.npz --taming select --no-anchors --json -
    sr-calibrate xlsr_x3 --weights of_255.weights.h5 --unit-weights of_1.weights.h5 --out rd.npz
    """
    from representative_data.choices import Taming, require_usable
    from sr_models.ground.files import refuse_existing, require_writable

    require_open_tail(tail)
    require_shaping(method)
    if not 0.0 <= max_saturation <= 1.0:
        raise OptionError(f"expected a share of 0..1, found --max-saturation {max_saturation:g}")
    require_usable(count=pictures, side=tile_side, seed=seed)
    places = [place for place in (out, report, unit_weights) if place is not None]
    for place in places:
        refuse_existing(place, overwrite=overwrite)
    shaped_by = Taming(taming, max_passes=max_passes, target=target)
    if images is not None:
        list_images(images)
    inputs_of(images, inputs, option="--images")
    require_one_kind(low_resolution=low_resolution, inputs=inputs)
    import_tensorflow_quietly()
    from representative_data.cfqp import CfqpSettings, build_cfqp_dataset, build_natural_dataset
    from representative_data.effort import fitting_tiles
    from representative_data.pictures import open_subject
    from representative_data.report import build_report, report_tables
    from sr_models.networks.network import save_trunk

    settings = CfqpSettings(taming=shaped_by, anchors=anchors)
    choices = {
        "pictures": pictures,
        "tile_side": tile_side,
        "seed": seed,
        "tail": tail,
        "low_resolution": low_resolution,
    }
    for place in places:
        require_writable(place)
    subject = open_subject(
        name,
        images=images,
        tail=tail,
        low_resolution=low_resolution,
        inputs=inputs,
        options=source,
    )
    network, model = subject.network, subject.model
    if unit_weights is not None and network.origin is not None:
        raise OptionError(
            f"expected --unit-weights with a preset, found {name}; sr-export takes the file itself"
        )
    named = was_given(context, "pictures") or was_given(context, "tile_side")
    pictures, tile_side = fitting_tiles(
        model, count=pictures, side=tile_side, keep=named, on_stage=say
    )
    choices |= {"pictures": pictures, "tile_side": tile_side}
    with progress("reading pictures") as update:
        tiles = subject.tiles(count=pictures, side=tile_side, seed=seed, on_picture=update)
    named = {"network": network.name, "scale": network.scale, "choices": choices}
    with progress("taming") as update:
        if method == "natural":
            dataset = build_natural_dataset(model, tiles, **named)
        else:
            dataset = build_cfqp_dataset(model, tiles, settings=settings, on_pass=update, **named)
    result = build_report(model, tiles, dataset)
    dataset.save(out)
    say(f"wrote {out}")
    if unit_weights is not None:
        save_trunk(network.trunk, unit_weights)
        say(f"wrote {unit_weights}")
    write_json(result.to_json(), json)
    if json != "-":
        for table in report_tables(result):
            print_table(*table)
    if report is not None:
        from representative_data.page import save_page

        save_page(result, tiles, report, limit=max_saturation)
        say(f"wrote {report}")
    if saturating := result.saturating(max_saturation):
        raise GateNotMet(
            f"gate not met: max-saturation {max_saturation:g}; more of {', '.join(saturating)} "
            "lies outside of the set's range; give more pictures, or --taming-target picture"
        )


if __name__ == "__main__":
    main()
