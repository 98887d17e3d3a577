"""The seal of a bundle: the hash of every file, so that a change of any byte has a name.

The manifest holds the hashes of all other files, and `SHA256SUMS` those of all files with the
manifest (`sha256sum -c SHA256SUMS` checks it without us). Neither is signed: they show damage and
mix-ups, and whoever wants to deceive can write both anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from export.bundle.layout import MANIFEST, SUMS
from sr_models.errors import BundleError
from sr_models.provenance import file_sha256

_ANEW = "get the bundle anew"
_MOST_BYTES = 2**24
"""More than any manifest has; nothing larger is read."""


def hash_files(folder: Path, files: Sequence[str]) -> dict[str, dict[str, Any]]:
    """SHA-256 and size of files, by path, sorted; the manifest and the sums are left out."""
    return {
        name: {"sha256": file_sha256(folder / name), "size_bytes": (folder / name).stat().st_size}
        for name in sorted(files)
        if name not in (MANIFEST, SUMS)
    }


def sums_text(files: Mapping[str, Mapping[str, Any]], *, manifest_sha256: str) -> str:
    """The text of `SHA256SUMS`, as `sha256sum` writes and reads it."""
    sums = {name: entry["sha256"] for name, entry in files.items()} | {MANIFEST: manifest_sha256}
    return "".join(f"{sums[name]}  {name}\n" for name in sorted(sums))


def require_manifest_sum(folder: Path) -> None:
    """Raise `BundleError` where the manifest is not the one that `SHA256SUMS` names."""
    for name in (MANIFEST, SUMS):
        if not (folder / name).is_file():
            raise BundleError(f"expected {name} in {folder}, found none; {_ANEW}")
        if (size := (folder / name).stat().st_size) > _MOST_BYTES:
            raise BundleError(
                f"expected at most {_MOST_BYTES} bytes in {name}, found {size}; "
                "do not use this bundle"
            )
    found = file_sha256(folder / MANIFEST)
    text = (folder / SUMS).read_bytes().decode("utf-8", "replace")
    lines = (line.partition("  ") for line in text.splitlines())
    expected = next((sha for sha, _, name in lines if name == MANIFEST), None)
    if found != expected:
        raise BundleError(
            f"expected the {MANIFEST} that {SUMS} names ({_short(expected)}), found another "
            f"({_short(found)}); one of the two was changed: {_ANEW}"
        )


def require_sealed(
    folder: Path, present: Sequence[str], files: Mapping[str, Mapping[str, Any]]
) -> None:
    """Raise `BundleError`, naming the file, where a bundle is not what its manifest says.

    Args:
        folder: The bundle.
        present: Paths of the files in it.
        files: The manifest's entries of all files but itself and `SHA256SUMS`.
    """
    known = {*files, MANIFEST, SUMS}
    for name in files:
        if name not in present:
            raise BundleError(f"expected {name} in {folder}, found none; {_ANEW}")
    for name in present:
        if name not in known:
            raise BundleError(
                f"expected no other files than the manifest's, found {name} in {folder}; remove it"
            )
    for name, entry in files.items():
        size = (folder / name).stat().st_size
        if size != entry["size_bytes"]:
            raise BundleError(
                f"expected {entry['size_bytes']} bytes in {name}, found {size}: it was changed; "
                f"{_ANEW}"
            )
        if (found := file_sha256(folder / name)) != entry["sha256"]:
            raise BundleError(
                f"expected {name} of sha256 {_short(entry['sha256'])}, found {_short(found)}: it "
                f"was changed; {_ANEW}"
            )
    expected = sums_text(files, manifest_sha256=file_sha256(folder / MANIFEST))
    if (folder / SUMS).read_bytes() != expected.encode():
        raise BundleError(f"expected the sums of the manifest, found others in {SUMS}; {_ANEW}")


def _short(sha: str | None) -> str:
    return sha[:12] if sha else "none"
