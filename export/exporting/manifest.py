"""The manifest beside an exported file: everything needed to make it again and to trust it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from export.exporting.judging import Fidelity, HeldOutDrop
from export.exporting.kernel_agreement import KernelAgreement
from export.inspecting.audit import Audit
from representative_data.dataset import RepresentativeDataset
from sr_models.ground.files import file_sha256, tool_versions
from sr_models.networks.presets import Preset
from sr_models.quantization.ranges import TensorRanges

if TYPE_CHECKING:
    from export.exporting.settings import ExportSettings

SCHEMA_VERSION = 1
_SHAPING = ("method", "pictures", "tile_side", "taming", "target", "max_passes", "anchors", "seed")
_TOOLS = (
    "clip-free-sr",
    "tensorflow",
    "tf-keras",
    "ai-edge-litert",
    "numpy",
    "pillow",
    "scikit-image",
)


def build_manifest(
    preset: Preset,
    settings: ExportSettings,
    *,
    weights_sha256: str,
    model_file: str,
    dataset: RepresentativeDataset,
    ranges: TensorRanges | None,
    audit: Audit,
    fidelity: Fidelity,
    held_out: list[dict[str, str]],
    failures: list[str],
    drop: HeldOutDrop | None = None,
    kernels: KernelAgreement | None = None,
    raised: Mapping[str, str] = MappingProxyType({}),
    dataset_file: str | Path | None = None,
    origin: Mapping[str, Any] | None = None,
    channels: int = 3,
    files: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """The manifest as plain data; the same inputs and versions give the same manifest.

    Args:
        preset: The network: a preset, or what has a preset's name, family, config and scale.
        settings: Every flag of the export.
        weights_sha256: Hash of the weights (`sr_models.networks.network.weights_sha256`).
        model_file: Name of the file in the folder.
        dataset: The representative dataset with its history.
        ranges: The ranges written into the file; `None` where the converter found its own.
        audit: What was read back from the file.
        fidelity: How it compares with the float network.
        held_out: Name and hash of the pictures that fidelity was measured on.
        failures: Why the file was rejected; empty for an accepted one.
        drop: What it loses on those pictures; `None` where it was not asked for.
        kernels: How far its kernel paths are apart; `None` where it is not all int8.
        raised: Layers that the file computes above eight bits, and in what.
        dataset_file: The saved set that was given, whose own settings then count.
        origin: Where a network of the user's came from; `None` for a preset.
        channels: 3 for RGB, 1 for luma.
        files: Where there are several sizes: each file with its size and what was read back.
    """
    flags = asdict(settings)
    source = None
    if dataset_file is not None:
        flags |= dict.fromkeys(_SHAPING)
        source = {"file": Path(dataset_file).name, "sha256": file_sha256(dataset_file)}
    return {
        "schema_version": SCHEMA_VERSION,
        "network": {
            "name": preset.name,
            "family": preset.family,
            "config": preset.config,
            "scale": preset.scale,
            "tail": settings.tail,
            "weights_sha256": weights_sha256,
            "channels": channels,
            "origin": dict(origin) if origin is not None else None,
        },
        "settings": flags,
        "model": {"file": model_file, "sha256": audit.sha256, "size_bytes": audit.size_bytes},
        "files": list(files),
        "layers_above_int8": dict(raised),
        "accepted": not failures,
        "failures": failures,
        "audit": audit.to_json(),
        "fidelity": {**fidelity.to_json(), "held_out": held_out},
        "drop": drop.to_json() if drop is not None else None,
        "kernels": kernels.to_json() if kernels is not None else None,
        "ranges": ranges.to_json() if ranges is not None else None,
        "representative_dataset": {**dataset.to_json(), "source": source},
        "versions": tool_versions(_TOOLS),
    }
