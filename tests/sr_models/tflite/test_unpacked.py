import numpy as np
import pytest

from sr_models.ground.errors import ModelFileError
from sr_models.quantization.grids import Grid
from sr_models.tflite.unpacked import unpack
from tests.tiny_files import TinyFile, clipped_file, loose_grid, pixel_grid


def test_readers_writers_grids_and_constants():
    model = unpack(clipped_file("MINIMUM", "RELU"))
    convolution, minimum, relu = model.graph.operators
    between = convolution.outputs[0]
    assert model.producers[between] == convolution
    assert model.consumers[between] == [minimum]
    assert model.grid(between) == loose_grid()
    assert model.grid(relu.outputs[0]) == pixel_grid()
    # White on the loose grid: 255 / 1.19 = 214.3 codes above -88.
    np.testing.assert_array_equal(model.constant(minimum.inputs[1]), [126])
    assert model.constant(between) is None
    assert model.grid(convolution.inputs[2]) is None


@pytest.mark.parametrize(
    "bad", [(0.0, 0), (-1.0, 0), (np.nan, 0), (np.inf, 0), (1.0, 128), (1.0, -2000)]
)
def test_a_grid_that_is_none_is_not_believed(bad):
    file = TinyFile()
    tensor = file.tensor("picture", (1, 2, 2, 3), grid=Grid("int8", *bad))
    assert unpack(file.finished([tensor], [tensor])).grid(tensor) is None


def test_a_variable_is_known_as_such():
    file = TinyFile()
    tensor = file.tensor("state", (1,), grid=pixel_grid())
    file.graph.tensors[tensor].isVariable = True
    assert unpack(file.finished([], [tensor])).is_variable(tensor)


def test_other_content_is_refused():
    with pytest.raises(ModelFileError, match="found none of its marks"):
        unpack(b"this is no model")
