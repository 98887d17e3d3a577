"""The main job: a float network in, a folder with a proven `.tflite` file out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from export.audit import Audit, audit_model, missing_ranges
from export.conversion import (
    convert_float,
    convert_with_calibrator,
    convert_with_ranges,
    require_io,
    require_size,
)  # fmt: skip
from export.fidelity import Fidelity, measure_fidelity
from export.interpreters import open_model
from export.manifest import build_manifest
from export.observation import observe_ranges, pin_pixels
from export.ranges import TensorRanges
from representative_data.cfqp import CfqpSettings, build_cfqp_dataset, build_natural_dataset
from representative_data.dataset import RepresentativeDataset, load_dataset
from representative_data.sources import BUNDLED_HELD_OUT, bundled_pictures
from representative_data.taming import Taming
from representative_data.tiles import Tile, load_tiles
from sr_models.atomic import refuse_existing, require_writable, writing_folder
from sr_models.command import json_text
from sr_models.errors import ConversionError, OptionError
from sr_models.images import list_images
from sr_models.network import load_trunk, weights_sha256
from sr_models.presets import Preset, get_preset
from sr_models.provenance import file_sha256
from sr_models.tails import attach_tail, require_tail

METHODS = ("cfqp", "natural")
PRECISIONS = ("int8", "float32")
CALIBRATORS = ("graph", "converter")
FOLDER_FILES = ("model.tflite", "rejected.tflite", "manifest.json")
HELD_OUT_SHARE = 5
HELD_OUT_TILES = 16


@dataclass(frozen=True)
class ExportSettings:
    """Every choice of an export.

    Attributes:
        height: Input height in pixels.
        width: Input width in pixels.
        method: `"cfqp"` (tamed pictures) or `"natural"` (pictures as they are).
        tail: Output tail, see `sr_models.tails`.
        io: `"uint8"`, `"int8"` or `"float32"` input and output.
        precision: `"int8"`, or `"float32"` for comparison.
        pure: Let the representative dataset decide every range, as the CFQP paper claims it can.
            Otherwise the input's and the output's range are written as exactly [0, 1].
        calibrator: `"graph"` observes the float Keras graph; `"converter"` hands the dataset to
            the TFLite converter's own calibrator (and implies `pure`).
        pictures: Number of calibration tiles.
        tile_side: Their height and width in low-resolution pixels.
        taming: How pictures are tamed, see `representative_data.taming`.
        anchors: Whether made pictures span the input's range.
        seed: Seed of the choice of tiles.
        minimum_fidelity_db: A file below this fidelity to the float network is rejected.
    """

    height: int = 360
    width: int = 640
    method: str = "cfqp"
    tail: str = "relu"
    io: str = "uint8"
    precision: str = "int8"
    pure: bool = False
    calibrator: str = "graph"
    pictures: int = 64
    tile_side: int = 96
    taming: str = "contrast"
    anchors: bool = True
    seed: int = 0
    minimum_fidelity_db: float = 30.0

    def __post_init__(self):
        require_size(self.height, self.width)
        require_tail(self.tail)
        require_io(self.io)
        _require_known("method", self.method, METHODS)
        _require_known("precision", self.precision, PRECISIONS)
        _require_known("calibrator", self.calibrator, CALIBRATORS)
        if self.pictures < 1:
            raise OptionError(f"expected at least 1 calibration picture, found {self.pictures}")
        if self.seed < 0:
            raise OptionError(f"expected a seed of 0 or more, found {self.seed}")
        Taming(self.taming)
        if self.precision == "float32":
            # A float file has no other interface.
            object.__setattr__(self, "io", "float32")


@dataclass(frozen=True)
class ExportResult:
    """What an export made.

    Attributes:
        content: The `.tflite` file.
        audit: What was read back from it.
        fidelity: How it compares with the float network.
        failures: Why it is rejected; empty for a good file.
        dataset: The representative dataset behind it.
        ranges: The ranges written into it; `None` where the converter found its own.
        manifest: The manifest as plain data.
    """

    content: bytes
    audit: Audit
    fidelity: Fidelity
    failures: list[str]
    dataset: RepresentativeDataset
    ranges: TensorRanges | None
    manifest: dict[str, Any]


def _require_known(what: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise OptionError(f"expected a {what} of {', '.join(known)}, found {value!r}")


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
    model, tiles: Sequence[Tile], *, preset: Preset, settings: ExportSettings,
    on_pass: Callable[[int, int], None] = lambda done, total: None,
) -> RepresentativeDataset:  # fmt: skip
    """The representative dataset that the settings ask for."""
    made = {name: getattr(settings, name) for name in ("pictures", "tile_side", "seed", "tail")}
    if settings.method == "natural":
        return build_natural_dataset(
            model, tiles, network=preset.name, scale=preset.scale, choices=made
        )
    choices = CfqpSettings(taming=Taming(settings.taming), anchors=settings.anchors)
    return build_cfqp_dataset(
        model, tiles, network=preset.name, scale=preset.scale, settings=choices, choices=made,
        on_pass=on_pass,
    )  # fmt: skip


def convert(
    model, dataset: RepresentativeDataset, settings: ExportSettings
) -> tuple[bytes, TensorRanges | None]:
    """Convert by the path that the settings ask for; the file and the ranges written into it."""
    size = {"height": settings.height, "width": settings.width}
    if settings.precision == "float32":
        return convert_float(model, **size), None
    if settings.calibrator == "converter":
        return convert_with_calibrator(model, dataset, io=settings.io, **size), None
    ranges = observe_ranges(model, dataset)
    if not settings.pure:
        ranges = pin_pixels(ranges, model)
    content = convert_with_ranges(
        model, ranges, sample=dataset.pictures[0], io=settings.io, **size
    )  # fmt: skip
    return content, ranges


def find_failures(
    content: bytes, *, audit: Audit, fidelity: Fidelity, settings: ExportSettings,
    dataset: RepresentativeDataset, ranges: TensorRanges | None,
) -> list[str]:  # fmt: skip
    """Why a file must not be handed over; empty for a good one."""
    failures = []
    if settings.precision == "int8":
        allowed = 2 if settings.io == "float32" else 0
        if audit.float_tensors > allowed:
            failures.append(f"{audit.float_tensors} tensors are float, expected {allowed}")
        if settings.io in ("uint8", "int8"):
            failures += [
                f"pixel contract: {reason}{_culprit(reason, dataset)}"
                for reason in audit.pixel_contract.reasons
            ]
        if ranges is not None and (missing := missing_ranges(content, ranges)):
            failures.append(f"the converter did not take over the ranges of {', '.join(missing)}")
    if settings.tail != "clip" and audit.clip_ops:
        names = ", ".join(f"{op['op']} (operator {op['index']})" for op in audit.clip_ops)
        failures.append(f"clip operators are left: {names}")
    if not fidelity.psnr_db >= settings.minimum_fidelity_db:
        failures.append(
            f"fidelity to the float network is {fidelity.psnr_db:.2f} dB, expected at least "
            f"{settings.minimum_fidelity_db:g} dB"
        )
    return failures


def _culprit(reason: str, dataset: RepresentativeDataset) -> str:
    """The calibration picture behind a broken contract, where one can be named."""
    used = [record for record in dataset.records if record.status != "dropped"]
    if reason.startswith("output scale"):
        worst = max(used, key=lambda record: record.output_after[1])
        return f" (calibration picture {worst.source} reaches {worst.output_after[1]:.4f})"
    if reason.startswith("output zero"):
        worst = min(used, key=lambda record: record.output_after[0])
        return f" (calibration picture {worst.source} reaches {worst.output_after[0]:.4f})"
    if reason.startswith("input scale"):
        low, high = dataset.input_range
        return f" (the calibration pictures span {low:.4f}..{high:.4f})"
    return ""


def run_export(
    name: str,
    settings: ExportSettings = ExportSettings(),
    *,
    images: str | Path | None = None,
    dataset: str | Path | None = None,
    weights: str | Path | None = None,
    model_file: str = "model.tflite",
    on_stage: Callable[[str], None] = lambda stage: None,
) -> ExportResult:
    """Calibrate, convert, audit and measure, in memory; writes nothing.

    Args:
        name: Preset name.
        settings: Every choice.
        images: Folder of full-resolution calibration pictures; scikit-image's own by default.
        dataset: A representative dataset from `sr-calibrate`, instead of shaping one; `images`
            then only serve for measuring fidelity.
        weights: A `.weights.h5` file instead of the shipped weights.
        model_file: What the manifest calls the file.
        on_stage: Called with what begins next.

    Raises:
        SrError: See the children; nothing is left behind.
    """
    preset = get_preset(name)
    on_stage(f"loading {name}")
    trunk = load_trunk(preset, weights=weights)
    model = attach_tail(trunk, settings.tail, scale=preset.scale)
    on_stage("reading pictures")
    calibration, held_out = split_pictures(images)
    cut = {"scale": preset.scale, "side": settings.tile_side, "seed": settings.seed}
    if dataset is None:
        on_stage("shaping the representative dataset")
        tiles = load_tiles(calibration, count=settings.pictures, **cut)
        # A tail that bounds the output would hide what must be tamed.
        shaping_tail = "none" if settings.tail == "none" else "relu"
        shaping = attach_tail(trunk, shaping_tail, scale=preset.scale)
        shaped = build_dataset(shaping, tiles, preset=preset, settings=settings)
    else:
        shaped = load_dataset(dataset)
        shaped.require_network(network=name, weights_sha256=weights_sha256(trunk))
        held_out = [*calibration, *held_out]
    held_out = unseen_pictures(held_out, shaped)
    held_out_tiles = load_tiles(held_out, count=HELD_OUT_TILES, **cut)
    on_stage("converting")
    content, ranges = convert(model, shaped, settings)
    on_stage("auditing the file")
    audit = audit_model(content)
    float_model = attach_tail(trunk, "none", scale=preset.scale)
    fidelity = measure_fidelity(
        open_model(content, threads=2), float_model, [tile.pixels for tile in held_out_tiles]
    )
    failures = find_failures(
        content, audit=audit, fidelity=fidelity, settings=settings, dataset=shaped, ranges=ranges
    )
    hashes = {tile.source: tile.source_sha256 for tile in held_out_tiles}
    manifest = build_manifest(
        preset, settings, weights_sha256=weights_sha256(trunk),
        model_file=model_file, dataset=shaped, dataset_file=dataset,
        ranges=ranges, audit=audit, fidelity=fidelity, failures=failures,
        held_out=[{"source": source, "sha256": sha} for source, sha in sorted(hashes.items())],
    )  # fmt: skip
    return ExportResult(content, audit, fidelity, failures, shaped, ranges, manifest)


def export_model(
    name: str,
    settings: ExportSettings = ExportSettings(),
    *,
    out: str | Path,
    images: str | Path | None = None,
    dataset: str | Path | None = None,
    weights: str | Path | None = None,
    overwrite: bool = False,
    keep_rejected: bool = False,
    on_stage: Callable[[str], None] = lambda stage: None,
) -> ExportResult:
    """Export a network into a folder: `model.tflite` and `manifest.json`.

    The folder appears whole or not at all; an old one is replaced only by a new whole one.

    Args:
        name: Preset name.
        settings: Every choice.
        out: The folder to write.
        images: Folder of full-resolution calibration pictures; scikit-image's own by default.
        dataset: See `run_export`.
        weights: A `.weights.h5` file instead of the shipped weights.
        overwrite: Whether an existing folder may be replaced.
        keep_rejected: Write a file that failed its audit too, as `rejected.tflite`.
        on_stage: Called with what begins next.

    Raises:
        ConversionError: The file failed its audit; nothing was written unless `keep_rejected`.
        OutputError: `out` exists, or cannot be written to.
        SrError: Other unusable input.
    """
    refuse_existing(out, overwrite=overwrite, replaces=FOLDER_FILES)
    require_writable(out)
    result = run_export(
        name, settings, images=images, dataset=dataset, weights=weights, on_stage=on_stage
    )
    if not result.failures or keep_rejected:
        manifest = result.manifest
        if result.failures:
            manifest["model"]["file"] = "rejected.tflite"
        with writing_folder(out, overwrite=overwrite, replaces=FOLDER_FILES) as folder:
            (folder / manifest["model"]["file"]).write_bytes(result.content)
            (folder / "manifest.json").write_text(json_text(manifest))
    if result.failures:
        kept = f"; kept as {out}/rejected.tflite" if keep_rejected else "; nothing was written"
        raise ConversionError(
            f"expected a file that passes its audit, found: {'; '.join(result.failures)}{kept}"
        )
    return result
