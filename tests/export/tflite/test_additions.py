import numpy as np
import pytest

from export.tflite.additions import Additions
from sr_models.quantization.grids import Grid
from sr_models.tflite.unpacked import unpack

PIXELS = Grid("uint8", 1 / 255, 0)


@pytest.fixture
def additions(int8_network):
    return Additions(unpack(int8_network("xlsr").content).tables)


@pytest.mark.parametrize(
    ("before", "after", "name", "version"),
    [
        (PIXELS, Grid("int16", 1 / 255, 0), "CAST", 1),
        (PIXELS, Grid("int16", 1 / 300, 0), "QUANTIZE", 2),
        (Grid("int8", 0.1, 5), Grid("int16", 0.1, 0), "QUANTIZE", 2),
        (Grid("int16", 0.1, 0), Grid("int8", 0.1, 5), "QUANTIZE", 1),
        (None, Grid("int8", 0.1, 5), "QUANTIZE", 1),
        (None, Grid("int16", 0.1, 0), "QUANTIZE", 2),
        (Grid("int8", 0.1, 5), None, "DEQUANTIZE", 2),
        (Grid("int16", 0.1, 0), None, "DEQUANTIZE", 3),
    ],
)
def test_a_conversion_is_the_operator_that_runtimes_have_for_it(
    additions, before, after, name, version
):
    operator = additions.conversion(0, 1, before=before, after=after)
    assert operator.opcodeIndex == additions.code(name, version)
    assert (operator.inputs.tolist(), operator.outputs.tolist()) == ([0], [1])


def test_an_operator_code_is_added_once(additions):
    codes = len(additions.tables.operatorCodes)
    first = additions.code("PRELU", 1)
    assert (additions.code("PRELU", 1), len(additions.tables.operatorCodes)) == (first, codes + 1)
    assert additions.code("PRELU", 2) == first + 1


def test_a_constant_holds_its_values_and_scales(additions):
    values = np.array([[1, -2], [3, 4]], np.int64)
    index = additions.constant("bias", values, np.array([0.5, 0.25]))
    table = additions.tensors[index]
    assert (table.name, table.shape.tolist()) == (b"bias_int64", [2, 2])
    np.testing.assert_array_equal(
        additions.tables.buffers[table.buffer].data.view(np.int64).reshape(2, 2), values
    )
    assert table.quantization.scale.tolist() == [0.5, 0.25]
    assert additions.tensors[additions.constant("real", np.float32([0.5]))].quantization is None
