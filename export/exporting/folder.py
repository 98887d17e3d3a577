"""The folder that an export writes: its files and their manifest, whole or not at all."""

from __future__ import annotations

from pathlib import Path

from export.exporting.result import ExportResult
from sr_models.ground.console import json_text
from sr_models.ground.files import refuse_existing, require_writable, writing_folder

FOLDER_FILES = (
    "model.tflite",
    "rejected.tflite",
    "model_*.tflite",
    "rejected_*.tflite",
    "manifest.json",
)


def require_free(out: str | Path, *, overwrite: bool) -> None:
    """Raise `OutputError` where the folder cannot be written, or holds what is not an export."""
    refuse_existing(out, overwrite=overwrite, replaces=FOLDER_FILES)
    require_writable(out)


def write_folder(out: str | Path, result: ExportResult, *, overwrite: bool) -> None:
    """Write every file and `manifest.json`, which names the files as they are called here.

    Files of an export that failed are called `rejected` instead of `model`.
    """
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
