"""The verb `sr-calibrate speed`: how long shaping a set takes."""

from __future__ import annotations

from typing import Annotated

import typer

from representative_data.options import Images, Json, Name, Pixels, TileSide, Trust, Weights
from sr_models.ground.console import GateNotMet, print_table, progress, write_json
from sr_models.ground.errors import OptionError
from sr_models.ground.native_output import import_tensorflow_quietly


def speed(
    name: Name,
    images: Images = None,
    pictures: Annotated[int, typer.Option(help="Number of tiles.")] = 100,
    tile_side: TileSide = 96,
    rounds: Annotated[int, typer.Option(help="Interleaved rounds.")] = 3,
    weights: Weights = None,
    pixels: Pixels = None,
    trust: Trust = False,
    max_passes_per_picture: Annotated[
        float, typer.Option(help="Gate: forward passes per picture, anchors and report included.")
    ] = 15.0,
    json: Json = None,
):
    """Time shaping a set beside a bare forward pass over the same pictures.

    Exit status 1 where more forward passes were needed than the gate allows.

    [bold]Examples[/bold]

    \b
    sr-calibrate speed xlsr_x3
    sr-calibrate speed xlsr_x3 --images photos --pictures 200 --json -
    """
    if rounds < 1:
        raise OptionError(f"expected at least 1 round, found {rounds}")
    import_tensorflow_quietly()
    from representative_data.pictures import bundled_pictures, open_network
    from representative_data.tiles import load_tiles, require_usable
    from runtime_bench.evidence.shaping import time_calibration
    from sr_models.ground.files import tool_versions
    from sr_models.networks.tails import attach_tail

    require_usable(count=pictures, side=tile_side, seed=0)
    opened = open_network(name, images=images, weights=weights, pixels=pixels, trust=trust)
    scale, channels = opened.scale, opened.channels
    model = attach_tail(opened.trunk, "relu", scale=scale)
    source = bundled_pictures() if images is None else images
    tiles = load_tiles(source, scale=scale, count=pictures, side=tile_side, channels=channels)
    with progress("calibrating", unit="rounds") as update:
        found = time_calibration(
            model, tiles, network=opened.name, scale=scale, rounds=rounds, on_round=update
        )
    versions = tool_versions(("tensorflow", "numpy"))
    write_json({"model": name, **found.to_json(), "versions": versions}, json)
    if json != "-":
        print_table(
            f"calibration of {name}, {pictures} tiles of {tile_side}x{tile_side}",
            ["step", "seconds per 100 pictures", "forward passes per picture"],
            [
                [
                    "probe, tame, find anchors",
                    f"{found.per_hundred_s('shaping'):.2f}",
                    f"{found.shaping_passes:.2f}",
                ],
                [
                    "judge all layers",
                    f"{found.per_hundred_s('judging'):.2f}",
                    f"{found.judging_passes:.2f}",
                ],
                ["bare forward pass", f"{found.per_hundred_s('forward'):.2f}", "1.00"],
            ],
        )
    if found.passes > max_passes_per_picture:
        raise GateNotMet(
            f"gate not met: max-passes-per-picture {max_passes_per_picture:g}; took "
            f"{found.passes:.1f}; give more pictures, which share the search for anchors"
        )
