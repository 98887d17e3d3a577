"""The main job: a float network in, a folder with a proven `.tflite` file out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from export.conversion import convert_float, convert_with_calibrator, convert_with_ranges
from export.fidelity import Fidelity, measure_fidelity
from export.held_out_drop import DropMeter, HeldOutDrop
from export.inspecting.audit import Audit, audit_model
from export.kernel_agreement import KernelAgreement, measure_agreement
from export.manifest import build_manifest
from export.methods.auto import choose_recipe
from export.methods.quantized_network import Evidence, QuantizedNetwork
from export.methods.recipe import AUTO, dataset_of, parse_recipe
from export.pixels import upscale
from export.precision.kept_layers import raised_layers, require_layers
from export.precision.raised_network import raise_files
from export.running.interpreters import open_model
from export.settings import DEFAULTS, ExportSettings
from export.sizes import Size, file_names
from export.verdict import find_failures
from representative_data.cfqp import CfqpSettings, build_cfqp_dataset, build_natural_dataset
from representative_data.dataset import RepresentativeDataset, load_dataset
from representative_data.opening import natural_pieces
from representative_data.sources import BUNDLED_HELD_OUT, bundled_pictures
from representative_data.tiles import Tile, load_tiles
from sr_models.atomic import refuse_existing, require_writable, writing_folder
from sr_models.command import json_text
from sr_models.errors import AnchorError, ConversionError
from sr_models.evaluation import network_upscaler
from sr_models.images import list_images
from sr_models.importing.sources import SourceNetwork, open_source
from sr_models.int8.ranges import TensorRanges
from sr_models.int8.simulator import simulate
from sr_models.metrics import to_pixels
from sr_models.network import weights_sha256
from sr_models.provenance import file_sha256
from sr_models.tails import attach_tail

FOLDER_FILES = (
    "model.tflite", "rejected.tflite", "model_*.tflite", "rejected_*.tflite", "manifest.json",
)  # fmt: skip
HELD_OUT_SHARE = 5
HELD_OUT_TILES = 16


@dataclass(frozen=True)
class ExportedFile:
    """One file of an export, for one input size.

    Attributes:
        name: File name.
        size: Input size.
        content: The `.tflite` file.
        audit: What was read back from it.
        fidelity: How it compares with the float network.
        drop: What it loses on pictures held out; `None` where it was not asked for.
        failures: Why it is rejected; empty for a good file.
    """

    name: str
    size: Size
    content: bytes
    audit: Audit
    fidelity: Fidelity
    drop: HeldOutDrop | None
    failures: list[str]

    def to_json(self) -> dict[str, Any]:
        """The same as plain data, without the content."""
        return {
            "file": self.name, "height": self.size.height, "width": self.size.width,
            "sha256": self.audit.sha256, "size_bytes": self.audit.size_bytes,
            "accepted": not self.failures, "failures": self.failures,
            "audit": self.audit.to_json(), "fidelity": self.fidelity.to_json(),
        }  # fmt: skip


@dataclass(frozen=True)
class ExportResult:
    """What an export made.

    Attributes:
        content: The `.tflite` file; the first one's where there are several sizes.
        audit: What was read back from it.
        fidelity: How it compares with the float network.
        failures: Why an export is rejected; empty where all of its files are good.
        dataset: The representative dataset behind it.
        ranges: The ranges written into it; `None` where the converter found its own.
        manifest: The manifest as plain data.
        files: Every file, in the order of the sizes.
        kernels: How far its kernel paths are apart; `None` where it is not all int8.
    """

    content: bytes
    audit: Audit
    fidelity: Fidelity
    failures: list[str]
    dataset: RepresentativeDataset
    ranges: TensorRanges | None
    manifest: dict[str, Any]
    files: tuple[ExportedFile, ...] = ()
    kernels: KernelAgreement | None = None


def split_pictures(images: str | Path | None) -> tuple[list[Path], list[Path]]:
    """Pictures for calibration, and pictures held out for measuring fidelity.

    Of a folder every fifth picture is held out, of a single one none. Without a folder
    scikit-image's own pictures are taken.
    """
    if images is None:
        return bundled_pictures(), bundled_pictures(BUNDLED_HELD_OUT)
    paths = list_images(images)
    if len(paths) == 1:
        return paths, []
    held_out = paths[:: max(2, min(HELD_OUT_SHARE, len(paths)))]
    return [path for path in paths if path not in set(held_out)], held_out


def unseen_pictures(paths: Sequence[Path], dataset: RepresentativeDataset) -> list[Path]:
    """Those of `paths` that the set was not made from; scikit-image's held-out ones for none."""
    seen = {record.source_sha256 for record in dataset.records}
    unseen = [path for path in paths if file_sha256(path) not in seen]
    return unseen or bundled_pictures(BUNDLED_HELD_OUT)


