"""An export in one call: `export`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from export.exporting.job import run_export
from export.exporting.result import ExportResult
from export.exporting.settings import DEFAULTS, ExportSettings
from representative_data.dataset import RepresentativeDataset
from sr_models.ground.arguments import a_path, a_text, either, of_type, optional, several, takes
from sr_models.ground.sizes import Size, parse_size


@takes(
    dataset=optional(
        either(
            of_type(RepresentativeDataset, cure=""),
            a_path,
        )
    ),
    images=optional(a_path),
    sizes=several(either(of_type(Size, cure=""), a_text), what="sizes such as '360x640'", least=0),
    settings=of_type(ExportSettings, cure="give export.ExportSettings()"),
)
def export(
    network: Any,
    dataset: RepresentativeDataset | str | Path | None = None,
    *,
    images: str | Path | None = None,
    sizes: Sequence[str | Size] = (),
    settings: ExportSettings = DEFAULTS,
    **options: Any,
) -> ExportResult:
    """Export a network as full-integer, clip-free `.tflite` files, in memory; writes nothing.

    Args:
        network: From `sr_models.open_network`, or whatever that takes.
        dataset: From `representative_data.shape`, or the path of a saved one; shaped here, of
            `images`, by default.
        images: Folder of full-resolution pictures; scikit-image's by default. With a dataset they
            serve for measuring alone.
        sizes: Input sizes, height first: `"360x640"`, `"dynamic"` or a `Size`; a file for each.
            Those of the settings by default.
        settings: Every choice.
        options: Further keywords of `export.exporting.job.run_export`, such as `on_stage`.

    Returns:
        The files with what was read back from them. `failures` says why files are rejected, and
        `write(folder)` writes them with their manifest.

    Raises:
        OptionError: A size that is none, or choices that contradict each other.
        CalibrationError: A dataset of another network, or pictures that cannot be tamed.
        ConversionError: The network cannot be converted.
        SrError: Other unusable input; nothing is left behind.
    """
    if sizes:
        asked = tuple(parse_size(size) if isinstance(size, str) else size for size in sizes)
        settings = replace(settings, sizes=asked)
    return run_export(network, settings, images=images, dataset=dataset, **options)
