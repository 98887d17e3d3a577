"""Files with channels first, as litert-torch writes them: stripped and run as they are made."""

import numpy as np
import pytest

from export.inspecting.inspection import inspect_model
from export.running.interpreters import open_model
from export.running.pixels import upscale
from export.stripping.strip import strip_model
from export.tflite.windows import read_receptive_field
from runtime_bench.upscaling.upscaler import Upscaler
from sr_models.ground.bundled import bundled_pieces
from sr_models.ground.errors import ModelFileError
from tests.enlarging_files import transposed
from tests.tiny_files import TinyFile, loose_grid, pixel_grid

HEIGHT, WIDTH = 12, 10


def clipped_channels_first(kind):
    """`inner`: the clip before the last TRANSPOSE; `outer`: behind it; `reshaped`: pixels shuffled
    by RESHAPE and TRANSPOSE, so that the file has one size; `last`: the same, channels last."""
    file = TinyFile()
    first = kind != "last"
    shape = (1, 3, HEIGHT, WIDTH) if first else (1, HEIGHT, WIDTH, 3)
    picture = tensor = file.tensor("picture", shape, grid=pixel_grid())
    tensor = transposed(file, tensor, (0, 2, 3, 1)) if first else tensor
    tensor = file.convolution(tensor, loose_grid(), channels=12)
    if kind == "reshaped":
        tensor = transposed(file, tensor, (0, 3, 1, 2))
        tensor = file.reshape(tensor, (1, 3, 2, 2, HEIGHT, WIDTH))
        tensor = transposed(file, tensor, (0, 1, 4, 2, 5, 3))
        tensor = file.reshape(tensor, (1, 3, 2 * HEIGHT, 2 * WIDTH))
    else:
        tensor = file.depth_to_space(tensor)
    if kind == "outer":
        tensor = transposed(file, tensor, (0, 3, 1, 2))
    tensor = file.rectifier("RELU", file.bound("MINIMUM", tensor, 1.0), pixel_grid())
    if kind == "inner":
        tensor = transposed(file, tensor, (0, 3, 1, 2))
    return file.finished([picture], [tensor])


@pytest.mark.parametrize("kind", ["inner", "outer", "reshaped"])
def test_what_inspect_promises_strip_keeps(kind, sandbox):
    content = clipped_channels_first(kind)
    found = inspect_model(content, sandbox=sandbox)
    (clip,) = [f for f in found.findings if f.id == "clip"]
    assert clip.fix.startswith("sr-export strip takes it out")
    stripped = strip_model(content, sandbox=sandbox)
    assert [op["op"] for op in stripped.removed_ops] == ["MINIMUM", "RELU"]
    assert stripped.agreement.max_abs_code_difference <= stripped.bound <= 1
    again = inspect_model(stripped.content, sandbox=sandbox)
    assert "clip" not in [f.id for f in again.findings]


@pytest.mark.parametrize("kind", ["inner", "outer"])
def test_they_give_the_pixels_of_the_same_file_with_channels_last(kind):
    picture = bundled_pieces()[0][:HEIGHT, :WIDTH]
    first, last = (
        upscale(open_model(clipped_channels_first(k), delegate="builtin"), picture)
        for k in (kind, "last")
    )
    np.testing.assert_array_equal(first.raw, last.raw)


@pytest.mark.parametrize("kind", ["inner", "outer"])
def test_their_tiles_leave_no_seam(kind):
    content = clipped_channels_first(kind)
    # One convolution of 3x3 looks one pixel to each side.
    assert read_receptive_field(content).radius == 1
    picture = bundled_pieces()[1]
    upscaler = Upscaler(open_model(content), tile=(20, 24))
    whole = upscale(open_model(content), picture).raw
    assert upscaler.plan(*picture.shape[:2]).tiles > 4
    np.testing.assert_array_equal(upscaler.whole(picture), whole)


def test_a_transpose_that_turns_the_picture_is_not_tiled():
    file = TinyFile()
    picture = file.tensor("picture", (1, 8, 8, 3), grid=pixel_grid())
    turned = transposed(file, picture, (0, 2, 1, 3))
    with pytest.raises(ModelFileError, match="the reach of TRANSPOSE"):
        read_receptive_field(file.finished([picture], [turned]))
