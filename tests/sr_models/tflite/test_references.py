import numpy as np
import pytest

from sr_models.ground.errors import ModelFileError
from sr_models.tflite.flatbuffer import read_graph
from sr_models.tflite.unpacked import unpack
from sr_models.tflite.verifying import BadReference, check_references
from sr_models.tflite.writing import pack_model
from tests.tiny_files import clipped_file


@pytest.fixture
def tables():
    return unpack(clipped_file("MINIMUM", "RELU", "DEPTH_TO_SPACE")).tables


def indices(*values):
    return np.array(values, np.int32)


def swapped(tables):
    operators = tables.subgraphs[0].operators
    operators[0], operators[1] = operators[1], operators[0]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda t: setattr(t, "subgraphs", []), "it has no graph"),
        (lambda t: setattr(t.subgraphs[0].tensors[0], "buffer", 99), "a tensor names buffer 99"),
        (
            lambda t: setattr(t.subgraphs[0].operators[1], "opcodeIndex", 44),
            "operator 1 names operator code 44 of 4",
        ),
        (
            lambda t: setattr(t.subgraphs[0].operators[1], "inputs", indices(0, 77)),
            "operator 1 names tensor 77",
        ),
        (
            lambda t: setattr(t.subgraphs[0].operators[1], "inputs", indices(0, -2)),
            "operator 1 names tensor -2",
        ),
        (
            lambda t: setattr(t.subgraphs[0].operators[1], "outputs", indices(-1)),
            "operator 1 names tensor -1",
        ),
        (lambda t: setattr(t.subgraphs[0], "outputs", indices(1000)), "graph names tensor 1000"),
        (lambda t: setattr(t.subgraphs[0], "inputs", indices(-1)), "the graph names tensor -1"),
        (lambda t: setattr(t.signatureDefs[0], "subgraphIndex", 1), "a signature names graph 1"),
        (
            lambda t: setattr(t.signatureDefs[0].inputs[0], "tensorIndex", 55),
            "a signature names tensor 55",
        ),
        (lambda t: setattr(t, "metadataBuffer", indices(40)), "metadata names buffer 40"),
        (swapped, "operator 0 reads tensor 3 before operator 1 writes it"),
        (
            lambda t: setattr(
                t.subgraphs[0].operators[1], "inputs", t.subgraphs[0].operators[1].outputs
            ),
            "before operator 1 writes it",
        ),
        (
            lambda t: setattr(
                t.subgraphs[0].operators[2], "outputs", t.subgraphs[0].operators[1].outputs
            ),
            "and so does another operator",
        ),
    ],
)
def test_what_names_nothing_is_refused(tables, spoil, said):
    spoil(tables)
    with pytest.raises(BadReference, match=said):
        check_references(tables)
    with pytest.raises(ModelFileError, match="damaged one"):
        read_graph(pack_model(tables))


def test_an_absent_input_is_no_fault(tables):
    tables.subgraphs[0].operators[0].inputs = indices(0, 1, -1)
    check_references(tables)
