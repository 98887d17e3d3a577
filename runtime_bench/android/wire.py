"""Protocol buffers read within bounds: fields of a message by number, and nothing believed unseen.

The two files that `benchmark_model` writes are small and have few fields, so that the wire format
(protobuf.dev/programming-guides/encoding) is read here, and no generated code is needed whose
version must fit that of another package.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from typing import Any

from sr_models.ground.errors import SrError

MOST_BYTES = 8 << 20
"""More than any file that is read here has; what is larger is refused before it is copied."""
# A message of two-byte fields takes a hundred times its size as objects.
_MOST_FIELDS = 1 << 18
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_WIDTHS = {_FIXED64: 8, _FIXED32: 4}


class WireError(SrError):
    """A file that is no whole message of the kind that it should be."""


class Message:
    """The fields of one message; numbers and lengths were checked, meanings were not.

    A field that is not there is `None` or empty. One that comes several times counts by its last
    value, as protobuf has it.
    """

    def __init__(self, data: bytes, name: str):
        """Take a message apart.

        Args:
            data: Its bytes.
            name: What it is called in messages, e.g. `results.pb`.

        Raises:
            WireError: The bytes end in the middle of a field, or are no message.
        """
        self.name = name
        if len(data) > MOST_BYTES:
            raise self.wrong(f"{len(data)} bytes, more than any has")
        self._fields: dict[int, list[tuple[int, Any]]] = {}
        place = count = 0
        while place < len(data):
            key, place = self._varint(data, place)
            number, kind = key >> 3, key & 7
            count += 1
            if not 0 < number < 1 << 29 or count > _MOST_FIELDS:
                raise self.wrong(f"no message at byte {place}")
            value, place = self._value(data, place, kind)
            self._fields.setdefault(number, []).append((kind, value))

    def wrong(self, found: str) -> WireError:
        """The error to raise for content that cannot be."""
        return WireError(
            f"expected a whole {self.name} from benchmark_model, found {found}; run it again, or "
            "give another benchmark_model"
        )

    def text(self, number: int, *, most: int = 80) -> str:
        """A text, printable and at most `most` characters long."""
        value = self._last(number, _BYTES)
        text = "" if value is None else value[: 4 * most].decode("utf-8", errors="replace")
        return re.sub(r"[^\x20-\x7e]", "?", text)[:most]

    def integer(self, number: int) -> int | None:
        """A number of int32, int64 or an enum."""
        value = self._last(number, _VARINT)
        return None if value is None else _signed(value)

    def real(self, number: int) -> float | None:
        """A `float`, as the decimal with the fewest digits that gives the same float."""
        value = self._last(number, _FIXED32)
        if value is None:
            return None
        texts = (f"{struct.unpack('<f', value)[0]:.{digits}g}" for digits in range(6, 10))
        return next(float(text) for text in texts if _same_float(text, value))

    def integers(self, number: int) -> list[int]:
        """All numbers of a repeated field, packed or not."""
        found = []
        for kind, value in self._fields.get(number, ()):
            if kind == _VARINT:
                found.append(_signed(value))
                continue
            self._require(kind, _BYTES, number)
            place = 0
            while place < len(value):
                one, place = self._varint(value, place)
                found.append(_signed(one))
        return found

    def message(self, number: int) -> Message | None:
        """A message within this one."""
        value = self._last(number, _BYTES)
        return None if value is None else Message(value, self.name)

    def messages(self, number: int) -> list[Message]:
        """All messages of a repeated field."""
        values = self._fields.get(number, ())
        for kind, _ in values:
            self._require(kind, _BYTES, number)
        return [Message(value, self.name) for _, value in values]

    def _last(self, number: int, kind: int) -> Any:
        if number not in self._fields:
            return None
        found, value = self._fields[number][-1]
        self._require(found, kind, number)
        return value

    def _require(self, found: int, kind: int, number: int) -> None:
        if found != kind:
            raise self.wrong(f"a field {number} of another type")

    def _value(self, data: bytes, place: int, kind: int) -> tuple[Any, int]:
        if kind == _VARINT:
            return self._varint(data, place)
        if kind == _BYTES:
            length, place = self._varint(data, place)
        elif kind in _WIDTHS:
            length = _WIDTHS[kind]
        else:
            # Groups, which no message of ours has, and two numbers that mean nothing.
            raise self.wrong(f"no message at byte {place}")
        if length > len(data) - place:
            raise self.wrong(f"it cut at byte {len(data)}")
        return data[place : place + length], place + length

    def _varint(self, data: bytes, place: int) -> tuple[int, int]:
        value = 0
        for index in range(10):
            if place + index >= len(data):
                raise self.wrong(f"it cut at byte {len(data)}")
            byte = data[place + index]
            value |= (byte & 0x7F) << 7 * index
            if byte < 0x80:
                return value & (1 << 64) - 1, place + index + 1
        raise self.wrong(f"no message at byte {place}")


def read_file(data: bytes | None, name: str, read: Callable[[Message], Any]) -> Any:
    """What `read` makes of a file; `None` where the program wrote none.

    Raises:
        WireError: The file is empty, cut, or no message.
    """
    if data is None:
        return None
    message = Message(data, name)
    if not data:
        raise message.wrong("an empty file")
    return read(message)


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _same_float(text: str, value: bytes) -> bool:
    try:
        # NaN and infinity are the same text at any number of digits.
        return text in ("nan", "inf", "-inf") or struct.pack("<f", float(text)) == value
    except OverflowError:
        return False
