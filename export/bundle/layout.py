"""The seal of a bundle: the hash of every file, so that a change of any byte has a name.

The manifest holds the hashes of all other files, and `SHA256SUMS` those of all files with the
manifest (`sha256sum -c SHA256SUMS` checks it without us). Neither is signed: they show damage and
mix-ups, and whoever wants to deceive can write both anew.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

import jsonschema

from sr_models.ground.errors import BundleError
from sr_models.ground.files import file_sha256

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
                    f"expected plain files, found {_kind(path)}: {path}; get the bundle again"
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


_AGAIN = "get the bundle again"
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
            raise BundleError(f"expected {name} in {folder}, found none; {_AGAIN}")
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
            f"({_short(found)}); one of the two was changed: {_AGAIN}"
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
            raise BundleError(f"expected {name} in {folder}, found none; {_AGAIN}")
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
                f"{_AGAIN}"
            )
        if (found := file_sha256(folder / name)) != entry["sha256"]:
            raise BundleError(
                f"expected {name} of sha256 {_short(entry['sha256'])}, found {_short(found)}: it "
                f"was changed; {_AGAIN}"
            )
    expected = sums_text(files, manifest_sha256=file_sha256(folder / MANIFEST))
    if (folder / SUMS).read_bytes() != expected.encode():
        raise BundleError(f"expected the sums of the manifest, found others in {SUMS}; {_AGAIN}")


def _short(sha: str | None) -> str:
    return sha[:12] if sha else "none"


SCHEMA_VERSION = 2
"""2: codes may be int8. Manifests of schema 1 say nothing of an interface; theirs are uint8."""
SCHEMA_PATH = Path(__file__).with_name("manifest.schema.json")


@cache
def _validator() -> jsonschema.Draft202012Validator:
    schema = json.loads(SCHEMA_PATH.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def require_valid(manifest: Any, *, source: str = "manifest.json") -> None:
    """Raise `BundleError` for a manifest that does not follow the schema, naming the place.

    Args:
        manifest: Parsed JSON.
        source: What the message calls it.
    """
    version = manifest.get("schema_version") if isinstance(manifest, dict) else None
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise BundleError(
            f"expected a manifest of schema {SCHEMA_VERSION} or older, found {version} in "
            f"{source}; install a newer clip-free-sr"
        )
    error = jsonschema.exceptions.best_match(_validator().iter_errors(manifest))
    if error is not None:
        place = "/".join(str(part) for part in error.absolute_path) or "the whole"
        raise BundleError(
            f"expected a manifest by its schema, found in {source} at {place}: "
            f"{error.message[:160]}; export it again"
        )
