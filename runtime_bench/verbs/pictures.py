"""The verb of `sr-bench` that makes pictures: upscale."""

from __future__ import annotations

from typing import Annotated

import typer

from runtime_bench.measuring.options import Delegate, FilePixels, Json, Threads
from sr_models.ground.console import print_table, progress, say, write_json
from sr_models.ground.pixel_range import parse_pixels
from sr_models.ground.sizes import parse_fixed_size


def upscale(
    model: Annotated[str, typer.Argument(help="A .tflite file, or a folder of sr-export.")],
    source: Annotated[str, typer.Argument(metavar="IN", help="A picture, or a folder of them.")],
    out: Annotated[str, typer.Argument(metavar="OUT", help="The picture or folder to write.")],
    *,
    tile: Annotated[
        str | None,
        typer.Option(metavar="HxW", help="Size of tiles.", show_default="256x256 or more"),
    ] = None,
    suffix: Annotated[
        str, typer.Option("--format", help="For folders: png, jpg, webp or tif.")
    ] = "png",
    delegate: Delegate = "xnnpack",
    threads: Threads = 1,
    pixels: FilePixels = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace pictures that exist.")
    ] = False,
    json: Json = None,
) -> None:
    """Upscale pictures of any size, in tiles that leave no seam.

    Tiles overlap by as far as the network looks, so the result is that of the picture in one piece.

    [bold]Examples[/bold]

    \b
    sr-bench upscale phone/model.tflite photo.jpg large.png
    sr-bench upscale phone photos large --format jpg --threads 2
    sr-bench upscale model.tflite photo.jpg large.png --tile 256x256 --json -
    """
    from pathlib import Path

    from runtime_bench.measuring.usage import require_files
    from runtime_bench.upscaling.targets import planned

    todo = planned(source, out, suffix=f".{suffix.lower().lstrip('.')}")
    wanted = None if tile is None else parse_fixed_size(tile, option="--tile")
    given = parse_pixels(pixels) if pixels else None
    found = [] if Path(model).is_dir() else [model]
    require_files(found, delegates=[delegate], threads=[threads])
    from runtime_bench.upscaling.run import open_upscaler, peak_memory_mb, upscale_pictures

    upscaler = open_upscaler(
        model,
        tile=wanted and (wanted.height, wanted.width),
        delegate=delegate,
        threads=threads,
        pixels=given,
    )
    say(f"{upscaler.runner.model.name}: {upscaler.pixels}")
    if not upscaler.raw:
        say("the file's codes are not pixels; its scale and zero point are applied")
    with progress("upscaling", unit="tiles") as update:
        results = upscale_pictures(upscaler, todo, overwrite=overwrite, on_tile=update)
    runner = upscaler.runner
    write_json(
        {
            "results": [result.to_json() for result in results],
            "model": runner.model.to_json(),
            "codes_are_pixels": upscaler.raw,
            "pixels": upscaler.pixels.to_json(),
            "delegate": delegate,
            "threads": threads,
            "runtime": str(runner.runtime),
            "peak_memory_mb": peak_memory_mb(),
        },
        json,
    )
    for result in results:
        for notice in result.notices:
            say(f"{result.source}: {notice}")
    if json != "-":
        print_table(
            f"upscaled by {runner.model.name}",
            ["picture", "size", "output", "tiles", "s"],
            [
                [r.source, f"{r.width}x{r.height}", r.written, r.tiles, f"{r.seconds:.2f}"]
                for r in results
            ],
        )
    say(f"peak memory {peak_memory_mb():.0f} MiB")
