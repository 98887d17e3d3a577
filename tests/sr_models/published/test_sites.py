import pytest

from sr_models.ground.errors import OptionError
from sr_models.networks.graph import points
from sr_models.networks.network import build_trunk
from sr_models.networks.presets import Preset
from sr_models.networks.tails import attach_tail
from sr_models.published.sites import (
    Block,
    body_output,
    body_sites,
    convolution_sites,
    feature_points,
    is_rectified,
    points_of_pixels,
    quantized_tensors,
    residual_blocks,
)
from tests.networks import sharpening_trunk


def trunk(family, **config):
    return build_trunk(Preset("test", family, config, "for tests"))


@pytest.fixture(scope="module")
def edsr():
    return trunk("edsr", scale=2, width=8, blocks=2, upsampler="staged")


def test_blocks_of_edsr_are_found_and_the_long_skip_is_none(edsr):
    assert residual_blocks(edsr) == [
        Block("first", "block0_conv1", "block0_add", ("block0_conv0", "block0_conv1")),
        Block("block0_add", "block1_conv1", "block1_add", ("block1_conv0", "block1_conv1")),
    ]
    assert body_output(edsr) == "long_skip"
    assert feature_points(edsr) == ["block0_add", "block1_add"]


def test_roles_and_signs_in_edsr(edsr):
    found = {s.name: (s.reads, s.role, s.rectified) for s in convolution_sites(edsr)}
    assert found == {
        "first": ("input", "head", False),
        "block0_conv0": ("first", "body", False),
        "block0_conv1": ("block0_conv0", "body", True),
        "block1_conv0": ("block0_add", "body", False),
        "block1_conv1": ("block1_conv0", "body", True),
        "body_last": ("block1_add", "merge", False),
        "upscale0": ("long_skip", "tail", False),
        "last": ("upscale0_depth_to_space", "tail", False),
    }


def test_dense_blocks_of_rdn_are_found():
    model = trunk("rdn", scale=2, width=8, growth=4, blocks=2, layers=2)
    blocks = residual_blocks(model)
    assert [b.entry for b in blocks] == ["second", "block0_add"]
    assert blocks[0].convolutions == ("block0_conv0", "block0_conv1", "block0_fusion")
    roles = {s.name: s.role for s in convolution_sites(model)}
    assert blocks[0].joins == ("block0_concat0", "block0_concat1")
    assert (roles["second"], roles["fusion"], roles["body_last"]) == ("head", "fusion", "fusion")
    assert roles["upscale0"] == "tail"
    # Dense features are joined with those of the block's input, which may be negative.
    assert not any(s.rectified for s in body_sites(model))
    assert [s.name for s in body_sites(model)][-2:] == ["fusion", "body_last"]


def test_plain_networks_have_a_head_a_body_and_a_tail():
    model = trunk("abpn", scale=3, blocks=2)
    roles = {s.name: s.role for s in convolution_sites(model)}
    assert roles == {
        "first": "head",
        "block0": "body",
        "block1": "body",
        "to_pixels": "body",
        "last": "tail",
    }
    assert body_output(model) == "to_pixels"
    assert feature_points(model) == ["block0", "block1", "to_pixels"]
    xlsr = trunk("xlsr", scale=3, width=8, blocks=1, skip_width=4, merge_width=8)
    roles = {s.name: s.role for s in convolution_sites(xlsr)}
    assert [n for n, r in roles.items() if r == "head"] == ["first", "skip"]
    assert [n for n, r in roles.items() if r == "tail"] == ["last"]


def test_a_network_of_one_convolution_has_no_body():
    with pytest.raises(OptionError, match=r"expected convolutions between.*found none in sharp"):
        body_sites(sharpening_trunk())


def test_what_is_only_moved_keeps_its_sign():
    model = attach_tail(trunk("abpn", scale=3, blocks=1), "relu", scale=3)
    graph = points(model)
    assert is_rectified(graph, "depth_to_space")
    assert not is_rectified(graph, "input")
    assert not is_rectified(graph, "add")


def test_pixels_are_the_input_the_output_and_what_is_moved_of_them():
    model = attach_tail(trunk("abpn", scale=3, blocks=1), "relu", scale=3)
    assert points_of_pixels(model) == {"input", "anchor", "tail_relu", "depth_to_space"}


def test_each_stored_tensor_but_the_pixels_has_one_grid(edsr):
    inside = dict.fromkeys(
        ["first", "block0_conv0", "block0_conv1", "block0_add", "block1_conv0", "block1_conv1"], 4
    )
    assert quantized_tensors(edsr, bits=4, edge_bits=None) == inside
    # What depth-to-space moves keeps its grid; the last convolution makes pixels.
    around = {"block1_add": 8, "body_last": 8, "long_skip": 8, "upscale0": 8}
    assert quantized_tensors(edsr, bits=4, edge_bits=8) == {**inside, **around}
