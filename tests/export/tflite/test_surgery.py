import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given
from hypothesis import strategies as st

from export.inspecting.clips import data_inputs, link_of
from export.tflite.editing import drop_operators, set_activations, set_grids
from export.tflite.packing import differences
from export.tflite.steps import Obstacle
from sr_models.quantization.grids import Grid
from sr_models.tflite.unpacked import unpack
from sr_models.tflite.writing import pack_model
from tests.tiny_files import TinyFile, clipped_file, loose_grid, pixel_grid

TAILS = (
    "MINIMUM",
    "MAXIMUM",
    "RELU",
    "RELU6",
    "DEPTH_TO_SPACE",
    "RESHAPE",
    "QUANTIZE",
    "CONCATENATION",
    "ADD",
)


@given(
    st.lists(st.sampled_from(TAILS), max_size=5).filter(lambda s: s.count("DEPTH_TO_SPACE") < 2),
    st.sampled_from(["int8", "uint8", "int16"]),
    st.sampled_from(["NONE", "RELU", "RELU6"]),
)
def test_a_file_packed_again_means_the_same(steps, dtype, activation):
    if "ADD" in steps[1:] or "CONCATENATION" in steps[1:]:
        steps = [s for s in steps if s not in ("ADD", "CONCATENATION")]
    content = clipped_file(*steps, dtype=dtype, activation=activation)
    tables = unpack(content).tables
    again = pack_model(tables)
    assert differences(tables, unpack(again).tables) == []
    assert differences(unpack(content).tables, unpack(again).tables) == []
    assert pack_model(unpack(again).tables) == again


def test_a_converters_file_packed_again_means_the_same(sharpening, natural):
    from export.exporting.conversion import convert_with_calibrator

    content = convert_with_calibrator(sharpening, natural, height=12, width=12)
    tables = unpack(content).tables
    assert tables.metadata  # The converter leaves its version there.
    assert differences(tables, unpack(pack_model(tables)).tables) == []


def test_constants_start_where_kernels_may_read_vectors():
    # `force_align: 16` in the schema, which the Python classes know nothing of.
    model = schema.Model.GetRootAs(pack_model(unpack(clipped_file("MINIMUM", "RELU")).tables), 0)
    buffers = [model.Buffers(index) for index in range(model.BuffersLength())]
    starts = [b._tab.Vector(b._tab.Offset(4)) for b in buffers if not b.DataIsNone()]
    assert len(starts) == 3
    assert [start % 16 for start in starts] == [0, 0, 0]


def test_grids_and_activations_are_written():
    tables = unpack(clipped_file("MINIMUM", "RELU")).tables
    produced = int(tables.subgraphs[0].operators[0].outputs[0])
    tables.subgraphs[0].tensors[produced].quantization.min = np.array([-1.0], np.float32)
    set_grids(tables, {produced: Grid("int8", 0.5, 3)})
    set_activations(tables, {0: "RELU6"})
    model = unpack(pack_model(tables))
    assert model.grid(produced) == Grid("int8", 0.5, 3)
    assert model.tables.subgraphs[0].tensors[produced].quantization.min is None
    assert model.graph.operators[0].activation == "RELU6"


def links(model, *names):
    return [
        link_of(model, op, data_inputs(model, op)[0])
        for op in model.graph.operators
        if op.name in names
    ]


def test_what_the_operators_alone_used_goes_with_them_and_nothing_else():
    file = TinyFile()
    picture = file.tensor("picture", (1, 4, 6, 3), grid=pixel_grid())
    file.tensor("unused before", (7,), grid=pixel_grid())
    tensor = file.convolution(picture, loose_grid(), channels=3)
    tensor = file.bound("MINIMUM", tensor, 1.0)
    last = file.rectifier("RELU", tensor, pixel_grid())
    file.metadata("note", b"kept")
    content = file.finished([picture], [last])
    model = unpack(content)
    tables = unpack(content).tables
    drop_operators(tables, links(model, "MINIMUM", "RELU"))
    after = unpack(pack_model(tables))
    assert [op.name for op in after.graph.operators] == ["CONV_2D"]
    assert len(after.tables.operatorCodes) == 1
    names = [tensor.name for tensor in after.graph.tensors]
    assert "unused before" in names and f"RELU{2}" in names
    assert len(names) == len(model.graph.tensors) - 3
    assert len(after.tables.buffers) == len(model.tables.buffers) - 3
    assert bytes(after.tables.buffers[after.tables.metadata[0].buffer].data) == b"kept"
    output = after.tables.signatureDefs[0].outputs[0]
    assert after.graph.tensors[output.tensorIndex].name == "RELU2"
    assert after.graph.operators[0].outputs == after.graph.outputs
    for tensor in after.graph.operators[0].inputs[1:]:
        assert after.constant(tensor) is not None or after.graph.tensors[tensor].constant


def test_a_buffer_that_another_tensor_shares_stays():
    file = TinyFile()
    picture = file.tensor("picture", (1, 4, 6, 3), grid=pixel_grid())
    tensor = file.convolution(picture, loose_grid(), channels=3)
    tensor = file.bound("MINIMUM", tensor, 1.0)
    twin = file.tensor("twin", (), grid=loose_grid())
    constant = int(file.graph.operators[1].inputs[1])
    file.graph.tensors[twin].buffer = file.graph.tensors[constant].buffer
    content = file.finished([picture], [tensor])
    tables = unpack(content).tables
    drop_operators(tables, links(unpack(content), "MINIMUM"))
    after = unpack(pack_model(tables))
    place = next(i for i, t in enumerate(after.graph.tensors) if t.name == "twin")
    np.testing.assert_array_equal(after.constant(place), [126])


def test_other_readers_of_the_input_are_joined_to_the_output():
    file = TinyFile()
    picture = file.tensor("picture", (1, 4, 6, 3), grid=pixel_grid())
    tensor = file.convolution(picture, pixel_grid(), channels=12)
    clipped = file.bound("MINIMUM", tensor, 1.0)
    other = file.depth_to_space(tensor)
    content = file.finished([picture], [clipped, other])
    tables = unpack(content).tables
    drop_operators(tables, links(unpack(content), "MINIMUM"))
    after = unpack(pack_model(tables))
    convolution, moved = after.graph.operators
    assert convolution.outputs == moved.inputs == after.graph.outputs[:1]
    assert after.graph.tensors[after.graph.outputs[0]].name == "MINIMUM1"


def test_two_names_that_users_know_cannot_become_one():
    file = TinyFile()
    picture = file.tensor("picture", (1, 4, 6, 3), grid=pixel_grid())
    clipped = file.bound("MINIMUM", picture, 1.0)
    content = file.finished([picture], [clipped])
    with pytest.raises(Obstacle, match="inputs or outputs"):
        drop_operators(unpack(content).tables, links(unpack(content), "MINIMUM"))
