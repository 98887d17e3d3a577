"""What tables say about black and white; each right answer is derived beside its case."""

import numpy as np
import pytest

from export.tflite.pixel_ends import ends_of_grid, ends_of_input, ends_of_output
from sr_models.quantization.grids import Grid
from sr_models.tflite.unpacked import unpack
from tests.enlarging_files import enlarging_file
from tests.tiny_files import pixel_grid

UNIT, BYTES, SIGNED, CENTRED = (0, 1), (0, 255), (-1, 1), (-128, 127)


def grid(dtype, scale, zero_point):
    return Grid(dtype, float(np.float32(scale)), zero_point)


@pytest.mark.parametrize(
    ("held", "candidates"),
    [
        (grid("uint8", 1 / 255, 0), [UNIT]),
        (grid("int8", 1, -128), [BYTES]),
        (grid("int8", 280 / 255, -90), [BYTES]),
        (grid("int8", 1, 0), [CENTRED]),
        # Symmetric about 0 to half a code, either way.
        (grid("uint8", 2 / 255, 127), [SIGNED]),
        (grid("int8", 2 / 255, 0), [SIGNED]),
        # -0.19 to 1: an overshoot below black, or a dull picture of -1..1.
        (grid("uint8", 1.19 / 255, 40), [UNIT, SIGNED]),
        (grid("int8", 1.9 / 255, -10), [SIGNED, UNIT]),
        # Nothing below black is held.
        (grid("uint8", 0.7 / 255, 0), [UNIT]),
        # Sixteen bits are symmetric whatever they hold.
        (grid("int16", 1 / 32767, 0), [UNIT, SIGNED]),
        (grid("int16", 255 / 32767, 0), [BYTES]),
    ],
)
def test_a_grid_says_what_it_can_hold(held, candidates):
    assert list(ends_of_grid(held).candidates) == candidates


@pytest.mark.parametrize(
    ("before", "candidates"),
    [
        ([("MUL", 1 / 255)], [BYTES]),
        ([("DIV", 255.0)], [BYTES]),
        ([("MUL", 1 / 127.5), ("SUB", 1.0)], [BYTES]),
        ([("DIV", 128.0), ("ADD", -1.0)], [BYTES]),
        ([("MUL", 2.0), ("SUB", 1.0)], [UNIT]),
        ([("ADD", 1.0), ("MUL", 0.5)], [SIGNED]),
        ([("MUL", 255.0)], [UNIT]),
        ([("MUL", 127.5), ("ADD", 127.5)], [SIGNED]),
        ([("SUB", 114.4)], [BYTES]),
        ([("SUB", 0.45)], [UNIT, SIGNED]),
        ([("MINIMUM", 255.0)], [BYTES]),
        ([], [UNIT, BYTES, SIGNED]),
    ],
)
def test_scaling_at_the_input_says_what_it_is_made_for(before, candidates):
    told = ends_of_input(unpack(enlarging_file(before=before)))
    assert list(told.candidates) == candidates
    assert bool(told.how) == bool(before) and all(name in told.how for name, _ in before)


@pytest.mark.parametrize(
    ("after", "candidates"),
    [
        ([("MUL", 255.0)], [BYTES]),
        ([("ADD", 1.0), ("MUL", 127.5)], [BYTES]),
        ([("MUL", 0.5), ("ADD", 0.5)], [UNIT]),
        ([("MUL", 1 / 255)], [UNIT]),
        ([("MUL", 2.0), ("SUB", 1.0)], [SIGNED]),
        ([("LOGISTIC", None)], [UNIT]),
        ([("LOGISTIC", None), ("MUL", 255.0)], [BYTES]),
        # A clip to -1..1 may be that of a network of 0..1.
        ([("TANH", None)], [SIGNED, UNIT]),
        ([("TANH", None), ("ADD", 1.0), ("MUL", 127.5)], [BYTES]),
        ([("MAXIMUM", 0.0), ("MINIMUM", 255.0)], [BYTES]),
        ([("RELU", None), ("MINIMUM", 1.0)], [UNIT]),
        ([("MINIMUM", 1.0), ("MAXIMUM", 0.0), ("MUL", 255.0)], [BYTES]),
        ([("RELU", None)], [UNIT, BYTES]),
        ([("ROUND", None)], [UNIT, BYTES, SIGNED]),
        ([], [UNIT, BYTES, SIGNED]),
    ],
)
def test_scaling_and_bounds_at_the_output_say_what_comes(after, candidates):
    assert list(ends_of_output(unpack(enlarging_file(after=after))).candidates) == candidates


def test_a_float_interface_is_told_by_the_grids_behind_it():
    model = unpack(enlarging_file(inner=pixel_grid(white=255.0)))
    low, high = ends_of_input(model), ends_of_output(model)
    assert low.candidates == high.candidates == (BYTES,)
    assert low.how == "the grid of QUANTIZE (operator 0)"
    assert high.how == "the grid before DEQUANTIZE (operator 3)"


def test_bytes_in_and_real_numbers_out_are_told_apart():
    model = unpack(enlarging_file(low="uint8", after=[("MUL", 1 / 255)]))
    assert ends_of_input(model).candidates == (BYTES,)
    assert ends_of_output(model).candidates == (UNIT,)
