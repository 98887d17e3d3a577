"""What a bundle's manifest says, from the results of its exports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from export.bundle.golden import PICTURE_LICENCE
from export.bundle.interface import Interface
from export.bundle.layout import SCHEMA_VERSION
from export.bundle.model_card import PICTURE_LICENCE as CARD_PICTURE_LICENCE
from export.inspecting.audit import Audit
from export.running.interpreters import open_model
from export.tflite.windows import read_receptive_field
from sr_models.ground.console import finite
from sr_models.ground.errors import (
    BundleError,
    ConversionError,
    ModelFileError,
    OptionError,
    WeightsError,
)
from sr_models.ground.files import file_sha256
from sr_models.networks.card import Card, card_path_of, find_card, load_card
from sr_models.networks.presets import PRESETS
from sr_models.quantization.grids import LIMITS
from sr_models.tflite.files import ModelFile
from sr_models.tflite.flatbuffer import TensorInfo, read_graph

if TYPE_CHECKING:
    from export.exporting.result import ExportedFile, ExportResult
    from export.exporting.settings import ExportSettings

PROTOCOL = (
    "Fidelity: PSNR in dB (RGB, all pictures pooled) of the file's codes against the float "
    "network's output, saturated and rounded, on tiles of pictures that calibration has not seen. "
    "int8_drop: PSNR of the float network less that of the file, means over those pictures, of "
    "which the middle 768 pixels are used, reduced by antialiased bicubic and upscaled again; a "
    "border of as many pixels as the scale factor is cut; RGB, and luma of BT.601."
)
SCIKIT_IMAGE = "pictures of scikit-image; the functions of skimage.data state the licence of each"
NOT_STATED = "not stated"
_CODES = ("uint8", "int8")


def require_one_quantization(files: Sequence[ExportedFile]) -> None:
    """Raise `ConversionError` where two sizes do not quantize every tensor alike."""
    first = files[0]
    expected = _quantization(first.content)
    for other in files[1:]:
        if _quantization(other.content) != expected:
            raise ConversionError(
                f"expected one quantization for all sizes, found that {other.name} differs from "
                f"{first.name}; report the network"
            )


def _quantization(content: bytes) -> list[tuple]:
    graph = read_graph(content)
    return sorted(
        (info.name, info.dtype, info.scales, info.zero_point or 0) for info in graph.tensors
    )


def require_promising(settings: ExportSettings) -> None:
    """Raise `OptionError` before any work for choices that `require_pixels` would not let pass."""
    if settings.files.io not in _CODES:
        raise OptionError(
            f"expected uint8 or int8 codes in a bundle, found {settings.files.io}; "
            "leave --io and --precision, or export it with sr-export model"
        )
    if any(size.is_dynamic for size in settings.files.sizes):
        raise OptionError(
            "expected fixed sizes, since golden pairs have one, found dynamic; "
            "give --size 360x640 or others"
        )


def require_pixels(files: Sequence[ExportedFile]) -> None:
    """Raise `OptionError` for a file of no fixed size, or whose codes are not RGB pixels."""
    for file in files:
        audit = file.audit
        tensors = (*audit.inputs, *audit.outputs)
        kinds = {f"{tensor.dtype} of {tensor.shape[-1]} channels" for tensor in tensors}
        if file.size.is_dynamic:
            raise OptionError(
                f"expected fixed sizes, since golden pairs have one, found {file.size}; "
                "give --size 360x640 or others"
            )
        good = kinds in [{f"{codes} of 3 channels"} for codes in _CODES] and audit.full_integer
        if not good or not audit.pixel_contract.holds:
            raise OptionError(
                f"expected full-integer files whose uint8 or int8 codes are RGB pixels, found "
                f"{', '.join(sorted(kinds))} in {file.name}; export it with sr-export model"
            )


def describe_model(file: ExportedFile) -> dict[str, Any]:
    """What a manifest says of one file, its golden pair apart."""
    delegation = open_model(file.content, delegate="xnnpack").delegation
    return {
        "file": file.name,
        "height": file.size.height,
        "width": file.size.width,
        **describe_audit(file.audit),
        "delegates": {"xnnpack": None if delegation is None else delegation.to_json()},
    }


def describe_audit(audit: Audit) -> dict[str, Any]:
    """Input, output and operators as a manifest says them."""
    return {
        "input": _picture(audit.inputs[0]),
        "output": _picture(audit.outputs[0]),
        "operators": audit.ops,
        "clip_ops": list(audit.clip_ops),
        "full_integer": audit.full_integer,
    }


def _picture(tensor: TensorInfo) -> dict[str, Any]:
    if tensor.scale is None or tensor.zero_point is None:
        raise BundleError(
            f"expected a quantized picture, found {tensor.dtype} in {tensor.name}; "
            "get the bundle again"
        )
    limits = (tensor.scale * (code - tensor.zero_point) for code in LIMITS[tensor.dtype])
    return {
        "name": tensor.name,
        "shape": list(tensor.shape),
        "dtype": tensor.dtype,
        "layout": "NHWC",
        "colour": "RGB",
        "scale": tensor.scale,
        "zero_point": tensor.zero_point,
        "value_range": list(limits),
        "codes_are_pixels": True,
    }


def receptive_field_json(content: bytes | ModelFile) -> dict[str, int] | None:
    """How far a file looks; `None` where it looks everywhere."""
    try:
        return read_receptive_field(content).to_json()
    except ModelFileError:
        return None


def describe_twin(twin: ExportedFile) -> dict[str, Any]:
    """What a manifest says of the clipped baseline."""
    audit = twin.audit
    return {
        "height": twin.size.height,
        "width": twin.size.width,
        "operators": audit.ops,
        "clip_ops": len(audit.clip_ops),
        "size_bytes": audit.size_bytes,
        "output_scale": audit.outputs[0].scale,
        "fidelity": twin.fidelity.to_json(),
        "int8_drop": None if twin.drop is None else twin.drop.to_json(),
    }


def build_contents(
    result: ExportResult,
    *,
    goldens: Sequence[Mapping[str, Any]],
    interface: Interface,
    twin: ExportedFile | None,
    latency: Mapping[str, Any] | None,
    pictures_licence: str = NOT_STATED,
    weights: str | Path | None = None,
) -> dict[str, Any]:
    """The manifest but for `files`; the same inputs and versions give the same one.

    Args:
        result: The export, one file for each size.
        goldens: The manifest's entry of each file's golden pair.
        interface: What the files' codes are, and why.
        twin: The clipped baseline.
        latency: What `sr-bench latency --json` wrote for these files.
        pictures_licence: Licence of the calibration pictures, as whoever exports states it.
        weights: The weights file that was taken instead of a preset's own.
    """
    manifest = result.manifest
    settings = {k: v for k, v in manifest["settings"].items() if k != "sizes"}
    return finite(
        {
            "schema_version": SCHEMA_VERSION,
            "network": manifest["network"],
            "interface": interface.to_json(),
            "receptive_field": receptive_field_json(result.files[0].content),
            "models": [
                {**describe_model(file), "golden": dict(golden)}
                for file, golden in zip(result.files, goldens)
            ],
            "quality": {
                "protocol": PROTOCOL,
                "fidelity": manifest["fidelity"],
                "int8_drop": manifest["drop"],
            },
            "clipped_twin": describe_twin(twin) if twin is not None else None,
            "latency": dict(latency) if latency is not None else None,
            "settings": settings,
            "calibration": manifest["representative_dataset"],
            "licences": {
                "software": "Apache-2.0",
                "weights": _weights_licences(manifest["network"]["name"], weights),
                "calibration_pictures": pictures_licence,
                "golden_pictures": PICTURE_LICENCE,
                "card_picture": CARD_PICTURE_LICENCE,
            },
            "versions": manifest["versions"],
        }
    )


def _weights_licences(name: str, weights: str | Path | None) -> list[dict[str, Any]]:
    card = _card_of(name, weights)
    if card is None:
        return []
    return [
        {"folder": row.folder, "pictures": row.pictures, "licence": row.licence}
        for row in card.data
    ]


def _card_of(name: str, weights: str | Path | None) -> Card | None:
    """The card of the weights that were taken: of others than the preset's, the one beside them."""
    if name not in PRESETS:
        return None
    if weights is None:
        return find_card(PRESETS[name])
    try:
        card = load_card(card_path_of(weights))
    except (OptionError, WeightsError):
        return None
    return card if card.weights_sha256 == file_sha256(weights) else None
