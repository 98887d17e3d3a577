"""Results kept over time: a file of JSON lines, one result each, that is only ever added to."""

from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from sr_models.ground.console import finite
from sr_models.ground.errors import OptionError, OutputError
from sr_models.ground.files import output_error, require_writable

VERSION = 1
# What a result must hold to be compared with a later one, by verb.
_NEEDED: dict[str, dict[str, type | tuple[type, ...]]] = {
    "latency": {
        "model": str,
        "delegate": str,
        "threads": int,
        "input_shape": list,
        "sha256": str,
        "runtime": str,
        "median_ms": (int, float),
        "p5_ms": (int, float),
        "p95_ms": (int, float),
        "samples_ms": list,
    },
    "quality": {
        "model": str,
        "dataset": str,
        "scale": int,
        "images": int,
        "protocol": str,
        "psnr_rgb_db": (int, float, type(None)),
        "psnr_y_db": (int, float, type(None)),
    },
    "compare": {
        "baseline": dict,
        "candidate": dict,
        "speedup": (int, float),
        "speedup_low": (int, float),
        "speedup_high": (int, float),
    },
    "android": {
        "model": str,
        "delegate": str,
        "threads": int,
        "input_shape": list,
        "sha256": str,
        "runtime": str,
        "phone": str,
        "placement": str,
        # Old programs tell no median.
        "median_ms": (int, float, type(None)),
        "mean_ms": (int, float, type(None)),
    },
}
KINDS = tuple(_NEEDED)


@dataclass(frozen=True)
class HistoryEntry:
    """One line of a history.

    Attributes:
        kind: The verb that measured it, one of `KINDS`.
        date: When it was saved, UTC, ISO 8601 to the second.
        host: Name of the computer.
        machine: What `Machine.to_json` told; empty where a phone did the work, which its row names.
        protocol: How it was measured.
        result: The row as the verb gives it; latency rows with all their `samples_ms`.
    """

    kind: str
    date: str
    host: str
    machine: Mapping[str, Any]
    protocol: Mapping[str, Any]
    result: Mapping[str, Any]

    def to_json(self) -> dict:
        """The line as data."""
        return {"history": VERSION, **asdict(self)}


def new_entries(
    kind: str,
    results: Sequence[Mapping[str, Any]],
    *,
    machine: Mapping[str, Any],
    protocol: Mapping[str, Any],
    now: datetime | None = None,
) -> list[HistoryEntry]:
    """Entries of results that were measured together, dated `now`."""
    moment = (now or datetime.now(timezone.utc)).astimezone(timezone.utc)
    date = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    told = [finite(dict(result)) for result in results]
    return [HistoryEntry(kind, date, platform.node(), machine, protocol, row) for row in told]


def is_history(path: str | Path) -> bool:
    """Whether a file's name says that it is one of JSON lines."""
    return Path(path).suffix == ".jsonl"


def read_history(path: str | Path) -> list[HistoryEntry]:
    """All entries in the order in which they were saved.

    Raises:
        OptionError: The file cannot be read, or holds a line that `append_history` did not write;
            the message names the line.
    """
    try:
        lines = Path(path).read_bytes().split(b"\n")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise OptionError(
            f"expected a history written with --save, found: {reason}: {path}; check the path"
        ) from error
    return [
        _read_line(line, f"line {number} of {path}")
        for number, line in enumerate(lines, start=1)
        if line.strip()
    ]


def read_earlier(path: str | Path) -> list[HistoryEntry]:
    """As `read_history`, and no entries where nothing was saved yet; for `--against`."""
    if not Path(path).exists():
        require_writable(path)
        return []
    return read_history(path)


def require_history_target(path: str | None) -> str | None:
    """`path` itself; raises before the work where results could not be added to it.

    Raises:
        OptionError: The file that is there is no history.
        OutputError: The place cannot be written to.
    """
    if path is not None:
        if Path(path).is_dir():
            raise OutputError(f"expected a file for --save, found a folder: {path}; name a file")
        read_earlier(path)
        require_writable(path)
    return path


def append_history(path: str | Path, entries: Sequence[HistoryEntry]) -> None:
    """Add entries at the end, all or none of them; what is there is never rewritten.

    Others who add at the same time wait for each other. An error or an interrupt midway takes the
    file back to its former length.

    Raises:
        OutputError: The file cannot be written to, or the disk is full.
    """
    text = "".join(json.dumps(finite(entry.to_json()), allow_nan=False) + "\n" for entry in entries)
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            _lock(descriptor)
            size = os.fstat(descriptor).st_size
            # An editor may have taken the last newline away.
            if size and _byte_before(descriptor, size) != b"\n":
                text = "\n" + text
            try:
                _write_all(descriptor, text.encode())
            except BaseException:
                os.ftruncate(descriptor, size)
                raise
        finally:
            os.close(descriptor)
    except OSError as error:
        raise output_error(path, error) from error


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
    os.fsync(descriptor)


def _byte_before(descriptor: int, place: int) -> bytes:
    os.lseek(descriptor, place - 1, os.SEEK_SET)
    return os.read(descriptor, 1)


def _lock(descriptor: int) -> None:
    # Closing the file gives the lock back. Without fcntl (Windows) nobody waits.
    with suppress(ImportError):
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX)


def _read_line(line: bytes, place: str) -> HistoryEntry:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise OptionError(
            f"expected one result per line, found no whole JSON in {place}; delete that line, or "
            "give a file written with --save"
        ) from error
    if not isinstance(found, dict) or "history" not in found:
        raise OptionError(
            f"expected results written with --save, found other data in {place}; give another file"
        )
    if found["history"] != VERSION:
        raise OptionError(
            f"expected a history of version {VERSION}, found {found['history']!r} in {place}; "
            "give another file, or install a newer clip-free-sr"
        )
    entry = HistoryEntry(**{name: found.get(name) for name in HistoryEntry.__annotations__})
    if wrong := _wrong(entry):
        raise OptionError(
            f"expected a whole result, found no usable {wrong!r} in {place}; delete that line"
        )
    return entry


def _wrong(entry: HistoryEntry) -> str | None:
    """Name of the first thing in an entry that is missing or of another type."""
    if entry.kind not in _NEEDED:
        return "kind"
    for name in ("machine", "protocol", "result"):
        if not isinstance(getattr(entry, name), dict):
            return name
    try:
        datetime.fromisoformat(str(entry.date).replace("Z", "+00:00"))
    except ValueError:
        return "date"
    for name, kind in _NEEDED[entry.kind].items():
        value = entry.result.get(name)
        if (
            name not in entry.result
            or not isinstance(value, kind)
            or isinstance(value, bool)
            or (isinstance(value, float) and not math.isfinite(value))
        ):
            return name
    for row in ("baseline", "candidate") if entry.kind == "compare" else ():
        if not {"model", "delegate", "threads", "sha256"} <= set(entry.result[row]):
            return row
    samples = entry.result.get("samples_ms", [1.0])
    if not samples or not all(_is_duration(sample) for sample in samples):
        return "samples_ms"
    return None


def _is_duration(value: Any) -> bool:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and value > 0
