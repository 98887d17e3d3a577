"""The tables of a `.tflite` file packed as a file again."""

from __future__ import annotations

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from sr_models.tflite.files import IDENTIFIER

# `force_align: 16` of `Buffer.data` in TFLite's schema.fbs; the Python classes do not know of it.
_BUFFER_ALIGNMENT = 16


class _AlignedBuffer(schema.BufferT):
    """A buffer whose data starts at a multiple of 16 bytes, as kernels may rely on."""

    def Pack(self, builder):
        data = None
        if self.data is not None:
            content = np.asarray(self.data, np.uint8).tobytes()
            builder.StartVector(1, len(content), _BUFFER_ALIGNMENT)
            builder.head -= len(content)
            builder.Bytes[builder.head : builder.head + len(content)] = content
            data = builder.EndVector()
        schema.BufferStart(builder)
        if data is not None:
            schema.BufferAddData(builder, data)
        schema.BufferAddOffset(builder, self.offset)
        schema.BufferAddSize(builder, self.size)
        return schema.BufferEnd(builder)


def pack_model(tables: schema.ModelT) -> bytes:
    """The tables as the content of a `.tflite` file."""
    plain = tables.buffers
    tables.buffers = [_aligned(buffer) for buffer in plain or ()]
    try:
        builder = flatbuffers.Builder(1024)
        builder.Finish(tables.Pack(builder), file_identifier=IDENTIFIER)
        return bytes(builder.Output())
    finally:
        tables.buffers = plain


def _aligned(buffer: schema.BufferT) -> _AlignedBuffer:
    return _AlignedBuffer(buffer.data, buffer.offset, buffer.size)
