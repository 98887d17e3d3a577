"""The archive that may stand behind a model's tables: labels and the like, as zip."""

from __future__ import annotations

import io
import struct
import zipfile
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from sr_models.ground.errors import ModelFileError
from sr_models.tflite.unpacked import UnpackedModel, unpack
from sr_models.tflite.verifying import verify_flatbuffer
from sr_models.tflite.writing import pack_model

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


_ATOMS = (bool, int, float, str, bytes, type(None))


def differences(first: Any, second: Any, *, place: str = "model", most: int = 8) -> list[str]:
    """Where the tables of two unpacked files differ, in words; empty where they say the same.

    Every field of every table is compared, numbers bit by bit. A vector without elements and an
    absent one are the same, as they are to every reader of the schema.

    Args:
        first: A table, list, vector or value of the schema's object classes.
        second: The other one.
        place: What the message calls it.
        most: Stop after so many.
    """
    found: list[str] = []
    _compare(first, second, place, found, most)
    return found


def _compare(first: Any, second: Any, place: str, found: list[str], most: int) -> None:
    if len(found) >= most:
        return
    if _is_vector(first) or _is_vector(second):
        _compare_vectors(first, second, place, found, most)
    elif isinstance(first, _ATOMS) or isinstance(second, _ATOMS):
        if _atom(first) != _atom(second):
            found.append(f"{place}: {first!r} and {second!r}")
    elif type(first).__name__.lstrip("_") != type(second).__name__.lstrip("_"):
        found.append(f"{place}: {type(first).__name__} and {type(second).__name__}")
    else:
        for name in sorted(vars(first)):
            _compare(getattr(first, name), getattr(second, name), f"{place}.{name}", found, most)


def _compare_vectors(first: Any, second: Any, place: str, found: list[str], most: int) -> None:
    first, second = ([] if value is None else value for value in (first, second))
    if not (_is_vector(first) and _is_vector(second)) or len(first) != len(second):
        found.append(f"{place}: {_size(first)} and {_size(second)} elements")
    elif isinstance(first, np.ndarray) or isinstance(second, np.ndarray):
        if len(first) and np.asarray(first).tobytes() != np.asarray(second).tobytes():
            found.append(f"{place}: other values")
    else:
        for index, (one, other) in enumerate(zip(first, second)):
            _compare(one, other, f"{place}[{index}]", found, most)


def _is_vector(value: Any) -> bool:
    return isinstance(value, (list, np.ndarray))


def _size(value: Any) -> Any:
    return len(value) if _is_vector(value) else type(value).__name__


def _atom(value: Any) -> Any:
    # Bit by bit: NaN is itself, and -0.0 is not 0.0.
    return value.hex() if isinstance(value, float) else value


# Records places of operators, which move when one of them goes.
_PLACE_RECORDS = (b"model_control_dependencies",)


def require_repackable(model: UnpackedModel) -> None:
    """Raise `ModelFileError` where a file holds what could not be written again as it was."""
    tables, verified = model.tables, verify_flatbuffer(model.file.data)
    if verified.newer:
        raise _cannot(model, f"{verified.newer[0]} is of a newer schema than the installed one")
    if any(buffer.offset > 1 or buffer.size > 1 for buffer in tables.buffers or ()):
        raise _cannot(model, "constants are kept outside of its tables")
    operators = [op for sub in tables.subgraphs for op in sub.operators or ()]
    if any(op.largeCustomOptionsOffset > 1 for op in operators) or tables.externalBuffers:
        raise _cannot(model, "constants or options are kept outside of its tables")
    for entry in tables.metadata or ():
        if entry.name in _PLACE_RECORDS:
            raise _cannot(model, f"metadata {entry.name.decode()} counts operators by place")
    known = {*model.graph.inputs, *model.graph.outputs}
    for signature in tables.signatureDefs or ():
        maps = [*(signature.inputs or ()), *(signature.outputs or ())]
        if signature.subgraphIndex == 0 and {entry.tensorIndex for entry in maps} - known:
            raise _cannot(model, "a signature names tensors inside of the network")
    _archive(model, end=verified.end)


def repack(model: UnpackedModel, tables: schema.ModelT) -> bytes:
    """The content of a file with other tables; an archive behind the old ones comes along.

    Args:
        model: The old file.
        tables: The new tables.

    Raises:
        ModelFileError: They do not read back as what was written, or the archive cannot be moved.
    """
    content = pack_model(tables)
    if found := differences(tables, unpack(content).tables):
        raise _cannot(model, f"the new one does not read back as it was written ({found[0]})")
    end = verify_flatbuffer(model.file.data).end
    archive = _archive(model, end=end)
    try:
        return append_archive(content, archive, start=len(model.file.data) - len(archive))
    except Unmovable as reason:
        raise _cannot(model, str(reason)) from None


def _archive(model: UnpackedModel, *, end: int) -> bytes:
    try:
        return appended_to(model.file.data, end)
    except Unmovable as reason:
        raise _cannot(model, str(reason)) from None


def _cannot(model: UnpackedModel, why: str) -> ModelFileError:
    return ModelFileError(
        f"expected a file that can be written again, found {model.file.name}, where {why}; use the "
        "file as it is, or export it again"
    )
