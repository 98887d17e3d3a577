import re

import numpy as np
import pytest

from export.inspecting.plan import NO_OP, RETARGETED, plan_strip
from sr_models.quantization.grids import Grid
from sr_models.tflite.unpacked import unpack
from tests.tiny_files import TinyFile, clipped_file, loose_grid, pixel_grid


def plan(*steps, **options):
    return plan_strip(unpack(clipped_file(*steps, **options)))


def dropped(site):
    return [link.op.name for link in site.dropped]


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize(
    ("steps", "gone"),
    [
        (("MINIMUM", "RELU"), ["MINIMUM", "RELU"]),
        (("DEPTH_TO_SPACE", "MINIMUM", "RELU"), ["MINIMUM", "RELU"]),
        (("MINIMUM", "DEPTH_TO_SPACE", "RELU"), ["MINIMUM", "RELU"]),
        (("RESHAPE", "RELU", "RESHAPE"), ["RELU"]),
        (("CONCATENATION", "MINIMUM", "RELU"), ["MINIMUM", "RELU"]),
        (("ADD", "DEPTH_TO_SPACE", "MINIMUM", "RELU"), ["MINIMUM", "RELU"]),
        (("RELU6",), ["RELU6"]),
        (("RELU_0_TO_1",), ["RELU_0_TO_1"]),
        (("MINIMUM", "MAXIMUM", "QUANTIZE"), ["MINIMUM", "MAXIMUM", "QUANTIZE"]),
    ],
)
def test_clips_go_and_their_producers_get_the_clips_grid(steps, gone, dtype):
    result = plan(*steps, dtype=dtype)
    (site,) = result.sites
    assert dropped(site) == gone
    assert (site.proof, site.bound, site.grid) == (RETARGETED, 1, pixel_grid(dtype))
    assert result.proof == RETARGETED and not result.obstacles and not result.left


def test_a_clip_on_the_grid_of_pixels_changes_nothing():
    result = plan("MINIMUM", "RELU", "DEPTH_TO_SPACE", before=pixel_grid())
    assert [dropped(site) for site in result.sites] == [["MINIMUM"], ["RELU"]]
    assert (result.proof, result.bound) == (NO_OP, 0)
    assert all(site.grid is None and not site.retargeted for site in result.sites)


def test_an_idle_clip_behind_one_that_retargets_goes_too():
    result = plan("RELU", "MINIMUM")
    assert [(site.proof, dropped(site)) for site in result.sites] == [
        (RETARGETED, ["RELU"]),
        (NO_OP, ["MINIMUM"]),
    ]
    assert result.proof == RETARGETED


def test_a_fused_relu_makes_the_second_one_idle():
    result = plan("RELU", activation="RELU", after=loose_grid())
    assert [site.proof for site in result.sites] == [NO_OP]


def test_a_fused_relu_takes_the_place_of_a_maximum_that_keeps_its_grid():
    result = plan("MAXIMUM")
    (site,) = result.sites
    assert (site.bound, site.activations, site.retargeted) == (0, ((0, "RELU"),), ())


def test_sixteen_bits_have_no_room_to_saturate_below_and_fuse_a_relu():
    (site,) = plan("MINIMUM", "RELU", dtype="int16").sites
    assert site.activations == ((0, "RELU"),)
    assert site.grid == pixel_grid("int16")
    # Their kernels multiply by 15 bits: both files are off by a code of their own.
    assert site.bound == 3


@pytest.mark.parametrize(
    ("steps", "options", "reason"),
    [
        (("MINIMUM",), {"top": 0.5}, r"ends at -0.1867 and 0.4993.*could change by 107"),
        (("MINIMUM", "RELU"), {"after": loose_grid()}, "RELU .operator 2. cannot go"),
        (("RELU",), {"before": pixel_grid(white=2.2)}, "could change by 2 where 1 is allowed"),
    ],
)
def test_a_clip_that_storing_cannot_do_stays_and_says_why(steps, options, reason):
    if "after" in options:
        options = {**options, "top": 0.4}
    result = plan(*steps, **options)
    assert not result.sites
    assert re.search(reason, result.obstacles[0])


def test_a_larger_difference_can_be_allowed():
    content = clipped_file("RELU", before=pixel_grid(white=2.2))
    assert plan_strip(unpack(content), limit=2).bound == 2
    exact = plan_strip(unpack(clipped_file("MINIMUM", "RELU")), limit=0)
    assert not exact.sites and exact.obstacles


