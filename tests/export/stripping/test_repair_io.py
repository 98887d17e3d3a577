import re

import numpy as np
import pytest

from export.running.interpreters import open_model
from export.stripping.repair_io import plan_repairs, repair, same_values
from sr_models.quantization.grids import Grid
from sr_models.tflite.unpacked import unpack
from tests.tiny_files import TinyFile, clipped_file, loose_grid, pixel_grid

# Calibrated with one picture whose brightest value was 249, as two published files were.
DARK = Grid("uint8", float(np.float32(249 / 255)), 0)
WHITE = Grid("uint8", 1.0, 0)


def file_with(entry, leave, *, change=lambda file, tensor: tensor):
    file = TinyFile()
    picture = file.tensor("picture", (1, 4, 6, 3), grid=entry)
    inside = file.quantize(picture, entry.as_dtype("int8")) if entry.dtype == "uint8" else picture
    inside = change(file, inside)
    result = file.convolution(inside, leave.as_dtype("int8"), channels=3)
    if leave.dtype == "uint8":
        result = file.quantize(result, leave)
    return file.finished([picture], [result])


def test_an_input_gets_the_scale_of_pixels_and_biases_follow():
    model = unpack(file_with(DARK, WHITE))
    (one,), obstacles = plan_repairs(model)
    assert (one.role, one.before, one.after, one.bound) == ("input", DARK, WHITE, 0)
    assert obstacles == []
    after = unpack(repair(model, [one]))
    quantize, convolution, _ = after.graph.operators
    assert after.grid(quantize.inputs[0]) == WHITE
    assert after.grid(quantize.outputs[0]) == WHITE.as_dtype("int8")
    bias = convolution.inputs[2]
    old = model.constant(bias) * model.graph.tensors[bias].scale
    new = after.constant(bias) * after.graph.tensors[bias].scale
    # The same real bias, to half a unit of the new one.
    assert np.abs(old - new).max() <= after.graph.tensors[bias].scale * 0.51
    weights = after.graph.tensors[convolution.inputs[1]].scale
    assert after.graph.tensors[bias].scale == pytest.approx(WHITE.scale * weights)


def test_the_same_real_picture_gives_the_same_result():
    content = file_with(DARK, WHITE)
    model = unpack(content)
    fixed = repair(model, plan_repairs(model)[0])
    old, new = same_values(DARK, WHITE)
    # 249/255 = 83/85: every 83rd pixel is exactly every 85th old code.
    assert {(85, 83), (170, 166), (255, 249), (0, 0)} <= set(zip(old, new))
    exact_old, exact_new = np.array([0, 85, 170, 255]), np.array([0, 83, 166, 249])
    pick = np.random.default_rng(0).integers(0, 4, (1, 4, 6, 3))
    first = open_model(content, delegate="builtin").run(exact_old[pick].astype(np.uint8))
    second = open_model(fixed, delegate="builtin").run(exact_new[pick].astype(np.uint8))
    assert np.abs(first.astype(int) - second).max() <= 1
    unrepaired = open_model(content, delegate="builtin").run(exact_new[pick].astype(np.uint8))
    assert np.abs(first.astype(int) - unrepaired).max() > 1


def test_an_output_gets_the_scale_of_pixels():
    # The published EDSR without a clip: steps of 1.66 grey levels, black at 59.
    model = unpack(file_with(WHITE, Grid("uint8", float(np.float32(1.66364)), 59)))
    (one,), obstacles = plan_repairs(model)
    assert (one.role, one.after, one.bound) == ("output", WHITE, 1)
    after = unpack(repair(model, [one]))
    assert after.grid(after.graph.outputs[0]) == WHITE
    assert after.grid(after.graph.operators[1].outputs[0]) == WHITE.as_dtype("int8")
    assert not obstacles


def test_a_file_that_keeps_the_contract_needs_nothing():
    assert plan_repairs(unpack(file_with(WHITE, WHITE))) == ([], [])


def joined_with_a_constant_grid(file, tensor):
    other = file.convolution(tensor, file.grid(tensor), channels=3, name="other")
    return file.concatenation([tensor, other])


def through_a_narrow_quantize(file, tensor):
    return file.quantize(tensor, Grid("int8", float(np.float32(240 / 255)), -128))


def through_tanh(file, tensor):
    return file.rectifier("TANH", tensor, Grid("int8", 1 / 128, 0))


def moved(file, tensor):
    return file.reshape(tensor, (1, 6, 4, 3))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (joined_with_a_constant_grid, "CONCATENATION .* joins it with others"),
        (through_a_narrow_quantize, "black or white would be lost"),
        (through_tanh, "TANH .* depends on its grid"),
    ],
)
def test_an_input_that_cannot_be_repaired_says_why(change, reason):
    repairs, (obstacle,) = plan_repairs(unpack(file_with(DARK, WHITE, change=change)))
    assert not repairs

    assert re.search(reason, obstacle)


def test_moves_carry_the_new_scale_on():
    model = unpack(file_with(DARK, WHITE, change=moved))
    (one,), _ = plan_repairs(model)
    assert set(one.grids.values()) == {WHITE, WHITE.as_dtype("int8")} and len(one.grids) == 3


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (file_with(WHITE, Grid("uint8", 2.4, 40)), "could change by 2 where 1 is allowed"),
        (clipped_file("RELU", before=loose_grid(), after=loose_grid()), "RELU .* clips on the old"),
        (clipped_file(dtype="int16"), "only uint8 and int8 codes can be pixels"),
    ],
)
def test_an_output_that_cannot_be_repaired_says_why(content, reason):

    _, obstacles = plan_repairs(unpack(content))
    assert any(re.search(reason, obstacle) for obstacle in obstacles)


def test_codes_of_the_same_values():
    old, new = same_values(pixel_grid("int8"), pixel_grid("uint8"), most=4)
    assert [a + 128 for a in old] == new
