import numpy as np
import pytest

from export.tflite.packing import differences
from sr_models.tflite.unpacked import unpack
from tests.tiny_files import clipped_file


@pytest.fixture
def content():
    return clipped_file("MINIMUM", "RELU", "DEPTH_TO_SPACE")


def test_a_file_is_the_same_as_itself(content):
    assert differences(unpack(content).tables, unpack(content).tables) == []


@pytest.mark.parametrize(
    ("spoil", "place"),
    [
        (lambda t: setattr(t, "description", b"other"), "model.description"),
        (lambda t: setattr(t.operatorCodes[1], "version", 9), "model.operatorCodes[1].version"),
        (lambda t: t.subgraphs[0].operators.pop(), "operators: 4 and 3 elements"),
        (
            lambda t: setattr(t.subgraphs[0].operators[3].builtinOptions, "blockSize", 3),
            "builtinOptions.blockSize: 2 and 3",
        ),
        (
            lambda t: setattr(t.subgraphs[0].tensors[0], "shape", np.array([1, 4, 7, 3], np.int32)),
            "tensors[0].shape: other values",
        ),
        (
            lambda t: setattr(
                t.subgraphs[0].tensors[0].quantization, "scale", np.array([0.0039216], np.float32)
            ),
            "quantization.scale: other values",
        ),
        (
            lambda t: setattr(t.subgraphs[0].operators[0], "builtinOptions", None),
            "builtinOptions: ",
        ),
        (lambda t: setattr(t.signatureDefs[0].inputs[0], "tensorIndex", 1), "tensorIndex: 0 and 1"),
    ],
)
def test_every_change_is_found_with_its_place(content, spoil, place):
    spoiled = unpack(content).tables
    spoil(spoiled)
    (found,) = differences(unpack(content).tables, spoiled)
    assert place in found


def test_an_empty_vector_is_an_absent_one(content):
    other = unpack(content).tables
    other.metadataBuffer = []
    assert differences(unpack(content).tables, other) == []


def test_numbers_are_compared_bit_by_bit():
    assert differences(0.0, -0.0)
    assert not differences(float("nan"), float("nan"))
