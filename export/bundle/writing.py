"""The job that makes a bundle: exports at every size, golden pairs, manifest, seal."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from export.bundle import model_card
from export.bundle.contents import (
    NOT_STATED,
    SCIKIT_IMAGE,
    SizedExport,
    build_contents,
    require_one_quantization,
    require_pixels,
)
from export.bundle.golden import make_pair, write_pair
from export.bundle.layout import ANDROID, MANIFEST, SCHEMA, SUMS, TOP_LEVEL
from export.bundle.schema import SCHEMA_PATH, require_valid
from export.bundle.seal import hash_files, sums_text
from export.pipeline import ExportResult, run_export
from export.settings import DEFAULTS, ExportSettings
from sr_models.atomic import refuse_existing, require_writable, writing_folder
from sr_models.command import json_text
from sr_models.errors import ConversionError, OptionError
from sr_models.provenance import file_sha256

ANDROID_SOURCES = Path(__file__).with_name("android")
Export = Callable[..., ExportResult]


def export_bundle(
    name: str, settings: ExportSettings = DEFAULTS, *, out: str | Path,
    sizes: Sequence[tuple[int, int]] = (), images: str | Path | None = None,
    dataset: str | Path | None = None, weights: str | Path | None = None,
    latency: str | Path | None = None, pictures_licence: str | None = None, twin: bool = True,
    overwrite: bool = False, on_stage: Callable[[str], None] = lambda stage: None,
    export: Export = run_export,
) -> dict[str, Any]:  # fmt: skip
    """Export a network as a bundle, which appears whole or not at all.

    Args:
        name: Preset name, or whatever `export` takes.
        settings: Every choice but the sizes.
        out: The folder to write.
        sizes: Height and width of each file; the settings' by default.
        images: Folder of full-resolution calibration pictures; scikit-image's own by default.
        dataset: See `export.pipeline.run_export`.
        weights: A `.weights.h5` file instead of the shipped weights.
        latency: What `sr-bench latency --json` wrote for the files of an earlier, equal bundle.
        pictures_licence: Licence of the calibration pictures.
        twin: Whether the clipped twin is exported too, for the model card.
        overwrite: Whether an existing bundle may be replaced.
        on_stage: Called with what begins next.
        export: Makes one file, as `run_export` does.

    Returns:
        The manifest.

    Raises:
        ConversionError: A file failed its audit, or sizes do not agree.
        SrError: Other unusable input; nothing was written.
    """
    refuse_existing(out, overwrite=overwrite, replaces=TOP_LEVEL)
    require_writable(out)
    measured = read_latency(latency) if latency is not None else None
    if settings.max_drop_db is None:
        # Measured in any case, and no limit.
        settings = replace(settings, max_drop_db=math.inf)
    sizes = list(dict.fromkeys(sizes)) or [(settings.height, settings.width)]
    inputs = {"images": images, "dataset": dataset, "weights": weights, "on_stage": on_stage}

    def sized(chosen: ExportSettings, height: int, width: int, **inputs) -> SizedExport:
        on_stage(f"exporting {height}x{width}, tail {chosen.tail}")
        result = export(name, replace(chosen, height=height, width=width), **inputs)
        return SizedExport(height, width, result)

    exports = [sized(settings, *size, **inputs) for size in sizes]
    for made in exports:
        if made.result.failures:
            raise ConversionError(
                f"expected files that pass their audit, found: {'; '.join(made.result.failures)} "
                f"in {made.file}; nothing was written"
            )
    require_pixels(exports)
    require_one_quantization(exports)
    clipped = None
    if twin:
        plain = replace(settings, tail="clip", method="natural", calibrator="converter")
        smallest = min(sizes, key=lambda size: size[0] * size[1])
        clipped = sized(plain, *smallest, **{**inputs, "dataset": None})
    if measured is not None:
        require_latency_of(measured, exports)
    licence = pictures_licence or (
        SCIKIT_IMAGE if images is None and dataset is None else NOT_STATED
    )
    with writing_folder(out, overwrite=overwrite, replaces=TOP_LEVEL) as folder:
        return _fill(folder, exports, clipped, measured, licence, on_stage)


def _fill(
    folder: Path, exports: Sequence[SizedExport], twin: SizedExport | None,
    latency: Mapping[str, Any] | None, licence: str, on_stage: Callable[[str], None],
) -> dict[str, Any]:  # fmt: skip
    goldens = []
    for made in exports:
        on_stage(f"running {made.file} by every kernel path")
        (folder / made.file).write_bytes(made.result.content)
        pair = make_pair(made.result.content, height=made.height, width=made.width)
        goldens.append(write_pair(pair, folder))
    contents = build_contents(
        exports, goldens=goldens, twin=twin, latency=latency, pictures_licence=licence
    )
    model_card.write(folder, contents, exports[0].result.content,
                     twin=twin.result.content if twin is not None else None)  # fmt: skip
    shutil.copytree(ANDROID_SOURCES, folder / ANDROID, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(SCHEMA_PATH, folder / SCHEMA)
    return seal(folder, contents)


def seal(folder: Path, contents: Mapping[str, Any]) -> dict[str, Any]:
    """Write the manifest with the hash of every file beside it, and `SHA256SUMS`.

    Args:
        folder: The bundle; every other file is in place.
        contents: The manifest but for `files`.

    Returns:
        The manifest.
    """
    files = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    manifest = {**contents, "files": hash_files(folder, files)}
    # As it will be read: the schema knows no tuples.
    require_valid(json.loads(json_text(manifest)))
    (folder / MANIFEST).write_text(json_text(manifest))
    sums = sums_text(manifest["files"], manifest_sha256=file_sha256(folder / MANIFEST))
    (folder / SUMS).write_text(sums)
    return manifest


def read_latency(path: str | Path) -> dict[str, Any]:
    """What `sr-bench latency --json` wrote; raises `OptionError` for anything else."""
    try:
        found = json.loads(Path(path).read_text())
        rows = [(row["sha256"], float(row["median_ms"])) for row in found["results"]]
        if not rows or not isinstance(found["machine"], dict):
            raise ValueError("no results")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OptionError(
            f"expected what sr-bench latency --json wrote, found other content in {path} "
            f"({type(error).__name__}); measure anew"
        ) from error
    return found


def require_latency_of(latency: Mapping[str, Any], exports: Sequence[SizedExport]) -> None:
    """Raise `OptionError` where timings are of other files than those of the bundle."""
    made = {export.result.audit.sha256 for export in exports}
    for row in latency["results"]:
        if row["sha256"] not in made:
            raise OptionError(
                f"expected timings of this bundle's files, found one of {row['sha256'][:12]}; "
                "measure the files of a bundle that was exported with the same choices"
            )
