"""The archive that may stand behind a model's tables: labels and the like, as zip."""

from __future__ import annotations

import io
import struct
import zipfile

_END = struct.Struct("<4s4H2LH")
_END_MARK, _ENTRY_MARK = b"PK\x05\x06", b"PK\x01\x02"
# An entry of the directory is 46 bytes and three names long; its file's place is its last number.
_ENTRY_BYTES, _PLACE_AT = 46, 42
_ALIGNMENT = 16


class Unmovable(Exception):
    """Bytes behind the tables that cannot be carried over, and why."""


def appended_to(data: bytes, end: int) -> bytes:
    """What stands behind the tables of a file; empty where that is but filling zeros.

    Args:
        data: The file.
        end: Byte behind its tables (`Verified.end`).

    Raises:
        Unmovable: It is no archive.
    """
    rest = data[end:].lstrip(b"\0")
    if rest and not rest.startswith(b"PK\x03\x04"):
        raise Unmovable(f"{len(rest)} unknown bytes stand behind its tables")
    return rest


def append_archive(tables: bytes, archive: bytes, *, start: int) -> bytes:
    """Tables with an archive behind them again.

    An archive that was appended to a file counts places from the file's first byte, so they move
    with the tables' size.

    Args:
        tables: The new file so far.
        archive: What `appended_to` found; nothing happens to an empty one.
        start: Where it stood in the old file.

    Raises:
        Unmovable: It is damaged, or of a kind that counts places in another way.
    """
    if not archive:
        return tables
    tables += b"\0" * (-len(tables) % _ALIGNMENT)
    moved = bytearray(archive)
    place = archive.rfind(_END_MARK)
    try:
        _, _, _, _, count, size, directory, _ = _END.unpack_from(archive, place)
    except struct.error:
        raise Unmovable("the archive behind its tables is damaged") from None
    if place < 0 or size > place or directory - start != place - size:
        raise Unmovable("the archive behind its tables counts places in an unknown way")
    at = place - size
    for _ in range(count):
        if moved[at : at + 4] != _ENTRY_MARK or at + _ENTRY_BYTES > place:
            raise Unmovable("the archive behind its tables is damaged")
        lengths = struct.unpack_from("<3H", moved, at + 28)
        _shift(moved, at + _PLACE_AT, by=len(tables) - start)
        at += _ENTRY_BYTES + sum(lengths)
    _shift(moved, place + 16, by=len(tables) - start)
    content = tables + bytes(moved)
    if _names(content) != _names(b"\0" * start + archive):
        raise Unmovable("the archive behind its tables is damaged")
    return content


def _shift(data: bytearray, at: int, *, by: int) -> None:
    (place,) = struct.unpack_from("<L", data, at)
    if not 0 <= place + by < 2**32 - 1:
        raise Unmovable("the archive behind its tables counts places in an unknown way")
    struct.pack_into("<L", data, at, place + by)


def _names(content: bytes) -> list[tuple[str, int]]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            # Opening a member looks for its own header at the place that the directory gives.
            for name in archive.namelist():
                archive.open(name).close()
            return [(info.filename, info.CRC) for info in archive.infolist()]
    except (
        zipfile.BadZipFile,
        ValueError,
        OSError,
        struct.error,
        RuntimeError,
        NotImplementedError,
    ):
        raise Unmovable("the archive behind its tables is damaged") from None
