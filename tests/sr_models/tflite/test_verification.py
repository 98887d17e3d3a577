import struct

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from sr_models.ground.errors import ModelFileError
from sr_models.tflite.flatbuffer import read_graph
from sr_models.tflite.verifying import Damage, verify_flatbuffer
from tests.tiny_files import clipped_file


@pytest.fixture(scope="module")
def content():
    return clipped_file("MINIMUM", "RELU", "DEPTH_TO_SPACE")


def test_a_whole_file_is_sound_to_its_last_byte(content):
    found = verify_flatbuffer(content)
    assert found.newer == ()
    assert len(content) - 4 <= found.end <= len(content)


def test_bytes_behind_the_file_are_seen(content):
    assert verify_flatbuffer(content + b"PK\3\4 an archive").end == verify_flatbuffer(content).end


def test_a_file_cut_anywhere_is_found_out(content):
    end = verify_flatbuffer(content).end
    for length in range(end):
        with pytest.raises(Damage):
            verify_flatbuffer(content[:length])


def place_of_vector(content, pick):
    """Byte of the length of the vector that `pick` returns as (table, slot)."""
    table, slot = pick(schema.Model.GetRootAs(content, 0))
    return table._tab.Vector(table._tab.Offset(4 + 2 * slot)) - 4


VECTORS = {
    "buffer": lambda model: (model.Buffers(2), 0),
    "shape": lambda model: (model.Subgraphs(0).Tensors(0), 0),
    "name": lambda model: (model.Subgraphs(0).Tensors(0), 3),
    "tensors": lambda model: (model.Subgraphs(0), 0),
    "operators": lambda model: (model.Subgraphs(0), 3),
    "scale": lambda model: (model.Subgraphs(0).Tensors(0).Quantization(), 2),
    "inputs of an operator": lambda model: (model.Subgraphs(0).Operators(0), 1),
}


@pytest.mark.parametrize("length", [2**31, 2**32 - 1, 3_000_000_000, 100_000])
@pytest.mark.parametrize("vector", VECTORS)
def test_a_vector_that_claims_more_than_the_file_is_refused(content, vector, length):
    damaged = bytearray(content)
    struct.pack_into("<I", damaged, place_of_vector(content, VECTORS[vector]), length)
    with pytest.raises(Damage, match="claims"):
        verify_flatbuffer(bytes(damaged))
    with pytest.raises(ModelFileError, match=r"damaged one: .* claims .* bytes"):
        read_graph(bytes(damaged))


def test_an_offset_beyond_the_file_is_refused(content):
    damaged = bytearray(content)
    struct.pack_into("<I", damaged, 0, len(content) + 100)
    with pytest.raises(Damage, match="leads to byte"):
        verify_flatbuffer(bytes(damaged))


def test_a_vtable_before_the_file_is_refused(content):
    damaged = bytearray(content)
    root = struct.unpack_from("<I", content)[0]
    struct.pack_into("<i", damaged, root, root + 50)
    with pytest.raises(Damage, match="leads to byte -50"):
        verify_flatbuffer(bytes(damaged))


def unfolding(graphs, tensors):
    """One tensor table that all tensors of all graphs are: small, and huge when unpacked."""
    builder = flatbuffers.Builder(1024)
    schema.TensorStart(builder)
    tensor = schema.TensorEnd(builder)
    schema.SubGraphStartTensorsVector(builder, tensors)
    for _ in range(tensors):
        builder.PrependUOffsetTRelative(tensor)
    vector = builder.EndVector()
    schema.SubGraphStart(builder)
    schema.SubGraphAddTensors(builder, vector)
    graph = schema.SubGraphEnd(builder)
    schema.ModelStartSubgraphsVector(builder, graphs)
    for _ in range(graphs):
        builder.PrependUOffsetTRelative(graph)
    vector = builder.EndVector()
    schema.ModelStart(builder)
    schema.ModelAddSubgraphs(builder, vector)
    builder.Finish(schema.ModelEnd(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def test_a_small_file_that_unfolds_into_a_huge_one_is_refused():
    content = unfolding(3_000, 3_000)
    assert len(content) < 30_000
    with pytest.raises(Damage, match="claim"):
        verify_flatbuffer(content)


def test_vectors_shared_by_many_tables_are_refused():
    builder = flatbuffers.Builder(1024)
    data = builder.CreateNumpyVector(np.zeros(100_000, np.uint8))
    buffers = []
    for _ in range(50):
        schema.BufferStart(builder)
        schema.BufferAddData(builder, data)
        buffers.append(schema.BufferEnd(builder))
    schema.ModelStartBuffersVector(builder, len(buffers))
    for buffer in buffers:
        builder.PrependUOffsetTRelative(buffer)
    vector = builder.EndVector()
    schema.ModelStart(builder)
    schema.ModelAddBuffers(builder, vector)
    builder.Finish(schema.ModelEnd(builder), file_identifier=b"TFL3")
    with pytest.raises(Damage, match="together claim more"):
        verify_flatbuffer(bytes(builder.Output()))


def test_what_a_newer_schema_wrote_is_named(content):
    builder = flatbuffers.Builder(64)
    builder.StartObject(40)
    builder.PrependUint32Slot(39, 7, 0)
    builder.Finish(builder.EndObject(), file_identifier=b"TFL3")
    assert verify_flatbuffer(bytes(builder.Output())).newer == ("Model",)

    damaged = bytearray(content)
    operator = schema.Model.GetRootAs(content, 0).Subgraphs(0).Operators(0)
    damaged[operator._tab.Pos + operator._tab.Offset(4 + 2 * 3)] = 250
    assert verify_flatbuffer(bytes(damaged)).newer == ("BuiltinOptions of type 250",)


def test_flipped_bytes_are_refused_or_read_and_nothing_else(content):
    rng = np.random.default_rng(0)
    outcomes = {"read": 0, "refused": 0}
    for _ in range(1500):
        damaged = bytearray(content)
        for place in rng.integers(0, len(damaged), rng.integers(1, 6)):
            damaged[place] = rng.integers(256)
        try:
            read_graph(bytes(damaged))
            outcomes["read"] += 1
        except ModelFileError as error:
            assert "\n" not in str(error)
            outcomes["refused"] += 1
    assert min(outcomes.values()) > 100
