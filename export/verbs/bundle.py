"""The verb `sr-export bundle`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from export.quantizing.defaults import DEFAULT_RECIPE
from export.running.targets import DEFAULT_TARGET
from export.verbs.usage import require_calibration
from sr_models.ground.console import print_table, stages, write_json
from sr_models.ground.native_output import import_tensorflow_quietly
from sr_models.ground.options import (
    Dataset,
    Images,
    Inputs,
    Json,
    MemoryBudget,
    Method,
    Name,
    Overwrite,
    PackedFor,
    Pictures,
    Seed,
    Shuffle,
    TileSide,
    was_given,
)
from sr_models.importing.source_options import SourceOptions, takes_source


@takes_source
def bundle(
    context: typer.Context,
    name: Name,
    *,
    out: Annotated[Path, typer.Option(help="Folder to write.")],
    size: Annotated[
        list[str] | None,
        typer.Option(metavar="HxW", help="Input size; repeatable.", show_default="360x640"),
    ] = None,
    io: Annotated[
        str, typer.Option(help="uint8 or int8 codes; auto takes int8 where that is faster.")
    ] = "auto",
    images: Images = None,
    inputs: Inputs = None,
    dataset: Dataset = None,
    method: Method = DEFAULT_RECIPE,
    packed_for: PackedFor = DEFAULT_TARGET,
    shuffle: Shuffle = "depth_to_space",
    pictures: Pictures = 64,
    tile_side: TileSide = 96,
    seed: Seed = 0,
    memory_budget: MemoryBudget = None,
    max_drop_db: Annotated[
        float | None, typer.Option(help="Reject files that lose more on pictures held out.")
    ] = None,
    source: SourceOptions,
    licence: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Licence of the calibration pictures.")
    ] = None,
    latency: Annotated[
        Path | None,
        typer.Option(help="What sr-bench latency --json wrote for the files of an equal bundle."),
    ] = None,
    twin: Annotated[
        bool, typer.Option(help="Export the clipped baseline too, for the model card.")
    ] = True,
    overwrite: Overwrite = False,
    json: Json = None,
):
    """Export a network as a folder that an Android developer can use: files, proof, Kotlin sources.

    The same inputs and versions give the same bytes.

    Examples:

      sr-export bundle xlsr_x3 --out phone

      sr-export bundle my_network.keras --out phone --size 360x640 --size 180x320 --images photos

      sr-export bundle xlsr_x3 --out phone --io uint8

      sr-bench latency phone/*.tflite --json latency.json

      sr-export bundle xlsr_x3 --out phone --latency latency.json --overwrite
    """
    from export.bundle.layout import TOP_LEVEL
    from sr_models.ground.files import require_free_folder

    require_free_folder(out, overwrite=overwrite, replaces=TOP_LEVEL)
    from export.bundle.interface import require_codes

    require_codes(io)
    from export.exporting.settings import ExportSettings
    from sr_models.ground.sizes import parse_size

    settings = ExportSettings(
        sizes=tuple(parse_size(text) for text in size or ()),
        method=method if was_given(context, "method") else None,
        packed_for=packed_for,
        shuffle=shuffle,
        pictures=pictures,
        tile_side=tile_side,
        seed=seed,
        max_drop_db=max_drop_db,
    )
    pictures_of = {"images": images, "inputs": inputs, "dataset": dataset}
    require_calibration(**pictures_of)
    import_tensorflow_quietly()
    from export.bundle.writing import export_bundle

    named = was_given(context, "pictures") or was_given(context, "tile_side")
    with stages("exporting") as (stage, update):
        manifest = export_bundle(
            name,
            settings,
            out=out,
            codes=io,
            **pictures_of,
            **source.keywords,
            latency=latency,
            pictures_licence=licence,
            twin=twin,
            overwrite=overwrite,
            keep_tiles=named,
            on_stage=stage,
            on_progress=update,
        )
    tell(manifest, out, json=json)


def tell(manifest: dict[str, Any], out: Path, *, json: str | None) -> None:
    """A bundle that was written, as JSON and as a table.

    Args:
        manifest: Its manifest.
        out: Its folder.
        json: Where JSON goes: a path, `-` for stdout, or nowhere.
    """
    write_json(manifest, json)
    if json == "-":
        return
    rows = [
        [
            model["file"],
            model["input"]["dtype"],
            f"{model['height']}x{model['width']}",
            sum(model["operators"].values()),
            len(model["clip_ops"]),
            max(f["max_abs_code_difference"] for f in model["golden"]["tolerance"].values()),
        ]
        for model in manifest["models"]
    ]
    print_table(
        f"{out}, {len(manifest['files']) + 2} files",
        ["file", "codes", "input", "operators", "clips", "greatest difference of a kernel path"],
        rows,
    )
