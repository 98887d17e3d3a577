import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

import export.tflite.packing
from export.tflite.packing import differences, repack, require_repackable
from sr_models.ground.errors import ModelFileError
from sr_models.tflite.unpacked import unpack
from sr_models.tflite.writing import pack_model
from tests.tiny_files import TinyFile, clipped_file, loose_grid, pixel_grid


def simple(change=lambda file: None):
    file = TinyFile()
    picture = file.tensor("picture", (1, 4, 6, 3), grid=pixel_grid())
    tensor = file.convolution(picture, loose_grid(), channels=3)
    clipped = file.rectifier("RELU", tensor, pixel_grid())
    file.finished([picture], [clipped])
    change(file)
    return file.packed()


def outside(file):
    file.tables.buffers[1].offset, file.tables.buffers[1].size = 4096, 64


def far_options(file):
    file.graph.operators[0].largeCustomOptionsOffset = 5000


def external(file):
    file.tables.externalBuffers = [schema.ExternalBufferT()]


def places(file):
    file.metadata("model_control_dependencies", b"\1\0")


def signature_inside(file):
    file.tables.signatureDefs[0].outputs[0].tensorIndex = 3


def newer(content):
    """An options table of a type that the schema does not know."""
    damaged = bytearray(content)
    operator = schema.Model.GetRootAs(content, 0).Subgraphs(0).Operators(0)
    damaged[operator._tab.Pos + operator._tab.Offset(4 + 2 * 3)] = 250
    return bytes(damaged)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (simple(outside), "constants are kept outside"),
        (simple(far_options), "constants or options are kept outside"),
        (simple(external), "constants or options are kept outside"),
        (simple(places), "model_control_dependencies counts operators by place"),
        (simple(signature_inside), "a signature names tensors inside"),
        (newer(simple()), "BuiltinOptions of type 250 is of a newer schema"),
        (simple() + b"unknown", "7 unknown bytes stand behind"),
    ],
)
def test_what_could_not_be_written_again_is_refused(content, said):
    with pytest.raises(ModelFileError, match=said):
        require_repackable(unpack(content))


def test_an_ordinary_file_is_written_again():
    model = unpack(simple())
    require_repackable(model)
    again = unpack(repack(model, model.tables))
    assert differences(model.tables, again.tables) == []


def test_tables_that_do_not_read_back_are_never_handed_over(monkeypatch):
    def careless(tables):
        tables.subgraphs[0].tensors[0].shape = np.array([1, 4, 6, 3], np.int32)
        content = pack_model(tables)
        tables.subgraphs[0].tensors[0].shape = np.array([1, 4, 7, 3], np.int32)
        return content

    monkeypatch.setattr(export.tflite.packing, "pack_model", careless)
    model = unpack(clipped_file("RELU"))
    with pytest.raises(ModelFileError, match="does not read back"):
        repack(model, model.tables)
