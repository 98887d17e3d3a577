"""The job that makes a bundle: exports at every size, golden pairs, manifest, seal."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from export.bundle import model_card
from export.bundle.arm64_proof import prove_pair
from export.bundle.contents import (
    NOT_STATED,
    SCIKIT_IMAGE,
    build_contents,
    require_one_quantization,
    require_pixels,
    require_promising,
)
from export.bundle.golden import make_pair, write_pair
from export.bundle.interface import AUTO, Interface, read_interface, require_codes
from export.bundle.layout import (
    ANDROID,
    MANIFEST,
    SCHEMA,
    SCHEMA_PATH,
    SUMS,
    TOP_LEVEL,
    hash_files,
    require_valid,
    sums_text,
)
from export.exporting.job import run_export
from export.exporting.result import ExportResult
from export.exporting.settings import DEFAULTS, ExportSettings, clipped_baseline
from sr_models.ground.arguments import a_path, of_type, optional, takes
from sr_models.ground.console import json_text
from sr_models.ground.errors import ConversionError, OptionError
from sr_models.ground.files import file_sha256, require_free_folder, writing_folder
from sr_models.tflite.flatbuffer import read_graph

ANDROID_SOURCES = Path(__file__).with_name("android")
Export = Callable[..., ExportResult]


@takes(
    settings=of_type(ExportSettings, cure="give export.ExportSettings()"),
    out=a_path,
    images=optional(a_path),
)
def export_bundle(
    name: str,
    settings: ExportSettings = DEFAULTS,
    *,
    out: str | Path,
    codes: str = AUTO,
    images: str | Path | None = None,
    dataset: str | Path | None = None,
    latency: str | Path | None = None,
    pictures_licence: str | None = None,
    twin: bool = True,
    overwrite: bool = False,
    on_stage: Callable[[str], None] = lambda stage: None,
    export: Export = run_export,
    **source: Any,
) -> dict[str, Any]:
    """Export a network as a bundle, which appears whole or not at all.

    Args:
        name: A preset's name, or whatever else `export` takes.
        settings: Every choice.
        out: The folder to write.
        codes: `"uint8"` or `"int8"`, whatever the settings say; by default int8 where that is
            faster, see `export.bundle.interface`.
        images: Folder of full-resolution calibration pictures; scikit-image's own by default.
        dataset: See `export.exporting.job.run_export`.
        latency: What `sr-bench latency --json` wrote for the files of an earlier, equal bundle.
        pictures_licence: Licence of the calibration pictures.
        twin: Whether the clipped baseline is exported too, for the model card.
        overwrite: Whether an existing bundle may be replaced.
        on_stage: Called with what begins next.
        export: Makes the files, as `run_export` does.
        source: What else `export` shall know: `inputs`, and what `sr_models.open_network` takes
            beside the source, such as `weights` and `output`.

    Returns:
        The manifest.

    Raises:
        ConversionError: A file failed its audit, or sizes do not agree.
        SrError: Other unusable input; nothing was written.
    """
    require_free_folder(out, overwrite=overwrite, replaces=TOP_LEVEL)
    require_promising(settings)
    require_codes(codes)
    measured = read_latency(latency) if latency is not None else None
    if settings.limits.max_drop_db is None:
        # Measured in any case, and no limit.
        settings = replace(settings, max_drop_db=math.inf)
    inputs = {"images": images, "on_stage": on_stage, **source}
    result, interface = _export_codes(
        lambda chosen: export(name, chosen, dataset=dataset, **inputs), settings, codes
    )
    require_one_quantization(result.files)
    if measured is not None:
        require_latency_of(measured, result)
    clipped = None
    if twin:
        on_stage("exporting the clipped baseline")
        clipped = export(name, smallest_twin(settings), dataset=None, **inputs).files[0]
    licence = pictures_licence or (
        SCIKIT_IMAGE if images is None and dataset is None else NOT_STATED
    )
    with writing_folder(out, overwrite=overwrite, replaces=TOP_LEVEL) as folder:
        goldens = []
        for file in result.files:
            on_stage(f"running {file.name} by every kernel path")
            (folder / file.name).write_bytes(file.content)
            pair = make_pair(file.content, height=file.size.height, width=file.size.width)
            proofs = prove_pair(file.content, pair, on_stage=on_stage)
            entry = {"arm64": [proof.to_json() for proof in proofs]} if proofs else {}
            goldens.append({**write_pair(pair, folder), **entry})
        contents = build_contents(
            result,
            goldens=goldens,
            interface=interface,
            twin=clipped,
            latency=measured,
            pictures_licence=licence,
            weights=source.get("weights"),
        )
        model_card.write(
            folder,
            contents,
            result.files[0].content,
            twin=clipped.content if clipped is not None else None,
        )
        shutil.copytree(
            ANDROID_SOURCES, folder / ANDROID, ignore=shutil.ignore_patterns("__pycache__")
        )
        shutil.copyfile(SCHEMA_PATH, folder / SCHEMA)
        return seal(folder, contents)


def _export_codes(
    export: Callable[[ExportSettings], ExportResult], settings: ExportSettings, codes: str
) -> tuple[ExportResult, Interface]:
    """Files of the codes that were asked for, or of those that are faster."""
    result = _export_pixels(export, replace(settings, io="int8" if codes == AUTO else codes))
    interface = read_interface(read_graph(result.files[0].content), asked=codes)
    if codes != AUTO or interface.int8_is_faster:
        return result, interface
    # It converts its codes in any case, so that pixels may stay what they are.
    result = _export_pixels(export, replace(settings, io="uint8"))
    return result, replace(interface, codes="uint8")


def _export_pixels(
    export: Callable[[ExportSettings], ExportResult], settings: ExportSettings
) -> ExportResult:
    result = export(settings)
    if result.failures:
        raise ConversionError(
            "expected files that pass their audit, found: "
            f"{'; '.join(result.failures)}; nothing was written"
        )
    require_pixels(result.files)
    return result


def smallest_twin(settings: ExportSettings) -> ExportSettings:
    """The clipped baseline by the converter's own calibrator, of uint8 codes as people ship it.

    Of several sizes the smallest is taken, since calibration takes as long as it is large.
    """
    smallest = min(settings.files.sizes, key=lambda size: size.height * size.width)
    return clipped_baseline(
        replace(settings, sizes=(smallest,), io="uint8"), calibrator="converter"
    )


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
            f"({type(error).__name__}); measure again"
        ) from error
    return found


def require_latency_of(latency: Mapping[str, Any], result: ExportResult) -> None:
    """Raise `OptionError` where timings are of other files than those of the bundle."""
    made = {file.audit.sha256 for file in result.files}
    for row in latency["results"]:
        if row["sha256"] not in made:
            raise OptionError(
                f"expected timings of this bundle's files, found one of {row['sha256'][:12]}; "
                "measure the files of a bundle that was exported with the same choices"
            )
