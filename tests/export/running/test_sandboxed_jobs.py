import pytest

from export.running.interpreters import prepare_model
from export.stripping.proof import compare_outputs
from sr_models.ground.errors import ModelFileError
from tests.tiny_files import clipped_file


def test_a_file_is_prepared_for_xnnpack(sandbox):
    found = sandbox.call(prepare_model, clipped_file("MINIMUM", "RELU", "DEPTH_TO_SPACE"))
    assert found["delegation"] == {
        "delegated_nodes": 2,
        "total_nodes": 4,
        "partitions": 2,
        "left_behind": ["MINIMUM", "RELU"],
    }
    assert found["runtime"]


def test_a_file_of_one_size_is_prepared_at_its_own(sandbox):
    found = sandbox.call(prepare_model, clipped_file("RESHAPE"))
    assert found["delegation"]["total_nodes"] == 2


def test_files_are_compared(sandbox):
    content = clipped_file("RELU")
    found = sandbox.call(compare_outputs, content, content, steps=[1.0], delegate="reference")
    assert found["max_abs_code_difference"] == 0


def test_what_cannot_be_opened_is_said(sandbox):
    with pytest.raises(ModelFileError, match="expected to open"):
        sandbox.call(prepare_model, b"\0\0\0\0TFL3" + b"\xff" * 40)
