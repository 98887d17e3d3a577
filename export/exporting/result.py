"""What an export yields: its files, read back and judged, and the folder and manifest of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from export.exporting.baseline import BaselineCounts, BaselineSpeed
from export.exporting.folder import FOLDER_FILES
from export.exporting.judging import (
    DropMeter,
    Fidelity,
    HeldOutDrop,
    find_failures,
    measure_fidelity,
)
from export.exporting.kernel_agreement import KernelAgreement, KernelMeter
from export.exporting.settings import ExportSettings
from export.inspecting.audit import Audit, audit_graph
from export.inspecting.vendor_tables import VENDORS
from export.inspecting.vendors import VendorReport, judge_graph
from export.precision.kept_layers import raised_layers
from export.running.interpreters import open_model
from export.running.pixels import upscale
from export.running.runtimes import Delegation
from representative_data.dataset import RepresentativeDataset
from representative_data.tiles import Tile
from sr_models.ground.console import json_text
from sr_models.ground.files import file_sha256, tool_versions, writing_folder
from sr_models.ground.pictures import stretched
from sr_models.ground.pixel_range import UNIT
from sr_models.ground.sizes import Size
from sr_models.importing.sources import SourceNetwork
from sr_models.quantization.ranges import TensorRanges
from sr_models.tflite.flatbuffer import read_graph

SCHEMA_VERSION = 1
_TOOLS = (
    "clip-free-sr",
    "tensorflow",
    "tf-keras",
    "ai-edge-litert",
    "numpy",
    "pillow",
    "scikit-image",
)


FULL_RANGE = "the same pictures, each stretched to 0..255"


@dataclass(frozen=True)
class ExportedFile:
    """One file of an export, for one input size.

    Attributes:
        name: File name.
        size: Input size.
        content: The `.tflite` file.
        audit: What was read back from it.
        fidelity: How it compares with the float network.
        full_range_fidelity: The same on these pictures, each stretched to 0..255.
        drop: What it loses on pictures held out; `None` where it was not asked for.
        kernels: How far its kernel paths are apart; `None` where it is not all int8.
        delegation: Where its operators run with XNNPACK; `None` where the interpreter does not
            tell.
        layers_above_int8: Layers that it computes above eight bits, and in what.
        failures: Why it is rejected; empty for a good file.
    """

    name: str
    size: Size
    content: bytes
    audit: Audit
    fidelity: Fidelity
    drop: HeldOutDrop | None = None
    kernels: KernelAgreement | None = None
    delegation: Delegation | None = None
    layers_above_int8: Mapping[str, str] = field(default_factory=dict)
    full_range_fidelity: Fidelity | None = None
    failures: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The same as plain data, without the content."""
        return {
            "file": self.name,
            "height": self.size.height,
            "width": self.size.width,
            "sha256": self.audit.sha256,
            "size_bytes": self.audit.size_bytes,
            "pixels": UNIT.to_json(),
            "accepted": not self.failures,
            "failures": list(self.failures),
            "audit": self.audit.to_json(),
            "fidelity": self.fidelity_json(),
            "drop": _json_or_none(self.drop),
            "kernels": _json_or_none(self.kernels),
            "delegation": _json_or_none(self.delegation),
            "layers_above_int8": dict(self.layers_above_int8),
        }

    def fidelity_json(self) -> dict[str, Any]:
        """Both fidelities as plain data, and on what the second was measured."""
        full = self.full_range_fidelity
        named = full and {**full.to_json(), "pictures_are": FULL_RANGE}
        return {**self.fidelity.to_json(), "full_range": named}


def _json_or_none(value: Any) -> dict[str, Any] | None:
    return None if value is None else value.to_json()


def read_back(
    name: str,
    size: Size,
    measured: bytes,
    content: bytes,
    *,
    model,
    float_model,
    pictures: Sequence[np.ndarray],
    meter: DropMeter | None,
    kernel_meter: KernelMeter | None,
    settings: ExportSettings,
    dataset: RepresentativeDataset,
    ranges: TensorRanges | None,
) -> ExportedFile:
    """Audit a file, hold it against the float network, and judge it.

    Args:
        name: What it is called.
        size: Its input size.
        measured: A file of equal codes that pictures of any size can be run by.
        content: The `.tflite` file.
        model: The Keras network that it was made from, for the names of its layers.
        float_model: The float network without an output tail.
        pictures: uint8 (h, w, C) low-resolution pictures that calibration has not seen.
        meter: Measures what it loses, where that is asked for.
        kernel_meter: Compares its kernel paths, where it is all int8.
        settings: Every choice.
        dataset: The representative dataset behind it.
        ranges: The ranges written into it; `None` where the converter found its own.
    """
    graph = read_graph(content)
    # Before a picture of another size is asked for.
    delegation = open_model(content).delegation
    runner = open_model(measured, threads=2)
    file = ExportedFile(
        name,
        size,
        content,
        audit_graph(graph),
        measure_fidelity(runner, float_model, pictures),
        drop=meter(lambda low: upscale(runner, low, pixels=UNIT).raw) if meter else None,
        kernels=kernel_meter(measured) if kernel_meter else None,
        delegation=delegation,
        layers_above_int8=raised_layers(graph, model),
        full_range_fidelity=measure_fidelity(runner, float_model, list(map(stretched, pictures))),
    )
    failures = find_failures(
        graph,
        audit=file.audit,
        fidelity=file.fidelity,
        drop=file.drop,
        settings=settings,
        dataset=dataset,
        ranges=ranges,
    )
    return replace(file, failures=tuple(failures))