def file_with(build):
    file = TinyFile()
    picture = file.tensor("picture", (1, 4, 6, 3), grid=pixel_grid())
    tensor = file.convolution(picture, loose_grid(), channels=12)
    outputs = build(file, tensor, picture)
    return plan_strip(unpack(file.finished([picture], outputs)))


def test_a_tensor_that_another_reader_needs_as_it_is_stops_it():
    def build(file, tensor, _):
        clipped = file.rectifier("RELU", tensor, pixel_grid())
        return [clipped, file.depth_to_space(tensor)]

    result = file_with(build)
    assert not result.sites
    assert "DEPTH_TO_SPACE (operator 2) also reads what CONV_2D" in result.obstacles[0]


def test_a_tensor_that_is_an_output_as_well_stops_it():
    result = file_with(lambda f, t, _: [f.rectifier("RELU", t, pixel_grid()), t])
    assert "is an output of the file as well" in result.obstacles[0]


def test_every_output_loses_its_own_clip():
    def build(file, tensor, picture):
        other = file.convolution(picture, loose_grid(), channels=3, name="other")
        return [file.rectifier("RELU", t, pixel_grid()) for t in (tensor, other)]

    assert len(file_with(build).sites) == 2


def test_a_clip_read_by_two_tails_goes_once():
    def build(file, tensor, _):
        clipped = file.rectifier("RELU", tensor, pixel_grid())
        return [file.depth_to_space(clipped), file.reshape(clipped, (1, 6, 4, 12))]

    (site,) = file_with(build).sites
    assert dropped(site) == ["RELU"]


def test_an_activation_inside_of_the_network_stays():
    def build(file, tensor, _):
        inside = file.rectifier("RELU6", tensor, pixel_grid())
        last = file.convolution(inside, loose_grid(), channels=3, name="last")
        return [file.rectifier("RELU", last, pixel_grid())]

    result = file_with(build)
    assert [dropped(site) for site in result.sites] == [["RELU"]]
    assert "RELU6 (operator 1): CONV_2D (operator 2) computes with" in result.left[0]


def test_a_clip_on_the_input_itself_has_no_producer():
    result = file_with(lambda f, _, picture: [f.bound("MINIMUM", picture, 0.5)])
    assert "reads an input" in result.obstacles[0]


def test_an_idle_clip_between_input_and_output_is_not_counted_as_gone():
    result = file_with(lambda f, _, picture: [f.bound("MINIMUM", picture, 1.0)])
    assert not result.sites


def test_diamonds_do_not_multiply_the_work_without_end():
    def build(file, tensor, _):
        tensor = file.rectifier("RELU", tensor, pixel_grid())
        for _ in range(30):
            halves = [file.reshape(tensor, (1, 4, 6, 12)) for _ in range(2)]
            tensor = file.concatenation(halves)
            file.graph.tensors[tensor].shape[3] = 12
        return [tensor]

    result = file_with(build)
    assert "more than 32 paths" in result.obstacles[0]


def test_a_file_made_to_keep_us_busy_is_given_up():
    def bounds_by_channel(file, tensor, _):
        for _ in range(20):
            tensor = file.bound("MINIMUM", tensor, np.linspace(0.5, 0.9, 12))
        return [file.rectifier("RELU", tensor, pixel_grid())]

    assert "too many bounds that differ by channel" in file_with(bounds_by_channel).obstacles[0]

    def endless(file, tensor, _):
        for _ in range(100):
            tensor = file.rectifier("RELU", tensor, pixel_grid())
        return [tensor]

    assert "more than 64 operators bound values" in file_with(endless).obstacles[0]


def test_an_idle_clip_further_on_is_not_counted_on():
    # The old tensor ends at 254 of 255 codes, so a MINIMUM behind the RELU is idle and goes too;
    # the new one reaches 255. The bound must know.
    def build(file, tensor, picture):
        short = Grid("int8", float(np.float32(1 / 255)), -127)
        last = file.convolution(picture, short, channels=3, name="short")
        clipped = file.rectifier("RELU", last, pixel_grid())
        return [file.bound("MINIMUM", clipped, 254 / 255)]

    result = file_with(build)
    assert sorted(name for site in result.sites for name in dropped(site)) == ["MINIMUM", "RELU"]
    assert result.bound == 1
