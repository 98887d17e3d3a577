"""Whether every offset in a `.tflite` file leads to something that lies in the file.

The Python classes of the schema read wherever an offset points to, and believe every length. A few
flipped bits make them loop over gigabytes. Nothing reads a file before this has.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass

from ai_edge_litert import schema_py_generated as schema

from sr_models.tflite.schema_tables import (
    FIELDS,
    Field,
    Table,
    Tables,
    Union,
    Vector,
    members_of,
    slots_of,
)


class BadReference(Exception):
    """An index that names nothing, or an order in which the graph cannot be run."""


def check_references(tables: schema.ModelT) -> None:
    """Check indices of tensors, buffers, operator codes and subgraphs, and the order of operators.

    A file lists its operators in the order in which they run; one that reads what only a later one
    writes, itself included, is a cycle.

    Raises:
        BadReference: With what is wrong.
    """
    buffers = len(_list(tables.buffers))
    graphs = _list(tables.subgraphs)
    if not graphs:
        raise BadReference("it has no graph")
    for graph in graphs:
        _check_graph(graph, buffers=buffers, codes=len(_list(tables.operatorCodes)))
    _require((entry.buffer for entry in _list(tables.metadata)), buffers, "metadata", "buffer")
    _require(_list(tables.metadataBuffer), buffers, "metadata", "buffer")
    for signature in _list(tables.signatureDefs):
        _require([signature.subgraphIndex], len(graphs), "a signature", "graph")
        count = len(_list(graphs[signature.subgraphIndex].tensors))
        maps = [*_list(signature.inputs), *_list(signature.outputs)]
        _require((entry.tensorIndex for entry in maps), count, "a signature", "tensor")


def _check_graph(graph: schema.SubGraphT, *, buffers: int, codes: int) -> None:
    tensors, operators = _list(graph.tensors), _list(graph.operators)
    _require((tensor.buffer for tensor in tensors), buffers, "a tensor", "buffer")
    _require(_list(graph.inputs), len(tensors), "the graph", "tensor")
    _require(_list(graph.outputs), len(tensors), "the graph", "tensor")
    written_by: dict[int, int] = {}
    for place, operator in enumerate(operators):
        who = f"operator {place}"
        _require([operator.opcodeIndex], codes, who, "operator code")
        _require(_list(operator.inputs), len(tensors), who, "tensor", absent=True)
        _require(_list(operator.outputs), len(tensors), who, "tensor")
        _require(_list(operator.intermediates), len(tensors), who, "tensor", absent=True)
        for tensor in _list(operator.outputs):
            if int(tensor) in written_by:
                raise BadReference(f"{who} writes tensor {tensor}, and so does another operator")
            written_by[int(tensor)] = place
    for place, operator in enumerate(operators):
        for tensor in _list(operator.inputs):
            if written_by.get(int(tensor), -1) >= place:
                raise BadReference(
                    f"operator {place} reads tensor {tensor} before operator "
                    f"{written_by[int(tensor)]} writes it"
                )


def _require(
    indices: Iterable[int], count: int, who: str, what: str, *, absent: bool = False
) -> None:
    for index in indices:
        if not (-1 if absent else 0) <= index < count:
            raise BadReference(f"{who} names {what} {index} of {count}")


def _list(values) -> list:
    return [] if values is None else list(values)


MAX_TABLES = 300_000
"""A network of fifty thousand operators; each table costs about a kilobyte when it is unpacked."""

_U16, _U32, _I32 = struct.Struct("<H"), struct.Struct("<I"), struct.Struct("<i")


class Damage(Exception):
    """What is wrong with a file, and at which byte."""


@dataclass(frozen=True)
class Verified:
    """A file whose offsets are sound.

    Attributes:
        end: Byte behind the last one that any table, vector or string occupies.
        newer: Tables with fields or types that the installed schema does not know.
    """

    end: int
    newer: tuple[str, ...]


def verify_flatbuffer(data: bytes) -> Verified:
    """Walk all tables of a file and check each offset and length against the file's size.

    Offsets point forward, so no table can lead back to itself; but many may lead to one, and a
    small file unfold into a huge one. All vectors together must fit into the file, as they do where
    none is shared, and so must all tables.

    Raises:
        Damage: An offset or a length leads out of the file, or the file claims more than it holds.
    """
    return _Walk(data).run()


class _Walk:
    def __init__(self, data: bytes):
        self.data, self.size = data, len(data)
        self.end, self.tables, self.bytes = 8, 0, 0
        self.most_tables = min(MAX_TABLES, self.size // 8)
        self.newer: dict[str, None] = {}
        self.waiting: list[tuple[int, str]] = []

    def run(self) -> Verified:
        if self.size < 8:
            raise Damage(f"it has {self.size} bytes")
        self.waiting.append((self._follow(0), "Model"))
        while self.waiting:
            self._table(*self.waiting.pop())
        return Verified(self.end, tuple(self.newer))

    def _table(self, place: int, name: str) -> None:
        self.tables += 1
        if self.tables > self.most_tables:
            raise Damage(f"it claims more than {self.most_tables} tables")
        vtable = place - self._number(_I32, place)
        length = self._number(_U16, vtable)
        inline = self._number(_U16, vtable + 2)
        if length < 4 or length % 2 or vtable + length > self.size:
            raise Damage(f"the table at byte {place} has no fields where byte {vtable} says")
        if inline < 4 or place + inline > self.size:
            raise Damage(f"the table at byte {place} ends behind the file")
        self._occupy(vtable + length)
        self._occupy(place + inline)
        fields = self.data[vtable + 4 : vtable + length]
        slots = [offset for (offset,) in _U16.iter_unpack(fields)]
        if any(offset >= inline for offset in slots):
            raise Damage(f"a field of the table at byte {place} lies outside of it")
        known = slots_of(name)
        if known is None or any(slots[known:]):
            self.newer[name] = None
        for slot, kind in FIELDS.get(name, {}).items():
            if slot < len(slots) and slots[slot]:
                if slots[slot] + 4 > inline:
                    raise Damage(f"a field of the table at byte {place} lies outside of it")
                # The type of a union stands in the slot before; without one nobody reads the union.
                member = self.data[place + slots[slot - 1]] if slot and slots[slot - 1] else 0
                self._field(kind, place + slots[slot], member=member)

    def _field(self, kind: Field, place: int, *, member: int) -> None:
        target = self._follow(place)
        match kind:
            case Vector(width):
                self._vector(target, width)
            case Table(name):
                self.waiting.append((target, name))
            case Tables(name):
                for index in range(self._vector(target, 4)):
                    entry = self._follow(target + 4 + 4 * index)
                    self.waiting.append((entry, name))
                    if len(self.waiting) > self.most_tables:
                        raise Damage(f"it claims more than {self.most_tables} tables")
            case Union(name) if member:
                table = members_of(name).get(member, f"{name} of type {member}")
                self.waiting.append((target, table))

    def _vector(self, place: int, width: int) -> int:
        count = self._number(_U32, place)
        end = place + 4 + count * width
        if end > self.size:
            raise Damage(f"the vector at byte {place} claims {count * width} bytes, behind the end")
        self.bytes += count * width
        if self.bytes > self.size:
            raise Damage("its vectors together claim more bytes than it has")
        self._occupy(end)
        return count

    def _follow(self, place: int) -> int:
        target = place + self._number(_U32, place)
        if target == place:
            raise Damage(f"the offset at byte {place} leads nowhere")
        return target

    def _number(self, kind: struct.Struct, place: int) -> int:
        if place < 0 or place + kind.size > self.size:
            raise Damage(f"an offset leads to byte {place} of {self.size}")
        return kind.unpack_from(self.data, place)[0]

    def _occupy(self, end: int) -> None:
        if end > self.end:
            self.end = end
