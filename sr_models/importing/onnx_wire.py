"""How much an ONNX file would make of itself in memory, counted before it is parsed.

A message of two bytes takes fifty or more once it is parsed, so a file of a few hundred megabytes
could ask for tens of gigabytes. Weights are one run of bytes each and cost what they say. (The
layout: protobuf.dev, "Encoding"; the numbers of fields: onnx/onnx.proto3.)
"""

from __future__ import annotations

from sr_models.ground.errors import NetworkError

MOST_RECORDS = 500_000
MOST_OTHER_BYTES = 32 << 20

_INSIDE = {
    "model": {7: "graph"},
    "graph": {1: "node", 5: "tensor"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor"},
    "tensor": {},
}
"""Message -> field -> the message in it that is looked into."""
_WEIGHTS = (4, 9, 10)
"""Fields of a tensor that hold numbers as in memory; the others grow to eight times as much."""
_FIXED = {1: 8, 5: 4}
_BYTES = 2


def require_moderate(content: bytes, name: str) -> None:
    """Raise `NetworkError` for a file that is no protobuf, or holds more than a network has.

    Args:
        content: The whole file.
        name: What to call it.
    """
    try:
        records, others = _counted(content)
    except (IndexError, ValueError) as error:
        raise NetworkError(
            f"expected a whole ONNX file, found a damaged or another one: {name}; export the "
            "network anew"
        ) from error
    if records > MOST_RECORDS or others > MOST_OTHER_BYTES:
        raise NetworkError(
            f"expected at most {MOST_RECORDS} entries and {MOST_OTHER_BYTES >> 20} MiB beside "
            f"weights in an ONNX file, found more: {name}; give a super-resolution network"
        )


def _counted(content: bytes) -> tuple[int, int]:
    """Records in all messages looked into, and bytes of those that are not looked into."""
    records = others = 0
    waiting = [("model", 0, len(content))]
    while waiting:
        message, place, end = waiting.pop()
        while place < end:
            records += 1
            if records > MOST_RECORDS or others > MOST_OTHER_BYTES:
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
            inner = _INSIDE[message].get(field)
            if inner is not None:
                waiting.append((inner, place, place + size))
            elif not (message == "tensor" and field in _WEIGHTS):
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
