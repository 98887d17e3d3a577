"""A network of TensorFlow's or Keras' own formats at a glance, and whether it can be exported."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sr_models.ground.files import file_sha256
from sr_models.importing.graph_nodes import read_graph
from sr_models.importing.keras_files import require_keras_file
from sr_models.importing.readiness import Readiness, readiness_of
from sr_models.importing.saved_models import read_saved_model
from sr_models.importing.source_kinds import kind_of

KINDS = {"graph": "frozen graph", "saved_model": "SavedModel", "keras": "Keras file"}
"""Kinds of sources that are looked at here -> what they are called."""
_WHOLE = {"graph": read_graph, "saved_model": read_saved_model, "keras": require_keras_file}


@dataclass(frozen=True)
class SourceInspection:
    """A frozen graph, a SavedModel or a Keras file at a glance.

    Attributes:
        model: Its path.
        kind: One of the names in `KINDS`.
        size_bytes: Of the file, or of all files of the folder.
        sha256: Of the file; `None` for a folder.
        readiness: What `sr-export model` would make of it.
    """

    model: str
    kind: str
    size_bytes: int
    sha256: str | None
    readiness: Readiness

    def to_json(self) -> dict[str, Any]:
        """The attributes, `readiness` as `as_source`; findings are of TFLite files alone."""
        return {
            "model": self.model,
            "kind": self.kind,
            "size_bytes": self.size_bytes,
            "sha256": self.sha256,
            "findings": [],
            "as_source": self.readiness.to_json(),
        }


def inspect_source(path: Path) -> SourceInspection:
    """Read a network as an export would, without running it, and say what comes of it.

    Raises:
        NetworkError: No such path, a damaged file, or a Git LFS pointer in the place of one.
    """
    kind = kind_of(str(path))
    _WHOLE[kind](path)
    files = [p for p in path.rglob("*") if p.is_file()] if path.is_dir() else [path]
    return SourceInspection(
        str(path),
        KINDS[kind],
        sum(file.stat().st_size for file in files),
        None if path.is_dir() else file_sha256(path),
        readiness_of(path),
    )
