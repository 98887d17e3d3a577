"""An export in one call: `export` in memory, `export_model` into a folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from export.exporting.folder import require_free
from export.exporting.job import run_export
from export.exporting.result import ExportResult
from export.exporting.settings import DEFAULTS, ExportSettings
from representative_data.dataset import RepresentativeDataset
from sr_models.ground.arguments import a_path, a_text, either, of_type, optional, several, takes
from sr_models.ground.errors import ConversionError
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
        options: Further keywords of `export.exporting.job.run_export`: `inputs`, `on_stage`, and
            what `sr_models.open_network` takes beside the source, such as `output`.

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


def export_model(
    network: Any,
    settings: ExportSettings = DEFAULTS,
    *,
    out: str | Path,
    overwrite: bool = False,
    keep_rejected: bool = False,
    **inputs: Any,
) -> ExportResult:
    """Export a network into a folder: `model.tflite` and `manifest.json`.

    Of several sizes each has its file, `model_360x640.tflite`. The folder appears whole or not at
    all; an old one is replaced only by a new whole one.

    Args:
        network: See `Export`.
        settings: Every choice.
        out: The folder to write.
        overwrite: Whether an existing folder may be replaced.
        keep_rejected: Write files of a failed export too, with `rejected` for `model`.
        inputs: See `run_export`.

    Raises:
        ConversionError: The file failed its audit; nothing was written unless `keep_rejected`.
        OutputError: `out` exists, or cannot be written to.
        SrError: Other unusable input.
    """
    require_free(out, overwrite=overwrite)
    result = run_export(network, settings, **inputs)
    if not result.failures or keep_rejected:
        result.write(out, overwrite=overwrite)
    if result.failures:
        kept = f"; kept as {out}/rejected.tflite" if keep_rejected else "; nothing was written"
        raise ConversionError(
            f"expected a file that passes its audit, found: {'; '.join(result.failures)}{kept}"
        )
    return result
