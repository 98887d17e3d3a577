"""What a bundle's manifest says, from the results of its exports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from export.bundle.golden import PICTURE_LICENCE
from export.bundle.layout import model_file
from export.bundle.schema import SCHEMA_VERSION
from export.inspecting.audit import Audit
from export.inspecting.file_windows import read_receptive_field
from export.running.interpreters import open_model
from export.tflite.flatbuffer import TensorInfo, read_graph
from export.tflite.model_files import ModelFile
from sr_models.card import find_card
from sr_models.command import finite
from sr_models.errors import BundleError, ConversionError, ModelFileError, OptionError
from sr_models.presets import PRESETS

if TYPE_CHECKING:
    from export.pipeline import ExportResult

PROTOCOL = (
    "Fidelity: PSNR in dB (RGB, all pictures pooled) of the file's codes against the float "
    "network's output, saturated and rounded, on tiles of pictures that calibration has not seen. "
    "int8_drop: PSNR of the float network less that of the file, means over those pictures, of "
    "which the middle 768 pixels are used, reduced by antialiased bicubic and upscaled again; a "
    "border of as many pixels as the scale factor is cut; RGB, and luma of BT.601."
)
SCIKIT_IMAGE = "pictures of scikit-image; the functions of skimage.data state the licence of each"
NOT_STATED = "not stated"


@dataclass(frozen=True)
class SizedExport:
    """One export and its size.

    Attributes:
        height: Input height in pixels.
        width: Input width in pixels.
        result: What was exported.
    """

    height: int
    width: int
    result: ExportResult

    @property
    def file(self) -> str:
        """Its name in the bundle."""
        return model_file(self.height, self.width)


def require_one_quantization(exports: Sequence[SizedExport]) -> None:
    """Raise `ConversionError` where two sizes do not quantize every tensor alike."""
    first = exports[0]
    expected = _quantization(first.result.content)
    for other in exports[1:]:
        if _quantization(other.result.content) != expected:
            raise ConversionError(
                f"expected one quantization for all sizes, found that {other.file} differs from "
                f"{first.file}; report the network"
            )


def _quantization(content: bytes) -> list[tuple]:
    graph = read_graph(content)
    return sorted(
        (info.name, info.dtype, info.scales, info.zero_point or 0) for info in graph.tensors
    )


def require_pixels(exports: Sequence[SizedExport]) -> None:
    """Raise `OptionError` for an export whose codes are not uint8 pixels."""
    for export in exports:
        audit = export.result.audit
        kinds = {tensor.dtype for tensor in (*audit.inputs, *audit.outputs)}
        if kinds != {"uint8"} or not audit.pixel_contract.holds or not audit.full_integer:
            raise OptionError(
                f"expected full-integer files whose uint8 codes are pixels, found "
                f"{', '.join(sorted(kinds))} in {export.file}; leave --io, --precision and --pure"
            )


def describe_model(export: SizedExport) -> dict[str, Any]:
    """What a manifest says of one file, its golden pair apart."""
    delegation = open_model(export.result.content, delegate="xnnpack").delegation
    return {
        "file": export.file, "height": export.height, "width": export.width,
        **describe_audit(export.result.audit),
        "delegates": {"xnnpack": None if delegation is None else delegation.to_json()},
    }  # fmt: skip


def describe_audit(audit: Audit) -> dict[str, Any]:
    """Input, output and operators as a manifest says them."""
    return {
        "input": _picture(audit.inputs[0]), "output": _picture(audit.outputs[0]),
        "operators": audit.ops, "clip_ops": list(audit.clip_ops),
        "full_integer": audit.full_integer,
    }  # fmt: skip


def _picture(tensor: TensorInfo) -> dict[str, Any]:
    if tensor.scale is None or tensor.zero_point is None:
        raise BundleError(
            f"expected a quantized picture, found {tensor.dtype} in {tensor.name}; "
            "get the bundle anew"
        )
    limits = (tensor.scale * (code - tensor.zero_point) for code in (0, 255))
    return {
        "name": tensor.name, "shape": list(tensor.shape), "dtype": tensor.dtype,
        "layout": "NHWC", "colour": "RGB", "scale": tensor.scale,
        "zero_point": tensor.zero_point, "value_range": list(limits), "codes_are_pixels": True,
    }  # fmt: skip


def receptive_field_json(content: bytes | ModelFile) -> dict[str, int] | None:
    """How far a file looks; `None` where it looks everywhere."""
    try:
        return read_receptive_field(content).to_json()
    except ModelFileError:
        return None


def describe_twin(twin: SizedExport) -> dict[str, Any]:
    """What a manifest says of the clipped twin."""
    audit = twin.result.audit
    return {
        "height": twin.height, "width": twin.width, "operators": audit.ops,
        "clip_ops": len(audit.clip_ops), "size_bytes": audit.size_bytes,
        "output_scale": audit.outputs[0].scale,
        "fidelity": twin.result.fidelity.to_json(), "int8_drop": twin.result.manifest["drop"],
    }  # fmt: skip


def build_contents(
    exports: Sequence[SizedExport], *, goldens: Sequence[Mapping[str, Any]],
    twin: SizedExport | None, latency: Mapping[str, Any] | None,
    pictures_licence: str = NOT_STATED,
) -> dict[str, Any]:  # fmt: skip
    """The manifest but for `files`; the same inputs and versions give the same one.

    Args:
        exports: One for each size.
        goldens: The manifest's entry of each golden pair.
        twin: The clipped twin.
        latency: What `sr-bench latency --json` wrote for these files.
        pictures_licence: Licence of the calibration pictures, as whoever exports states it.
    """
    first = exports[0].result
    manifest = first.manifest
    settings = {k: v for k, v in manifest["settings"].items() if k not in ("height", "width")}
    return finite({
        "schema_version": SCHEMA_VERSION,
        "network": manifest["network"],
        "receptive_field": receptive_field_json(first.content),
        "models": [
            {**describe_model(export), "golden": dict(golden)}
            for export, golden in zip(exports, goldens)
        ],
        "quality": {
            "protocol": PROTOCOL, "fidelity": manifest["fidelity"],
            "int8_drop": manifest["drop"],
        },
        "clipped_twin": describe_twin(twin) if twin is not None else None,
        "latency": dict(latency) if latency is not None else None,
        "settings": settings,
        "calibration": manifest["representative_dataset"],
        "licences": {
            "software": "Apache-2.0", "weights": _weights_licences(manifest["network"]["name"]),
            "calibration_pictures": pictures_licence, "golden_pictures": PICTURE_LICENCE,
        },
        "versions": manifest["versions"],
    })  # fmt: skip


def _weights_licences(name: str) -> list[dict[str, Any]]:
    card = find_card(PRESETS[name]) if name in PRESETS else None
    if card is None:
        return []
    return [
        {"folder": row.folder, "pictures": row.pictures, "licence": row.licence}
        for row in card.data
    ]  # fmt: skip
