"""An ONNX file at a glance, and whether it can be exported."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sr_models.ground.files import file_sha256
from sr_models.importing.onnx_file import parse_onnx, producer_of
from sr_models.importing.readiness import Readiness, readiness_of


@dataclass(frozen=True)
class OnnxInspection:
    """An ONNX file at a glance.

    Attributes:
        model: Name of the file.
        ops: How often it has each operator.
        opset: Version of ONNX's own operators.
        written_by: What wrote it.
        size_bytes: Of the file, without weights beside it.
        sha256: Of the file.
        readiness: What `sr-export model` would make of it.
    """

    model: str
    ops: dict[str, int]
    opset: int
    written_by: str
    size_bytes: int
    sha256: str
    readiness: Readiness

    def to_json(self) -> dict[str, Any]:
        """The attributes, `readiness` as `as_source`; findings are of TFLite files alone."""
        return {
            "model": self.model,
            "ops": self.ops,
            "opset": self.opset,
            "written_by": self.written_by,
            "size_bytes": self.size_bytes,
            "sha256": self.sha256,
            "findings": [],
            "as_source": self.readiness.to_json(),
        }


def inspect_onnx(path: Path) -> OnnxInspection:
    """Read an ONNX file and say what it holds.

    Raises:
        NetworkError: No such file, or a damaged one.
    """
    model = parse_onnx(path)
    counted: dict[str, int] = {}
    for node in model.graph.node:
        counted[node.op_type] = counted.get(node.op_type, 0) + 1
    opsets = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    return OnnxInspection(
        str(path),
        counted,
        max(opsets, default=0),
        producer_of(model),
        path.stat().st_size,
        file_sha256(path),
        readiness_of(path),
    )