def build_dataset(
    model, tiles: Sequence[Tile], *, network: SourceNetwork, settings: ExportSettings,
    on_stage: Callable[[str], None] = lambda stage: None,
) -> RepresentativeDataset:  # fmt: skip
    """The representative dataset that the settings ask for.

    Where no anchors can be made it does without, unless pictures alone tell the input's range.
    """
    made = {name: getattr(settings, name) for name in ("pictures", "tile_side", "seed", "tail")}
    if dataset_of(settings.method) == "natural":
        return build_natural_dataset(
            model, tiles, network=network.name, scale=network.scale, choices=made
        )

    def shaped(anchors: bool) -> RepresentativeDataset:
        choices = CfqpSettings(taming=settings.made_taming(), anchors=anchors)
        return build_cfqp_dataset(
            model, tiles, network=network.name, scale=network.scale, settings=choices,
            choices=made,
        )  # fmt: skip

    try:
        return shaped(settings.anchors)
    except AnchorError:
        if settings.pure or settings.calibrator == "converter":
            raise
        on_stage("doing without anchors: this network leaves [0, 1] at every candidate")
        return shaped(False)


def convert(
    model, dataset: RepresentativeDataset, settings: ExportSettings, *,
    pictures: Sequence[np.ndarray] = (), meter: DropMeter | None = None,
    weights: str | Path | None = None, on_stage: Callable[[str], None] = lambda stage: None,
) -> tuple[list[bytes], QuantizedNetwork | None]:  # fmt: skip
    """Quantize once, and convert for every size, by the path that the settings ask for.

    Args:
        model: Float network with its output tail.
        dataset: The representative dataset.
        settings: Every choice.
        pictures: uint8 (h, w, 3) low-resolution pictures as they are in nature, for the methods
            that follow the dataset; the dataset's own by default.
        meter: Measures what a network loses; needed by the method `"auto"`.
        weights: File of the network's weights; needed by the method `"pams"`.
        on_stage: Called with what begins next.

    Returns:
        A file for each size, and the network with the ranges that were written into them (`None`
        where none were).
    """
    sizes = [{"height": size.height, "width": size.width} for size in settings.all_sizes]
    if settings.precision == "float32":
        return [convert_float(model, **size) for size in sizes], None
    evidence = Evidence(
        dataset, list(pictures) or dataset.pictures, pinned=not settings.pure, seed=settings.seed,
        weights=Path(weights) if weights else None,
    )  # fmt: skip
    require_layers(model, settings.kept)
    if settings.calibrator == "converter":
        contents = [
            convert_with_calibrator(model, dataset, io=settings.io, **size) for size in sizes
        ]
        return raise_files(contents, model, None, evidence, settings, on_stage=on_stage), None
    if settings.method == AUTO:
        network = choose_recipe(
            model, evidence, judge=lambda made: meter(_simulated(made)).worst_db,
            max_drop_db=settings.max_drop_db, on_stage=on_stage,
        ).network  # fmt: skip
    else:
        network = parse_recipe(settings.method).apply(model, evidence, on_stage=on_stage)
    contents = []
    for size, named in zip(sizes, settings.all_sizes):
        on_stage(f"converting for {named}")
        contents.append(
            convert_with_ranges(
                network.model, network.ranges, sample=dataset.pictures[0], io=settings.io, **size
            )
        )
    raised = raise_files(contents, model, network, evidence, settings, on_stage=on_stage)
    return raised, network


