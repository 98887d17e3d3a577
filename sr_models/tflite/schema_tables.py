"""Which fields of the TFLite schema point somewhere, and to what.

Numbers within a table need no checking beyond the table's own size; a field that is an offset must
lead to something that lies in the file. Only those are listed: table -> slot -> what is there, a
slot being the field's place in the table's declaration (schema.fbs of TFLite). Tables that are not
listed hold numbers alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from ai_edge_litert import schema_py_generated as schema


@dataclass(frozen=True)
class Vector:
    """A vector of numbers, or a string.

    Attributes:
        width: Bytes of one element.
    """

    width: int


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        name: Name of its type.
    """

    name: str


@dataclass(frozen=True)
class Tables:
    """A vector of tables.

    Attributes:
        name: Name of their type.
    """

    name: str


@dataclass(frozen=True)
class Union:
    """A table whose type the slot before names.

    Attributes:
        name: Name of the enumeration of types; each member is the name of a table.
    """

    name: str


Field = Vector | Table | Tables | Union

TEXT, BYTES, SHORTS, INTS, LONGS = Vector(1), Vector(1), Vector(2), Vector(4), Vector(8)
_SLICES = {0: LONGS, 1: LONGS, 2: LONGS}

FIELDS: dict[str, dict[int, Field]] = {
    "Model": {
        1: Tables("OperatorCode"),
        2: Tables("SubGraph"),
        3: TEXT,
        4: Tables("Buffer"),
        5: INTS,
        6: Tables("Metadata"),
        7: Tables("SignatureDef"),
        8: Tables("ExternalBufferGroup"),
        9: Tables("ExternalBuffer"),
    },
    "OperatorCode": {1: TEXT},
    "SubGraph": {0: Tables("Tensor"), 1: INTS, 2: INTS, 3: Tables("Operator"), 4: TEXT},
    "Tensor": {
        0: INTS,
        3: TEXT,
        4: Table("QuantizationParameters"),
        6: Table("SparsityParameters"),
        7: INTS,
        9: Tables("VariantSubType"),
    },
    "VariantSubType": {0: INTS},
    "QuantizationParameters": {
        0: INTS,
        1: INTS,
        2: INTS,
        3: LONGS,
        5: Union("QuantizationDetails"),
    },
    "CustomQuantization": {0: BYTES},
    "BlockwiseQuantization": {3: INTS},
    "MultiAxisQuantization": {3: INTS},
    "SparsityParameters": {0: INTS, 1: INTS, 2: Tables("DimensionMetadata")},
    "DimensionMetadata": {3: Union("SparseIndexVector"), 5: Union("SparseIndexVector")},
    "Int32Vector": {0: INTS},
    "Uint16Vector": {0: SHORTS},
    "Uint8Vector": {0: BYTES},
    "Operator": {
        1: INTS,
        2: INTS,
        4: Union("BuiltinOptions"),
        5: BYTES,
        7: BYTES,
        8: INTS,
        12: Union("BuiltinOptions2"),
    },
    "Buffer": {0: BYTES},
    "Metadata": {0: TEXT},
    "SignatureDef": {0: Tables("TensorMap"), 1: Tables("TensorMap"), 2: TEXT},
    "TensorMap": {0: TEXT},
    "ExternalBufferGroup": {0: TEXT},
    "ExternalBuffer": {4: TEXT},
    "ConcatEmbeddingsOptions": {1: INTS, 2: INTS},
    "FullyConnectedOptions": {5: BYTES},
    "ReshapeOptions": {0: INTS},
    "SqueezeOptions": {0: INTS},
    "VarHandleOptions": {0: TEXT, 1: TEXT},
    "BucketizeOptions": {0: INTS},
    "StableHLOCompositeOptions": {0: TEXT, 2: BYTES},
    "StablehloGatherOptions": {**_SLICES, 4: LONGS},
    "StablehloTransposeOptions": {0: LONGS},
    "StablehloDotGeneralOptions": {**_SLICES, 3: LONGS, 4: INTS},
    "StablehloReduceWindowOptions": {**_SLICES, 3: LONGS, 4: LONGS},
    "StablehloBroadcastInDimOptions": {0: LONGS},
    "StablehloDynamicSliceOptions": {0: LONGS},
    "StablehloPadOptions": _SLICES,
    "StablehloCustomCallOptions": {0: TEXT, 2: TEXT, 4: INTS, 5: BYTES},
    "StablehloReduceOptions": {0: LONGS},
    "StablehloSliceOptions": _SLICES,
    "StablehloConvolutionOptions": {
        **_SLICES,
        3: LONGS,
        4: BYTES,
        7: LONGS,
        10: LONGS,
        13: LONGS,
        16: INTS,
    },
    "StablehloScatterOptions": {1: LONGS, 2: LONGS, 3: LONGS},
    "StablehloCaseOptions": {0: INTS},
}


class _SlotCounter:
    """Stands in for a builder that starts a table."""

    def StartObject(self, slots: int) -> None:
        self.slots = slots


@cache
def slots_of(table: str) -> int | None:
    """Number of fields that the installed schema knows in a table, deprecated ones included.

    `None` for an unknown table.
    """
    start = getattr(schema, f"{table}Start", None)
    if start is None:
        return None
    counter = _SlotCounter()
    start(counter)
    return counter.slots


@cache
def members_of(union: str) -> dict[int, str]:
    """Number of a type in a union -> name of the table."""
    return {
        code: name
        for name, code in vars(getattr(schema, union)).items()
        if isinstance(code, int) and name != "NONE"
    }
