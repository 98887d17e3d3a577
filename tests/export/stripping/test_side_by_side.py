import numpy as np
import pytest

from export.stripping.proof import compare_outputs
from export.tflite.editing import set_grids
from sr_models.ground.errors import ModelFileError
from sr_models.tflite.unpacked import unpack
from sr_models.tflite.writing import pack_model
from tests.tiny_files import TinyFile, clipped_file, loose_grid, pixel_grid


def test_a_file_agrees_with_itself():
    content = clipped_file("MINIMUM", "RELU", "DEPTH_TO_SPACE")
    found = compare_outputs(content, content, steps=[1.0])
    assert (found.max_abs_code_difference, found.differing_fraction) == (0.0, 0.0)
    assert (found.samples, found.height, found.width) == (23, 48, 64)
    assert found.codes == 23 * 48 * 64 * 12
    assert found.same_signatures
    # XNNPACK takes neither MINIMUM nor RELU of integers.
    assert (found.left_behind, found.xnnpack_partitions) == ((2, 2), (2, 2))


def test_a_difference_is_counted_in_codes():
    content = clipped_file("DEPTH_TO_SPACE", before=pixel_grid())
    tables = unpack(content).tables
    bias = tables.subgraphs[0].operators[0].inputs[2]
    buffer = tables.buffers[tables.subgraphs[0].tensors[bias].buffer]
    values = np.frombuffer(buffer.data.tobytes(), np.int32).copy()
    weight = unpack(content).graph.tensors[tables.subgraphs[0].operators[0].inputs[1]].scale
    # Three codes of the output more, for one of twelve channels.
    values[0] += int(3 / weight)
    buffer.data = np.frombuffer(values.tobytes(), np.uint8)
    found = compare_outputs(content, pack_model(tables), steps=[1.0])
    assert found.max_abs_code_difference == 3
    assert 0 < found.differing_fraction <= 1 / 12


def test_outputs_of_real_numbers_are_counted_in_their_codes():
    def with_real_output(grid):
        file = TinyFile()
        picture = file.tensor("picture", (1, 4, 6, 3), grid=pixel_grid())
        tensor = file.convolution(picture, grid, channels=3)
        real = file.tensor("real", (1, 4, 6, 3), dtype="float32")
        file.operator("DEQUANTIZE", [tensor], [real])
        return file.finished([picture], [real])

    content = with_real_output(pixel_grid())
    tables = unpack(content).tables
    set_grids(tables, {int(tables.subgraphs[0].operators[0].outputs[0]): loose_grid()})
    found = compare_outputs(content, pack_model(tables), steps=[pixel_grid().scale])
    # What lies below zero is held by the loose grid alone: 40 of its steps of 1.19.
    assert 20 <= found.max_abs_code_difference <= 48


def test_a_file_that_cannot_be_resized_runs_at_its_own_size():
    content = clipped_file("RESHAPE", "RELU")
    found = compare_outputs(content, content, steps=[1.0])
    assert (found.height, found.width) == (4, 6)


def test_files_of_other_shapes_are_refused():
    with pytest.raises(ModelFileError, match="outputs of one shape"):
        compare_outputs(clipped_file(), clipped_file("DEPTH_TO_SPACE"), steps=[1.0])
