"""The main job: a float network in, a folder with a proven `.tflite` file out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from export.exporting.conversion_path import convert
from export.exporting.folder import require_free, write_folder
from export.exporting.judging import DropMeter
from export.exporting.kernel_agreement import measure_agreement
from export.exporting.manifest import build_manifest
from export.exporting.result import ExportResult, read_back
from export.exporting.settings import DEFAULTS, ExportSettings, file_names
from export.exporting.shaping import build_dataset, split_pictures, unseen_pictures
from export.precision.kept_layers import raised_layers, require_layers
from representative_data.dataset import load_dataset
from representative_data.pictures import natural_pieces
from representative_data.tiles import load_tiles
from sr_models.ground.errors import ConversionError
from sr_models.importing.sources import open_source
from sr_models.networks.evaluation import pixel_upscaler
from sr_models.networks.network import weights_sha256
from sr_models.networks.tails import attach_tail

HELD_OUT_TILES = 16


def run_export(
    name: str,
    settings: ExportSettings = DEFAULTS,
    *,
    images: str | Path | None = None,
    dataset: str | Path | None = None,
    weights: str | Path | None = None,
    trust: bool = False,
    pixels: str | None = None,
    model_file: str | None = None,
    run_dir: str | Path | None = None,
    on_stage: Callable[[str], None] = lambda stage: None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> ExportResult:
    """Calibrate, convert, audit and measure, in memory; writes nothing.

    Args:
        name: A preset's name, a Keras file, a SavedModel folder or `module:function`, see
            `sr_models.importing.sources`.
        settings: Every choice.
        images: Folder of full-resolution calibration pictures; scikit-image's own by default.
        dataset: A representative dataset from `sr-calibrate`, instead of shaping one; `images`
            then only serve for measuring fidelity.
        weights: A `.weights.h5` file instead of a preset's shipped weights.
        trust: Whether code from a Keras file may be run where we do not know it.
        pixels: What black and white are for a network of the user's; found by default.
        model_file: What the manifest calls the file, where there is one.
        run_dir: Folder where methods that fine-tune keep their state, made if missing; what stands
            there is gone on with.
        on_stage: Called with what begins next.
        on_progress: Called with the steps done of a long method, and their number.

    Raises:
        SrError: See the children; nothing is left behind.
    """
    on_stage("reading pictures")
    calibration, held_out = split_pictures(images)
    on_stage(f"loading {name}")
    network = open_source(
        name,
        weights=weights,
        trust=trust,
        pixels=pixels,
        pictures=lambda: natural_pieces(calibration),
    )
    for note in network.notes:
        on_stage(f"{network.name}: {note}")
    trunk, scale = network.trunk, network.scale
    model = attach_tail(trunk, settings.tail, scale=scale)
    require_layers(model, settings.kept)
    cut = {
        "scale": scale,
        "side": settings.tile_side,
        "seed": settings.seed,
        "channels": network.channels,
    }
    if dataset is None:
        on_stage("shaping the representative dataset")
        tiles = load_tiles(calibration, count=settings.pictures, **cut)
        natural = [tile.pixels for tile in tiles]
        # A tail that bounds the output would hide what must be tamed.
        shaping_tail = "none" if settings.tail == "none" else "relu"
        shaping = attach_tail(trunk, shaping_tail, scale=scale)
        shaped = build_dataset(
            shaping, tiles, network=network, settings=settings, on_stage=on_stage
        )
    else:
        shaped = load_dataset(dataset)
        shaped.require_network(network=name, weights_sha256=weights_sha256(trunk))
        held_out, natural = [*calibration, *held_out], []
    held_out = unseen_pictures(held_out, shaped)
    held_out_tiles = load_tiles(held_out, count=HELD_OUT_TILES, **cut)
    float_model = attach_tail(trunk, "none", scale=scale)
    meter = None
    if settings.max_drop_db is not None:
        meter = DropMeter(
            pixel_upscaler(float_model), held_out, scale=scale, channels=network.channels
        )
    contents, quantized = convert(
        model,
        shaped,
        settings,
        pictures=natural,
        meter=meter,
        weights=weights,
        run_dir=run_dir,
        on_stage=on_stage,
        on_progress=on_progress,
    )
    ranges = quantized.ranges if quantized else None
    names = [model_file] if model_file and len(contents) == 1 else file_names(settings.all_sizes)
    on_stage("auditing the files")
    judged = {"settings": settings, "dataset": shaped, "ranges": ranges}
    low = [tile.pixels for tile in held_out_tiles]
    files = [
        read_back(*made, float_model=float_model, pictures=low, meter=meter, **judged)
        for made in zip(names, settings.all_sizes, contents)
    ]
    first, failures = files[0], list(dict.fromkeys(f for file in files for f in file.failures))
    agreement = None
    if settings.precision == "int8":
        on_stage("comparing kernels")
        agreement = measure_agreement(first.content, quantized, low)
    deployed = quantized.model if quantized else model
    hashes = {tile.source: tile.source_sha256 for tile in held_out_tiles}
    manifest = build_manifest(
        network,
        settings,
        weights_sha256=weights_sha256(trunk),
        model_file=first.name,
        dataset=shaped,
        dataset_file=dataset,
        ranges=ranges,
        audit=first.audit,
        fidelity=first.fidelity,
        failures=failures,
        drop=first.drop,
        kernels=agreement,
        raised=raised_layers(first.content, deployed),
        origin=network.origin,
        channels=network.channels,
        files=[file.to_json() for file in files] if files[1:] else [],
        held_out=[{"source": source, "sha256": sha} for source, sha in sorted(hashes.items())],
    )
    return ExportResult(
        first.content,
        first.audit,
        first.fidelity,
        failures,
        shaped,
        ranges,
        manifest,
        tuple(files),
        agreement,
    )


def export_model(
    name: str,
    settings: ExportSettings = DEFAULTS,
    *,
    out: str | Path,
    images: str | Path | None = None,
    dataset: str | Path | None = None,
    weights: str | Path | None = None,
    trust: bool = False,
    pixels: str | None = None,
    overwrite: bool = False,
    keep_rejected: bool = False,
    run_dir: str | Path | None = None,
    on_stage: Callable[[str], None] = lambda stage: None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> ExportResult:
    """Export a network into a folder: `model.tflite` and `manifest.json`.

    Of several sizes each has its file, `model_360x640.tflite`. The folder appears whole or not at
    all; an old one is replaced only by a new whole one.

    Args:
        name: See `run_export`.
        settings: Every choice.
        out: The folder to write.
        images: Folder of full-resolution calibration pictures; scikit-image's own by default.
        dataset: See `run_export`.
        weights: See `run_export`.
        trust: See `run_export`.
        pixels: See `run_export`.
        overwrite: Whether an existing folder may be replaced.
        keep_rejected: Write files of a failed export too, with `rejected` for `model`.
        run_dir: See `run_export`.
        on_stage: Called with what begins next.
        on_progress: See `run_export`.

    Raises:
        ConversionError: The file failed its audit; nothing was written unless `keep_rejected`.
        OutputError: `out` exists, or cannot be written to.
        SrError: Other unusable input.
    """
    require_free(out, overwrite=overwrite)
    result = run_export(
        name,
        settings,
        images=images,
        dataset=dataset,
        weights=weights,
        trust=trust,
        pixels=pixels,
        run_dir=run_dir,
        on_stage=on_stage,
        on_progress=on_progress,
    )
    if not result.failures or keep_rejected:
        write_folder(out, result, overwrite=overwrite)
    if result.failures:
        kept = f"; kept as {out}/rejected.tflite" if keep_rejected else "; nothing was written"
        raise ConversionError(
            f"expected a file that passes its audit, found: {'; '.join(result.failures)}{kept}"
        )
    return result
