"""Metadata of TFLite Support as its own tools lay it out, written field by field."""

from __future__ import annotations

from collections.abc import Sequence

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tests.tiny_files import TinyFile


def _table(builder: flatbuffers.Builder, fields: dict[int, tuple[str, int]]) -> int:
    builder.StartObject(8)
    for slot, (kind, value) in fields.items():
        if kind == "byte":
            builder.PrependUint8Slot(slot, value, 0)
        else:
            builder.PrependUOffsetTRelativeSlot(slot, value, 0)
    return builder.EndObject()


def _vector(builder: flatbuffers.Builder, tables: Sequence[int]) -> int:
    builder.StartVector(4, len(tables), 4)
    for table in reversed(tables):
        builder.PrependUOffsetTRelative(table)
    return builder.EndVector()


def normalizing(mean: Sequence[float], std: Sequence[float]) -> bytes:
    """Metadata that normalizes the first input, behind a unit of another kind."""
    builder = flatbuffers.Builder(256)
    means, deviations = (
        builder.CreateNumpyVector(np.asarray(values, np.float32)) for values in (mean, std)
    )
    options = _table(builder, {0: ("offset", means), 1: ("offset", deviations)})
    other = _table(builder, {0: ("byte", 3), 1: ("offset", _table(builder, {}))})
    unit = _table(builder, {0: ("byte", 1), 1: ("offset", options)})
    units, name = _vector(builder, [other, unit]), builder.CreateString("picture")
    tensor = _table(builder, {0: ("offset", name), 4: ("offset", units)})
    subgraph = _table(builder, {2: ("offset", _vector(builder, [tensor]))})
    model = _table(builder, {3: ("offset", _vector(builder, [subgraph]))})
    builder.Finish(model, b"M001")
    return bytes(builder.Output())


def attach(tables: schema.ModelT, metadata: bytes) -> schema.ModelT:
    """The tables of a file with metadata in them."""
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = np.frombuffer(metadata, np.uint8)
    tables.buffers.append(buffer)
    entry.name, entry.buffer = b"TFLITE_METADATA", len(tables.buffers) - 1
    tables.metadata = [*(tables.metadata or ()), entry]
    return tables


def with_metadata(content: bytes, metadata: bytes) -> bytes:
    """A file with metadata in it."""
    file = TinyFile()
    file.tables = attach(schema.ModelT.InitFromPackedBuf(content, 0), metadata)
    return file.packed()
