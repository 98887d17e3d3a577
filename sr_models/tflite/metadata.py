"""What the metadata of a `.tflite` file says of its input: how pixels are normalized for it.

Metadata is a flatbuffer of its own inside of a buffer of the file (`metadata_schema.fbs` of TFLite
Support, identifier M001). Only the way to the first input's normalization is followed; each offset
and length on it is checked against the buffer, and what leads out of it says nothing.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from sr_models.ground.pixel_range import Ends
from sr_models.tflite.verifying import Damage

_ENTRY, _IDENTIFIER = b"TFLITE_METADATA", b"M001"
_SUBGRAPHS, _INPUTS, _UNITS, _KIND, _OPTIONS = 3, 2, 4, 0, 1
"""Slots of the fields that are followed, each of the table before."""
_MEAN, _STD = 0, 1
_NORMALIZATION = 1
_MOST_UNITS, _MOST_CHANNELS = 64, 256
_WHITE = 255.0
_ALIKE = 1 / 510
_WIDTHS = (1e-2, 1e3)
"""How far white is from black at least and at most; what is beyond was meant otherwise."""


@dataclass(frozen=True)
class Normalization:
    """How a file wants its pixels: (pixel - mean) / std, a number for each channel or one for all.

    Attributes:
        mean: In pixels of 0..255.
        std: The same.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def ends(self) -> Ends | None:
        """Black and white of the input; `None` where channels differ, or pictures cannot be so."""
        count = max(len(self.mean), len(self.std))
        if not all(len(values) in (1, count) for values in (self.mean, self.std)):
            return None
        pairs = zip(
            self.mean * (count // len(self.mean)), self.std * (count // len(self.std)), strict=True
        )
        found = [
            Ends(0.0 - mean / std, (_WHITE - mean) / std)
            for mean, std in pairs
            if math.isfinite(mean) and math.isfinite(std) and std > 0.0
        ]
        if len(found) < count or not _WIDTHS[0] <= found[0].width <= _WIDTHS[1]:
            return None
        return found[0] if all(is_near(ends, found[0]) for ends in found) else None


def is_near(ends: Ends, others: Ends) -> bool:
    """Whether two ranges of pictures are one, to half a code."""
    slack = _ALIKE * others.width
    return max(abs(a - b) for a, b in zip(ends, others)) <= slack


def read_normalization(model: schema.ModelT) -> Normalization | None:
    """What the metadata of an unpacked file says of its first input; `None` where it says nothing.

    Damaged metadata says nothing.
    """
    for entry in model.metadata or ():
        if entry.name == _ENTRY and entry.buffer < len(model.buffers):
            data = model.buffers[entry.buffer].data
            content = b"" if data is None else np.asarray(data, np.uint8).tobytes()
            try:
                return _of_first_input(content)
            except Damage:
                return None
    return None


def _of_first_input(data: bytes) -> Normalization | None:
    if data[4:8] != _IDENTIFIER:
        return None
    subgraph = next(_Table.root(data).tables(_SUBGRAPHS), None)
    tensor = subgraph and next(subgraph.tables(_INPUTS), None)
    for unit in tensor.tables(_UNITS) if tensor else ():
        options = unit.table(_OPTIONS)
        if unit.byte(_KIND) == _NORMALIZATION and options:
            mean, std = options.floats(_MEAN), options.floats(_STD)
            return Normalization(mean, std) if mean and std else None
    return None


@dataclass(frozen=True)
class _Table:
    """A table of a flatbuffer; whatever leads out of the data raises `Damage`."""

    data: bytes
    place: int

    @classmethod
    def root(cls, data: bytes) -> _Table:
        return cls(data, _followed(data, 0))

    def _field(self, slot: int) -> int | None:
        vtable = self.place - _number(self.data, "<i", self.place)
        length = _number(self.data, "<H", vtable)
        if 6 + 2 * slot > length:
            return None
        offset = _number(self.data, "<H", vtable + 4 + 2 * slot)
        return self.place + offset if offset else None

    def byte(self, slot: int) -> int:
        field = self._field(slot)
        return 0 if field is None else _number(self.data, "<B", field)

    def table(self, slot: int) -> _Table | None:
        field = self._field(slot)
        return None if field is None else _Table(self.data, _followed(self.data, field))

    def tables(self, slot: int) -> Iterator[_Table]:
        """The tables of a vector, as many as are looked at."""
        if (field := self._field(slot)) is not None:
            start = _followed(self.data, field)
            for index in range(min(_number(self.data, "<I", start), _MOST_UNITS)):
                yield _Table(self.data, _followed(self.data, start + 4 + 4 * index))

    def floats(self, slot: int) -> tuple[float, ...]:
        if (field := self._field(slot)) is None:
            return ()
        start = _followed(self.data, field)
        count = _number(self.data, "<I", start)
        if count > _MOST_CHANNELS:
            raise Damage(f"it claims {count} channels")
        return tuple(_number(self.data, "<f", start + 4 + 4 * i) for i in range(count))


def _followed(data: bytes, place: int) -> int:
    return place + _number(data, "<I", place)


def _number(data: bytes, kind: str, place: int):
    if not 0 <= place <= len(data) - struct.calcsize(kind):
        raise Damage(f"an offset leads to byte {place} of {len(data)}")
    return struct.unpack_from(kind, data, place)[0]
