"""What lies where in a bundle, and which paths may be named at all."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path, PurePosixPath

from sr_models.errors import BundleError

MANIFEST = "manifest.json"
SCHEMA = "manifest.schema.json"
SUMS = "SHA256SUMS"
MODEL_CARD = "model_card.md"
COMPARISON = "card/comparison.png"
GOLDEN = "golden"
ANDROID = "android"
TOP_LEVEL = (
    MANIFEST,
    SCHEMA,
    SUMS,
    MODEL_CARD,
    "model.tflite",
    "model_*.tflite",
    "card",
    GOLDEN,
    ANDROID,
)
"""Names that a bundle's folder holds, as shell patterns: what an overwrite may replace."""

_PATH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")


def golden_file(height: int, width: int, *, part: str, kind: str) -> str:
    """Name of one file of a golden pair: part `input` or `output`, kind `raw` or `png`."""
    return f"{GOLDEN}/{height}x{width}_{part}.{kind}"


def require_inside(path: str) -> str:
    """`path` itself; raises `BundleError` for one that could lead out of the bundle.

    Only plain relative POSIX paths of letters, digits, `_`, `-` and `.` are allowed, and none of
    their parts starts with a dot.
    """
    if _PATH.fullmatch(path) is None or ".." in PurePosixPath(path).parts:
        raise BundleError(
            f"expected a plain path inside of the bundle, found {path!r} in its manifest; "
            "do not use this bundle"
        )
    return path


def inventory(folder: Path) -> list[str]:
    """Every file of a bundle as a relative POSIX path, sorted.

    Raises:
        BundleError: The folder is none, or holds a link or a device.
    """
    if folder.is_symlink() or not folder.is_dir():
        raise BundleError(
            f"expected a bundle's folder, found {_kind(folder)}: {folder}; give the folder that "
            "sr-export bundle wrote"
        )
    files: list[str] = []

    def unreadable(error: OSError) -> None:
        raise BundleError(
            f"expected a readable bundle, found no permission for {error.filename}; "
            "change its permissions"
        )

    for place, folders, names in os.walk(folder, onerror=unreadable):
        here = Path(place)
        for name in sorted([*folders, *names]):
            path = here / name
            mode = path.lstat().st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                raise BundleError(
                    f"expected plain files, found {_kind(path)}: {path}; get the bundle anew"
                )
            if stat.S_ISREG(mode):
                files.append(path.relative_to(folder).as_posix())
    return sorted(files)


def require_no_empty_folder(folder: Path) -> None:
    """Raise `BundleError` for an empty folder; to be called once no file is missing."""
    for place, folders, names in os.walk(folder):
        if not folders and not names:
            raise BundleError(
                f"expected no other files than the manifest's, found an empty folder: {place}; "
                "remove it"
            )


def _kind(path: Path) -> str:
    if path.is_symlink():
        return "a link"
    if not path.exists():
        return "no such path"
    return "a file" if path.is_file() else "a device or pipe"