@dataclass(frozen=True)
class SourceFile:
    """A file that an export was made or measured with.

    Attributes:
        name: Its name, without a folder.
        sha256: SHA-256 of the file.
    """

    name: str
    sha256: str

    @classmethod
    def of(cls, source: Any) -> SourceFile | None:
        """The file at a path; `None` for what is no path."""
        if not isinstance(source, (str, Path)):
            return None
        return cls(Path(source).name, file_sha256(source))

    @classmethod
    def of_tiles(cls, tiles: Sequence[Tile]) -> tuple[SourceFile, ...]:
        """The pictures that tiles were cut of, by name."""
        hashes = {tile.source: tile.source_sha256 for tile in tiles}
        return tuple(cls(*picture) for picture in sorted(hashes.items()))


@dataclass(frozen=True)
class ExportResult:
    """What an export made. Of several sizes `content`, `audit` and so on are the first file's.

    Attributes:
        network: The network as it was opened.
        weights_sha256: Hash of its weights (`sr_models.networks.network.weights_sha256`).
        settings: Every choice, with the recipe that was followed.
        dataset: The representative dataset behind the files.
        ranges: The ranges written into them; `None` where the converter found its own.
        files: Every file, in the order of the sizes.
        counts: Where the operators of the first file run, beside those of its clipped baseline;
            `None` where there is none to hold it against.
        speed: The first file timed against that baseline; `None` where it was not asked for.
        held_out: The pictures that fidelity was measured on.
        saved_set: The file that the dataset was read from; `None` where it was
            shaped here, or given in memory.
        set_given: Whether the dataset was given, so that its own choices count.
    """

    network: SourceNetwork
    weights_sha256: str
    settings: ExportSettings
    dataset: RepresentativeDataset
    ranges: TensorRanges | None
    files: tuple[ExportedFile, ...]
    counts: BaselineCounts | None = None
    speed: BaselineSpeed | None = None
    held_out: tuple[SourceFile, ...] = ()
    saved_set: SourceFile | None = None
    set_given: bool = False

    @property
    def content(self) -> bytes:
        """The `.tflite` file."""
        return self.files[0].content

    @property
    def audit(self) -> Audit:
        """What was read back from it."""
        return self.files[0].audit

    @property
    def fidelity(self) -> Fidelity:
        """How it compares with the float network."""
        return self.files[0].fidelity

    @property
    def drop(self) -> HeldOutDrop | None:
        """What it loses on pictures held out; `None` where it was not asked for."""
        return self.files[0].drop

    @property
    def kernels(self) -> KernelAgreement | None:
        """How far its kernel paths are apart; `None` where it is not all int8."""
        return self.files[0].kernels

    @property
    def layers_above_int8(self) -> Mapping[str, str]:
        """Layers that it computes above eight bits, and in what."""
        return self.files[0].layers_above_int8

    @property
    def vendor(self) -> VendorReport | None:
        """What the table of the vendor that it was made for says of it; `None` without one."""
        name = self.settings.files.made_for
        return None if name is None else judge_graph(read_graph(self.content), VENDORS[name])

    @property
    def failures(self) -> list[str]:
        """Why the export is rejected, each reason once; empty where all of its files are good."""
        return list(dict.fromkeys(reason for file in self.files for reason in file.failures))

    @property
    def manifest(self) -> dict[str, Any]:
        """Everything needed to make the files again and to trust them, as new plain data.

        The same inputs and versions give the same manifest, but for a measured speed.
        """
        network, first, source = self.network, self.files[0], self.saved_set
        return {
            "schema_version": SCHEMA_VERSION,
            "network": {
                "name": network.name,
                "family": network.family,
                "config": network.config,
                "scale": network.scale,
                "tail": self.settings.quantizing.tail,
                "weights_sha256": self.weights_sha256,
                "channels": network.channels,
                "origin": dict(network.origin) if network.origin is not None else None,
            },
            "settings": self.settings.to_json(saved_set=self.set_given or source is not None),
            "model": {
                "file": first.name,
                "sha256": first.audit.sha256,
                "size_bytes": first.audit.size_bytes,
            },
            "files": [file.to_json() for file in self.files],
            "layers_above_int8": dict(first.layers_above_int8),
            "accepted": not self.failures,
            "failures": self.failures,
            "audit": first.audit.to_json(),
            "fidelity": {
                **first.fidelity_json(),
                "held_out": [
                    {"source": picture.name, "sha256": picture.sha256} for picture in self.held_out
                ],
            },
            "drop": _json_or_none(first.drop),
            "kernels": _json_or_none(first.kernels),
            "delegation": _json_or_none(first.delegation),
            "clipped_baseline": _json_or_none(self.counts),
            "speed": _json_or_none(self.speed),
            "vendor": _json_or_none(self.vendor),
            "ranges": _json_or_none(self.ranges),
            "representative_dataset": {
                **self.dataset.to_json(),
                "source": source and {"file": source.name, "sha256": source.sha256},
            },
            "versions": tool_versions(_TOOLS),
        }

    def write(self, out: str | Path, *, overwrite: bool = False) -> None:
        """Write a folder of every file and `manifest.json`, which appears whole or not at all.

        Files of an export that failed are called `rejected` instead of `model`, in the manifest
        too.

        Raises:
            OutputError: `out` exists and `overwrite` is false, holds what is not an export, or
                cannot be written to.
        """
        written = self._rejected() if self.failures else self
        with writing_folder(out, overwrite=overwrite, replaces=FOLDER_FILES) as folder:
            for file in written.files:
                (folder / file.name).write_bytes(file.content)
            (folder / "manifest.json").write_text(json_text(written.manifest))

    def _rejected(self) -> ExportResult:
        files = (
            replace(file, name=file.name.replace("model", "rejected", 1)) for file in self.files
        )
        return replace(self, files=tuple(files))
