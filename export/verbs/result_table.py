"""What an export made, as rows of a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from export.exporting.result import ExportResult


def result_rows(result: ExportResult) -> list[list[str]]:
    """Property and value of each row: of several files those of the first."""
    full = result.files[0].full_range_fidelity or ""
    further = [["further files", ", ".join(file.name for file in result.files[1:])]]
    return [
        *_audit_rows(result.audit),
        *(further if result.files[1:] else []),
        *[["source", note] for note in (result.network.origin or {}).get("done", [])],
        ["high-precision layers", _raised_summary(result.layers_above_int8)],
        ["calibration pictures", _dataset_summary(result.dataset)],
        [
            "fidelity to float",
            f"{result.fidelity.psnr_db:.2f} dB on "
            f"{result.fidelity.pictures} held-out tiles ({result.fidelity.delegate})"
            f"{full and f'; {full.psnr_db:.2f} dB on them stretched to 0..255'}",
        ],
        ["kernel difference", str(result.kernels or "not compared, not all int8")],
        ["XNNPACK", str(result.counts or "not counted")],
        *([["speed", str(result.speed)]] if result.speed else []),
        *([[result.vendor.vendor.name, result.vendor.in_words]] if result.vendor else []),
    ]


def _audit_rows(audit) -> list[list[str]]:
    def tensor(info):
        quantization = "" if info.scale is None else f", scale {info.scale:.6g}"
        zero = "" if info.zero_point is None else f", zero point {info.zero_point}"
        return f"{info.name}: {info.dtype} {list(info.shape)}{quantization}{zero}"

    clips = ", ".join(
        f"{c['op']} at {c['height']}x{c['width']}x{c['channels']}" for c in audit.clip_ops
    )
    contract = audit.pixel_contract
    return [
        ["operators", ", ".join(f"{n} {op}" for op, n in audit.ops.items())],
        ["full integer", "yes" if audit.full_integer else f"no ({audit.float_tensors} float)"],
        ["clip operators", clips or "none"],
        ["pixel contract", "holds" if contract.holds else "; ".join(contract.reasons)],
        *[["input", tensor(info)] for info in audit.inputs],
        *[["output", tensor(info)] for info in audit.outputs],
        ["size", f"{audit.size_bytes / 1000:.1f} kB"],
        ["sha256", audit.sha256],
    ]


def _raised_summary(layers: Mapping[str, str]) -> str:
    kinds = dict.fromkeys(layers.values())
    return (
        "; ".join(
            f"{kind}: {', '.join(name for name, found in layers.items() if found == kind)}"
            for kind in kinds
        )
        or "none"
    )


def _dataset_summary(dataset) -> str:
    counts = [
        f"{dataset.count(status)} {status}"
        for status in ("natural", "kept", "tamed", "anchor", "dropped")
        if dataset.count(status)
    ]
    low, high = dataset.output_range
    return f"{', '.join(counts)}; float outputs {low:.4f}..{high:.4f}"
