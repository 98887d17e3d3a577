"""Files and folders that are either the old ones or the new ones, never halves."""

from __future__ import annotations

import ctypes
import errno
import fnmatch
import hashlib
import importlib.metadata
import os
import platform
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from sr_models.ground.errors import OutputError


def subfolder_of(path: Path, folder: str | Path) -> str:
    """Name of the subfolder of `folder` that a picture lies in, however deep, or its own name."""
    inside = path.relative_to(folder).parts
    return inside[0] if len(inside) > 1 else Path(folder).resolve().name


def output_error(path: str | Path, error: OSError) -> OutputError:
    """The message for an operating-system error while writing `path`."""
    remedies = {
        errno.EACCES: "choose a folder you may write to",
        errno.EPERM: "choose a folder you may write to",
        errno.EROFS: "choose a folder you may write to",
        errno.ENOSPC: "free some space or choose another disk",
        errno.EDQUOT: "free some space or choose another disk",
        errno.EFBIG: "raise the limit on file sizes or choose another disk",
        errno.ENOTDIR: "a file stands where a folder is needed; choose another path",
        errno.EEXIST: "a file stands where a folder is needed; choose another path",
        errno.EISDIR: "a folder stands where a file is needed; choose another path",
    }
    remedy = remedies.get(error.errno, "choose another path")
    # Libraries put whole paragraphs where the system has a phrase; the number is more reliable.
    reason = (os.strerror(error.errno) if error.errno else str(error)).lower()
    return OutputError(f"expected to write {path}, found: {reason}; {remedy}")


def refuse_existing(path: str | Path, *, overwrite: bool, replaces: Sequence[str] = ("*",)) -> None:
    """Raise `OutputError` where `path` exists and must not be replaced.

    Args:
        path: What shall be written.
        overwrite: Whether the user allows it to be replaced.
        replaces: Shell patterns of the names that a folder may hold to be replaced at all: those
            that we write ourselves, so that no one loses pictures by a slip.
    """
    path = Path(path)
    if not path.name:
        raise OutputError(f"expected a path with a name, found {str(path)!r}; give another path")
    if not path.exists():
        return
    if not overwrite:
        raise OutputError(
            f"expected a new path, found that {path} exists; give --overwrite or another path"
        )
    if path.is_dir():
        for inside in sorted(path.iterdir()):
            if not any(fnmatch.fnmatch(inside.name, pattern) for pattern in replaces):
                raise OutputError(
                    f"expected a folder that an earlier run wrote, found {inside.name} in {path}; "
                    "give another path"
                )


def require_free_folder(
    path: str | Path, *, overwrite: bool, replaces: Sequence[str] = ("*",)
) -> None:
    """Raise `OutputError` at once where `writing_folder` would not write `path` after long work.

    Args:
        path: The folder that shall be written.
        overwrite: See `refuse_existing`.
        replaces: See `refuse_existing`.
    """
    path = Path(path)
    try:
        recover_folder(path)
    except OSError as error:
        raise output_error(path, error) from error
    refuse_existing(path, overwrite=overwrite, replaces=replaces)
    if path.exists() and not path.is_dir():
        raise OutputError(f"expected a folder, found a file at {path}; choose another path")
    require_writable(path)


def require_writable(path: str | Path) -> None:
    """Raise `OutputError` at once where `path` could not be written after long work.

    The nearest folder above it that exists is tried with an empty file; nothing is left.
    """
    if not Path(path).name:
        raise OutputError(f"expected a path with a name, found {str(path)!r}; give another path")
    try:
        folder = Path(path).absolute().parent
        while not folder.exists():
            folder = folder.parent
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise output_error(path, error) from error


@contextmanager
def writing_file(path: str | Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to; renamed on success, removed on failure.

    Raises:
        OutputError: The place cannot be written to, or the disk is full.
    """
    path = Path(path)
    # All suffixes are kept: Keras takes the format of weights from `.weights.h5`.
    beside = path.with_name(f".{path.name}.{os.getpid()}.partial{''.join(path.suffixes)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield beside
            with beside.open("rb+") as written:
                os.fsync(written.fileno())
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise output_error(path, error) from error


@contextmanager
def writing_folder(
    path: str | Path, *, overwrite: bool, replaces: Sequence[str] = ("*",)
) -> Iterator[Path]:
    """Yield a new folder beside `path` to fill; it takes the place of `path` on success.

    A kill at any moment leaves the old folder or the new one: the two are exchanged in one step.
    Where the file system cannot do that, the old folder is renamed aside first, and
    `recover_folder` undoes a kill between the two renames.

    Raises:
        OutputError: `path` exists and `overwrite` is false, holds what `replaces` does not name
            (see `refuse_existing`), or cannot be written to.
    """
    path = Path(path)
    try:
        require_free_folder(path, overwrite=overwrite, replaces=replaces)
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{path.name}.partial-", dir=path.parent))
        try:
            beside.chmod(0o777 & ~_umask())
            yield beside
            _take_place(beside, path)
        finally:
            # After an exchange this is the old folder.
            shutil.rmtree(beside, ignore_errors=True)
    except OSError as error:
        with suppress(OSError):
            recover_folder(path)
        raise output_error(path, error) from error


def _take_place(beside: Path, path: Path) -> None:
    if not path.exists():
        beside.rename(path)
    elif not _exchange(beside, path):
        path.rename(_aside(path))
        beside.rename(path)
        shutil.rmtree(_aside(path), ignore_errors=True)


def _exchange(first: Path, second: Path) -> bool:
    """Exchange two paths in one step (Linux `renameat2`); false where that is not possible."""
    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    try:
        renameat2 = ctypes.CDLL(None).renameat2
    except (AttributeError, OSError, TypeError):
        return False
    return renameat2(here, os.fsencode(first), here, os.fsencode(second), exchange) == 0


def recover_folder(path: str | Path) -> None:
    """Put the old folder back where a kill came between the two renames of a replacement."""
    path = Path(path)
    aside = _aside(path)
    if aside.is_dir():
        if path.exists():
            shutil.rmtree(aside, ignore_errors=True)
        else:
            aside.rename(path)


def _aside(path: Path) -> Path:
    return path.with_name(f".{path.name}.replaced")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def file_sha256(path: str | Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def tool_versions(packages: Iterable[str]) -> dict[str, str]:
    """Versions of Python and of `packages`, `"not installed"` where one is absent."""
    versions = {"python": platform.python_version()}
    for package in packages:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return versions