def _simulated(network: QuantizedNetwork) -> Callable[[np.ndarray], np.ndarray]:
    return _pixels_of(simulate(network.model, network.ranges))


def _pixels_of(model) -> Callable[[np.ndarray], np.ndarray]:
    upscale_float = network_upscaler(model)
    return lambda low: to_pixels(upscale_float(low))


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
    on_stage: Callable[[str], None] = lambda stage: None,
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
        on_stage: Called with what begins next.

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
        "scale": scale, "side": settings.tile_side, "seed": settings.seed,
        "channels": network.channels,
    }  # fmt: skip
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
            _pixels_of(float_model), held_out, scale=scale, channels=network.channels
        )  # fmt: skip
    contents, quantized = convert(
        model, shaped, settings, pictures=natural, meter=meter, weights=weights, on_stage=on_stage
    )
    ranges = quantized.ranges if quantized else None
    names = [model_file] if model_file and len(contents) == 1 else file_names(settings.all_sizes)
    on_stage("auditing the files")
    judged = {"settings": settings, "dataset": shaped, "ranges": ranges}
    low = [tile.pixels for tile in held_out_tiles]
    files = [
        _read_back(*made, float_model=float_model, pictures=low, meter=meter, **judged)
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
        network, settings, weights_sha256=weights_sha256(trunk),
        model_file=first.name, dataset=shaped, dataset_file=dataset, ranges=ranges,
        audit=first.audit, fidelity=first.fidelity, failures=failures, drop=first.drop,
        kernels=agreement, raised=raised_layers(first.content, deployed), origin=network.origin,
        channels=network.channels, files=[file.to_json() for file in files] if files[1:] else [],
        held_out=[{"source": source, "sha256": sha} for source, sha in sorted(hashes.items())],
    )  # fmt: skip
    return ExportResult(
        first.content, first.audit, first.fidelity, failures, shaped, ranges, manifest,
        tuple(files), agreement,
    )  # fmt: skip


def _read_back(
    name: str, size: Size, content: bytes, *, float_model, pictures: Sequence[np.ndarray],
    meter: DropMeter | None, **judged: Any,
) -> ExportedFile:  # fmt: skip
    """Audit a file, hold it against the float network, and judge it."""
    audit = audit_model(content)
    runner = open_model(content, threads=2)
    fidelity = measure_fidelity(runner, float_model, pictures)
    drop = meter(lambda low: upscale(runner, low).raw) if meter else None
    failures = find_failures(content, audit=audit, fidelity=fidelity, drop=drop, **judged)
    return ExportedFile(name, size, content, audit, fidelity, drop, failures)


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
    on_stage: Callable[[str], None] = lambda stage: None,
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
        on_stage: Called with what begins next.

    Raises:
        ConversionError: The file failed its audit; nothing was written unless `keep_rejected`.
        OutputError: `out` exists, or cannot be written to.
        SrError: Other unusable input.
    """
    refuse_existing(out, overwrite=overwrite, replaces=FOLDER_FILES)
    require_writable(out)
    result = run_export(
        name, settings, images=images, dataset=dataset, weights=weights, trust=trust,
        pixels=pixels, on_stage=on_stage,
    )  # fmt: skip
    if not result.failures or keep_rejected:
        names = {file.name: file.name for file in result.files}
        if result.failures:
            names = {name: name.replace("model", "rejected", 1) for name in names}
        manifest = result.manifest
        for entry in (manifest["model"], *manifest["files"]):
            entry["file"] = names[entry["file"]]
        with writing_folder(out, overwrite=overwrite, replaces=FOLDER_FILES) as folder:
            for file in result.files:
                (folder / names[file.name]).write_bytes(file.content)
            (folder / "manifest.json").write_text(json_text(manifest))
    if result.failures:
        kept = f"; kept as {out}/rejected.tflite" if keep_rejected else "; nothing was written"
        raise ConversionError(
            f"expected a file that passes its audit, found: {'; '.join(result.failures)}{kept}"
        )
    return result
