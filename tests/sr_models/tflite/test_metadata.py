"""Normalization read from metadata, and from metadata that is damaged."""

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from sr_models.ground.pixel_range import BYTE_ENDS, SIGNED_ENDS, UNIT_ENDS, Ends
from sr_models.tflite.metadata import read_normalization
from tests.metadata_files import attach, normalizing


def read(metadata: bytes):
    tables = schema.ModelT()
    tables.buffers = [schema.BufferT()]
    return read_normalization(attach(tables, metadata))


@pytest.mark.parametrize(
    ("mean", "std", "ends"),
    [
        ([127.5], [127.5], SIGNED_ENDS),
        ([0.0], [255.0], UNIT_ENDS),
        ([0.0] * 3, [1.0] * 3, BYTE_ENDS),
        ([127.0], [128.0, 128.0, 128.0], Ends(-127 / 128, 1.0)),
        ([123.7, 116.8, 103.5], [58.4, 57.1, 57.4], None),  # of ImageNet, by channel
        ([0.0], [0.0], None),
        ([0.0], [-1.0], None),
        ([0.0], [np.nan], None),
        ([0.0], [1 / 255], None),
        ([0.0, 0.0], [1.0, 1.0, 1.0], None),
    ],
)
def test_black_and_white_follow_from_mean_and_deviation(mean, std, ends):
    found = read(normalizing(mean, std))
    assert found.mean == tuple(np.float32(mean)) or np.isnan(std).any()
    assert found.ends == (ends and pytest.approx(ends))


def test_what_is_no_metadata_says_nothing():
    assert read(normalizing([], [1.0])) is None
    assert read(normalizing([0.0] * 300, [1.0])) is None
    whole = normalizing([127.5], [127.5])
    assert read(whole[:4] + b"M002" + whole[8:]) is None
    for content in (b"", b"M001", b"\xff" * 64, b"\x00" * 4 + b"M001" + b"\x00" * 40):
        assert read(content) is None
    tables = schema.ModelT()
    tables.buffers, entry = [schema.BufferT()], schema.MetadataT()
    entry.name, entry.buffer = b"TFLITE_METADATA", 7
    tables.metadata = [entry]
    assert read_normalization(tables) is None and read_normalization(schema.ModelT()) is None


def test_damaged_metadata_never_raises():
    whole, rng = normalizing([127.5] * 3, [127.5] * 3), np.random.default_rng(5)
    assert all(read(whole[:size]) is None or size > 60 for size in range(len(whole)))
    for _ in range(4000):
        damaged = np.frombuffer(whole, np.uint8).copy()
        places = rng.integers(0, damaged.size, rng.integers(1, 6))
        damaged[places] = rng.integers(0, 256, places.size)
        found = read(damaged.tobytes())
        assert found is None or len(found.mean) <= 256
        _ = found and found.ends
