"""The verb `sr-export model`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from export.quantizing.defaults import DEFAULT_RECIPE
from export.running.targets import DEFAULT_TARGET
from export.verbs.bundle import tell
from export.verbs.result_table import result_rows
from export.verbs.usage import require_calibration
from sr_models.ground.console import GateNotMet, print_table, stages, write_json
from sr_models.ground.errors import OptionError
from sr_models.ground.help import HelpAll
from sr_models.ground.native_output import import_tensorflow_quietly
from sr_models.ground.options import (
    Anchors,
    Dataset,
    Images,
    Inputs,
    Json,
    MaxPasses,
    MemoryBudget,
    Method,
    Name,
    Overwrite,
    PackedFor,
    Pictures,
    Seed,
    Shuffle,
    Sizes,
    Tail,
    TamingMethod,
    TamingTarget,
    TileSide,
    was_given,
)
from sr_models.importing.source_options import OPTIONS, SourceOptions, takes_source

if TYPE_CHECKING:
    from export.exporting.settings import ExportSettings


HEADINGS = {
    "The network and the pictures": (
        *OPTIONS,
        "images",
        "inputs",
        "dataset",
        "pictures",
        "tile_side",
        "taming",
        "taming_target",
        "max_passes",
        "anchors",
        "seed",
        "memory_budget",
    ),
    "Quantizing": (
        "method",
        "packed_for",
        "tail",
        "precision",
        "keep",
        "keep_most_sensitive",
        "keep_precision",
        "pure",
        "calibrator",
        "run_dir",
    ),
    "The files": (
        "out",
        "size",
        "target",
        "io",
        "shuffle",
        "settings",
        "as_bundle",
        "overwrite",
        "keep_rejected",
        "json",
    ),
    "Limits": ("max_drop_db", "minimum_fidelity_db", "check_speed"),
}
USUAL = (
    "pixels",
    "images",
    "method",
    "precision",
    "out",
    "size",
    "target",
    "io",
    "settings",
    "overwrite",
    "json",
    "max_drop_db",
    "check_speed",
)
"""What `--help` shows; `--help-all` shows the others too."""


@takes_source
def model(
    context: typer.Context,
    name: Name,
    *,
    out: Annotated[Path, typer.Option(help="Folder to write: model.tflite and manifest.json.")],
    images: Images = None,
    inputs: Inputs = None,
    dataset: Dataset = None,
    settings: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The manifest.json of an export to repeat; options overrule it.",
        ),
    ] = None,
    size: Sizes = None,
    source: SourceOptions,
    method: Method = DEFAULT_RECIPE,
    packed_for: PackedFor = DEFAULT_TARGET,
    tail: Tail = "relu",
    target: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Choose --io and --shuffle for a chip that sr-export inspect knows.",
        ),
    ] = None,
    io: Annotated[
        str,
        typer.Option(help="uint8, int8 or float32 input and output.", show_default="uint8"),
    ] = "uint8",
    shuffle: Shuffle = "depth_to_space",
    precision: Annotated[
        str, typer.Option(help="int8, int16x8, mixed (see --keep) or float32.")
    ] = "int8",
    keep: Annotated[
        list[str] | None,
        typer.Option(metavar="LAYER", help="A high-precision layer of mixed; repeatable."),
    ] = None,
    keep_most_sensitive: Annotated[
        int, typer.Option(metavar="N", help="Or: mixed keeps the N most sensitive layers.")
    ] = 0,
    keep_precision: Annotated[
        str, typer.Option(help="What mixed keeps them in: float32 or int16x8.")
    ] = "float32",
    pure: Annotated[
        bool, typer.Option("--pure", help="Let the pictures alone decide every range.")
    ] = False,
    calibrator: Annotated[
        str, typer.Option(help="graph, or converter for the TFLite converter's own.")
    ] = "graph",
    taming: TamingMethod = "contrast",
    taming_target: TamingTarget = "picture",
    max_passes: MaxPasses = 10,
    anchors: Anchors = True,
    pictures: Pictures = 64,
    tile_side: TileSide = 96,
    seed: Seed = 0,
    memory_budget: MemoryBudget = None,
    minimum_fidelity_db: Annotated[
        float, typer.Option(help="Reject a file less faithful to the float network.")
    ] = 30.0,
    max_drop_db: Annotated[
        float | None,
        typer.Option(
            help="Reject a file that loses more on pictures held out.",
            show_default="none, auto: 0.05",
        ),
    ] = None,
    check_speed: Annotated[
        bool,
        typer.Option(
            "--check-speed", help="Time the file against its clipped baseline; 1 where slower."
        ),
    ] = False,
    run_dir: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Keep how far fine-tuning came (outlier), to be resumed."),
    ] = None,
    as_bundle: Annotated[
        bool, typer.Option("--bundle", help="Write a bundle, see sr-export bundle.")
    ] = False,
    overwrite: Overwrite = False,
    keep_rejected: Annotated[
        bool, typer.Option("--keep-rejected", help="Write a failed file as rejected.tflite.")
    ] = False,
    json: Json = None,
    help_all: HelpAll = False,
):
    """Export a network as a clip-free, full-integer .tflite file.

    Of a network of your own the output clip is found and taken out. The file is audited and
    compared with the float network before it is written.

    Examples:

      sr-export model xlsr_x3 --out phone --images photos --io int8

      sr-export model my_network.keras --out phone --size 360x640 --size dynamic

      sr-export model xlsr_x3 --out dimensity --target mediatek
    """
    from export.bundle.layout import TOP_LEVEL
    from export.exporting.folder import FOLDER_FILES
    from sr_models.ground.files import require_free_folder, require_writable

    replaces = TOP_LEVEL if as_bundle else FOLDER_FILES
    require_free_folder(out, overwrite=overwrite, replaces=replaces)
    if run_dir is not None:
        require_writable(run_dir / "state")
    if as_bundle and check_speed:
        raise OptionError("expected --bundle or --check-speed, found both; leave one out")
    from export.exporting.saved_settings import load_settings
    from export.exporting.settings import DEFAULTS
    from sr_models.ground.sizes import parse_size

    options = {
        "size": tuple(parse_size(text) for text in size or ()),
        "method": method,
        "packed_for": packed_for,
        "tail": tail,
        "io": io,
        "shuffle": shuffle,
        "precision": precision,
        "keep": tuple(keep or ()),
        "keep_most_sensitive": keep_most_sensitive,
        "keep_precision": keep_precision,
        "pure": pure,
        "calibrator": calibrator,
        "pictures": pictures,
        "tile_side": tile_side,
        "taming": taming,
        "taming_target": taming_target,
        "max_passes": max_passes,
        "anchors": anchors,
        "seed": seed,
        "minimum_fidelity_db": minimum_fidelity_db,
        "max_drop_db": max_drop_db,
    }
    given_options = {name: value for name, value in options.items() if was_given(context, name)}
    base = DEFAULTS if settings is None else load_settings(settings, dataset=dataset)
    chosen = overruled(base, given_options)
    if target is not None:
        from export.exporting.file_choices import require_chip

        require_chip(target)
        from export.exporting.fitting import made_for

        chosen = made_for(chosen, target, given=given_options, bundle=as_bundle)
    pictures = {"images": images, "inputs": inputs, "dataset": dataset}
    require_calibration(**pictures)
    import_tensorflow_quietly()
    from export.exporting.front_door import export_model

    given = {
        "out": out,
        **pictures,
        **source.keywords,
        "overwrite": overwrite,
        "run_dir": run_dir,
        "keep_tiles": bool({"pictures", "tile_side"} & set(given_options)) or settings is not None,
    }
    if as_bundle:
        from export.bundle.interface import AUTO
        from export.bundle.writing import export_bundle

        # Settings of a manifest have said it already.
        said = "io" in given_options or settings is not None
        given["codes"] = chosen.files.io if said else AUTO
        with stages("exporting") as (stage, update):
            made = export_bundle(name, chosen, **given, on_stage=stage, on_progress=update)
        tell(made, out, json=json)
        return
    with stages("exporting") as (stage, update):
        result = export_model(
            name,
            chosen,
            **given,
            keep_rejected=keep_rejected,
            check_speed=check_speed,
            on_stage=stage,
            on_progress=update,
        )
    write_json(result.manifest, json)
    if json != "-":
        print_table(f"{out}/{result.files[0].name}", ["property", "value"], result_rows(result))
    if result.speed is not None and result.speed.slower:
        raise GateNotMet(f"not met: a file that is not slower; found {result.speed}")


_CHOICES = {
    "size": "sizes",
    "keep": "kept",
    "keep_most_sensitive": "most_sensitive",
    "keep_precision": "kept_precision",
    "taming_target": "target",
}
"""Options that are called otherwise than the choice that they make."""


def overruled(settings: ExportSettings, options: Mapping[str, Any]) -> ExportSettings:
    """Settings with the options that were given; an option takes along what it rules out.

    Args:
        settings: Choices of an earlier export, or the defaults.
        options: Name -> value of those that were given.

    Raises:
        OptionError: Choices that cannot be, or not together.
    """
    choices = {_CHOICES.get(name, name): value for name, value in options.items()}
    if "kept" in choices:
        choices.setdefault("most_sensitive", 0)
    elif choices.get("most_sensitive"):
        choices["kept"] = ()
    elif choices.get("precision", "mixed") != "mixed":
        choices |= {"kept": (), "most_sensitive": 0, **choices}
    return replace(settings, **choices)
