"""What an export yields: its files, read back and judged, and all that is known of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from export.exporting.judging import (
    DropMeter,
    Fidelity,
    HeldOutDrop,
    find_failures,
    measure_fidelity,
)
from export.exporting.kernel_agreement import KernelAgreement
from export.exporting.settings import Size
from export.inspecting.audit import Audit, audit_model
from export.running.interpreters import open_model
from export.running.pixels import upscale
from representative_data.dataset import RepresentativeDataset
from sr_models.quantization.ranges import TensorRanges


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
            "file": self.name,
            "height": self.size.height,
            "width": self.size.width,
            "sha256": self.audit.sha256,
            "size_bytes": self.audit.size_bytes,
            "accepted": not self.failures,
            "failures": self.failures,
            "audit": self.audit.to_json(),
            "fidelity": self.fidelity.to_json(),
        }


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


def read_back(
    name: str,
    size: Size,
    content: bytes,
    *,
    float_model,
    pictures: Sequence[np.ndarray],
    meter: DropMeter | None,
    **judged: Any,
) -> ExportedFile:
    """Audit a file, hold it against the float network, and judge it."""
    audit = audit_model(content)
    runner = open_model(content, threads=2)
    fidelity = measure_fidelity(runner, float_model, pictures)
    drop = meter(lambda low: upscale(runner, low).raw) if meter else None
    failures = find_failures(content, audit=audit, fidelity=fidelity, drop=drop, **judged)
    return ExportedFile(name, size, content, audit, fidelity, drop, failures)
