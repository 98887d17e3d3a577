"""How much a file of protobuf would make of itself in memory, counted before it is parsed.

A message of two bytes takes fifty or more once it is parsed, so a file of a few hundred megabytes
could ask for tens of gigabytes. Weights are one run of bytes each and cost what they say. (The
layout: protobuf.dev, "Encoding"; the numbers of fields: onnx/onnx.proto3, and graph.proto,
node_def.proto, attr_value.proto and tensor.proto of tensorflow/core/framework.)
"""

from __future__ import annotations

from dataclasses import dataclass

from sr_models.ground.errors import NetworkError

MOST_OTHER_BYTES = 32 << 20


@dataclass(frozen=True)
class Format:
    """What a kind of file holds.

    Attributes:
        name: What such a file is called, with its article.
        inside: Message -> field -> the message in it that is looked into.
        weights: Fields of a `tensor` that hold numbers as in memory; the others grow to eight
            times as much.
        most_records: How many entries a network has at most.
    """

    name: str
    inside: dict[str, dict[int, str]]
    weights: tuple[int, ...]
    most_records: int

    @property
    def whole(self) -> str:
        """E.g. `"a whole ONNX file"`."""
        return f"a whole {self.name.split(maxsplit=1)[1]}"


ONNX = Format(
    "an ONNX file",
    {
        "file": {7: "graph"},
        "graph": {1: "node", 5: "tensor"},
        "node": {5: "attribute"},
        "attribute": {5: "tensor"},
        "tensor": {},
    },
    weights=(4, 9, 10),
    most_records=500_000,
)
FROZEN_GRAPH = Format(
    "a frozen graph",
    {
        "file": {1: "node"},
        "node": {5: "attribute"},
        "attribute": {2: "value"},
        "value": {8: "tensor"},
        "tensor": {},
    },
    weights=(4, 5, 6),
    most_records=1_000_000,
)
_FIXED = {1: 8, 5: 4}
_BYTES = 2


def require_moderate(content: bytes, name: str, kind: Format = ONNX) -> None:
    """Raise `NetworkError` for a file that is no protobuf, or holds more than a network has.

    Args:
        content: The whole file.
        name: What to call it.
        kind: What it should be.
    """
    try:
        records, others = _counted(content, kind)
    except (IndexError, ValueError) as error:
        raise NetworkError(
            f"expected {kind.whole}, found a damaged or another one: {name}; export the "
            "network anew"
        ) from error
    if records > kind.most_records or others > MOST_OTHER_BYTES:
        raise NetworkError(
            f"expected at most {kind.most_records} entries and {MOST_OTHER_BYTES >> 20} MiB beside "
            f"weights in {kind.name}, found more: {name}; give a super-resolution network"
        )


def _counted(content: bytes, kind: Format) -> tuple[int, int]:
    """Records in all messages looked into, and bytes of those that are not looked into."""
    records = others = 0
    waiting = [("file", 0, len(content))]
    while waiting:
        message, place, end = waiting.pop()
        while place < end:
            records += 1
            if records > kind.most_records or others > MOST_OTHER_BYTES:
                return records, others
            key, place = _varint(content, place, end)
            field, wire = key >> 3, key & 7
            if wire == 0:
                _, place = _varint(content, place, end)
                continue
            if wire in _FIXED:
                place += _FIXED[wire]
                continue
            if wire != _BYTES or not field:
                raise ValueError(f"wire type {wire}")
            size, place = _varint(content, place, end)
            if place + size > end:
                raise ValueError("a record beyond its message")
            inner = kind.inside[message].get(field)
            if inner is not None:
                waiting.append((inner, place, place + size))
            elif not (message == "tensor" and field in kind.weights):
                others += size
            place += size
        if place != end:
            raise ValueError("a record beyond its message")
    return records, others


def _varint(content: bytes, place: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if place >= end or shift > 63:
            raise ValueError("a number without end")
        byte = content[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place
