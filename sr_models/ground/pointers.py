"""Git LFS pointers: small text files that stand for large ones that were not fetched."""

from __future__ import annotations

from pathlib import Path

from sr_models.ground.errors import SrError

_HEAD = b"version https://git-lfs.github.com/spec/"
"""With this begins every pointer (github.com/git-lfs/git-lfs, docs/spec.md)."""


def is_pointer(path: str | Path) -> bool:
    """Whether a file is a Git LFS pointer; what is no plain file, such as a pipe, is not opened."""
    try:
        if not Path(path).is_file():
            return False
        with Path(path).open("rb") as file:
            return file.read(len(_HEAD)) == _HEAD
    except (OSError, ValueError):
        return False


def require_no_pointer(path: str | Path, expected: str, *, error: type[SrError]) -> None:
    """Raise `error` for a Git LFS pointer.

    Args:
        path: A file; one that is missing or cannot be read is left to who reads it.
        expected: What it should be, with its article.
        error: What to raise.
    """
    if is_pointer(path):
        raise error(
            f"expected {expected}, found a Git LFS pointer to one: {path}; fetch the file itself "
            "with: git lfs pull"
        )
