"""The folder that an export writes, where a command can ask for it before TensorFlow is loaded."""

from __future__ import annotations

from pathlib import Path

from sr_models.ground.files import require_free_folder

FOLDER_FILES = (
    "model.tflite",
    "rejected.tflite",
    "model_*.tflite",
    "rejected_*.tflite",
    "manifest.json",
)
"""What stands in it; a folder of anything else is never replaced."""


def require_free(out: str | Path, *, overwrite: bool) -> None:
    """Raise `OutputError` where `ExportResult.write` could not write the folder."""
    require_free_folder(out, overwrite=overwrite, replaces=FOLDER_FILES)
