"""Nodes that reduce, mirror or cut a picture, held against onnx's own reference."""

import numpy as np
import pytest

from tests.onnx_files import Graph
from tests.sr_models.importing.test_onnx_graph import kinds, refused, same

PICTURE = np.random.default_rng(3).normal(size=(1, 12, 16, 3)).astype(np.float32)


def up(graph, x, channels, size=2, **given):
    kernel, bias = graph.drawn(channels, channels, size, size), graph.drawn(channels)
    given = {"kernel_shape": [size] * 2, "strides": [2, 2], **given}
    return graph.node("ConvTranspose", x, kernel, bias, **given)


def pool(graph, kind, size, strides, pad=0, **given):
    x = graph.conv("input", 3, 4)
    given = {"kernel_shape": [size] * 2, "strides": [strides] * 2, "pads": [pad] * 4, **given}
    return graph.node(kind, x, **given)


STRIDES = [
    ({"size": 3}, ["pad", "convolution"]),
    ({"size": 4, "pads": [1] * 4}, ["convolution"]),
    ({"size": 3, "pads": None, "auto_pad": "SAME_UPPER"}, ["convolution"]),
    ({"size": 3, "pads": None, "auto_pad": "SAME_LOWER"}, ["pad", "convolution"]),
    ({"size": 1}, ["convolution"]),
    ({"size": 3, "dilation": 2}, ["pad", "convolution"]),
]


@pytest.mark.parametrize(("given", "expected"), STRIDES)
def test_strides_fold_their_zeros_where_that_is_exact(given, expected, tmp_path):
    graph = Graph()
    y = graph.conv("input", 3, 4, given.pop("size"), strides=[2, 2], **given)
    network = same(graph, up(graph, y, 4), tmp_path, PICTURE)
    assert kinds(network) == ["input", *expected, "convolution", "depth_to_space"]


@pytest.mark.parametrize("given", [{}, {"pads": [1] * 4}, {"pads": [1, 0, 0, 2]}])
def test_transposed_convolutions_of_any_size(given, tmp_path):
    graph = Graph()
    y = up(graph, graph.conv("input", 3, 4, strides=[2, 2]), 4, 5, **given)
    same(graph, graph.conv(y, 4, 3, pads=[0] * 4), tmp_path, PICTURE)


POOLS = [
    (("MaxPool", 2, 2), {}, ["max_pool"]),
    (("MaxPool", 3, 2, 1), {}, ["mirror_pad", "max_pool"]),
    (("MaxPool", 3, 1, 1), {}, ["max_pool"]),
    (("MaxPool", 3, 2), {"ceil_mode": 1}, ["max_pool"]),
    (("AveragePool", 2, 2), {}, ["convolution"]),
    (("AveragePool", 3, 2, 1), {"count_include_pad": 1}, ["pad", "convolution"]),
    (("AveragePool", 3, 1, 1), {}, ["average_pool"]),
]


@pytest.mark.parametrize(("what", "given", "expected"), POOLS)
def test_pools_with_padding_and_without(what, given, expected, tmp_path):
    graph = Graph()
    network = same(graph, pool(graph, *what, **given), tmp_path, PICTURE)
    assert kinds(network)[2:] == expected


def test_maxima_of_what_is_never_negative_are_padded_by_zeros(tmp_path):
    graph = Graph()
    x = graph.node("Relu", graph.conv("input", 3, 4))
    y = graph.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    network = same(graph, graph.node("Relu", y), tmp_path, PICTURE)
    assert kinds(network) == ["input", "convolution", "bound", "pad", "max_pool"]


@pytest.mark.parametrize("mode", ["reflect", "edge"])
def test_borders_are_mirrored_or_repeated(mode, tmp_path):
    graph = Graph()
    y = graph.node("Pad", "input", graph.numbers(0, 0, 1, 2, 0, 0, 2, 1), mode=mode)
    same(graph, graph.conv(y, 3, 3, pads=[0] * 4), tmp_path, PICTURE)


@pytest.mark.parametrize(
    ("mode", "places", "nearest"),
    [
        ("linear", "pytorch_half_pixel", "floor"),
        ("nearest", "asymmetric", "floor"),
        ("nearest", "half_pixel", "round_prefer_floor"),
        ("nearest", "half_pixel", "round_prefer_ceil"),
    ],
)
def test_a_picture_is_reduced_by_a_whole_factor(mode, places, nearest, tmp_path):
    graph = Graph()
    scales = graph.held(np.float32([1, 1, 0.25, 0.25]))
    given = {"coordinate_transformation_mode": places, "nearest_mode": nearest}
    y = graph.node("Resize", graph.conv("input", 3, 4), "", scales, mode=mode, **given)
    assert kinds(same(graph, y, tmp_path, PICTURE)) == ["input", "convolution", "convolution"]


def test_what_padding_added_is_cut_off_again(tmp_path):
    graph = Graph()
    y = graph.node("Pad", "input", graph.numbers(0, 0, 3, 3, 0, 0, 3, 3), mode="reflect")
    y = graph.node("Relu", graph.conv(y, 3, 4))
    ends = [graph.numbers(*each) for each in ((3, 3), (-3, -3), (2, 3))]
    same(graph, graph.node("Slice", y, *ends), tmp_path, PICTURE)


@pytest.mark.parametrize(
    ("what", "given", "said"),
    [
        (("AveragePool", 3, 2, 1), {}, "found AveragePool that leaves out its padding"),
        (("AveragePool", 3, 2), {"ceil_mode": 1, "count_include_pad": 1}, "ceil_mode"),
        (("MaxPool", 3, 2, 1), {"dilations": [2, 2]}, r"dilations of \(2, 2\)"),
        (("MaxPool", 2, 2, 2), {}, "more padding than pool"),
        (("MaxPool", 65, 1), {}, "found a pool of"),
    ],
)
def test_other_pools_are_refused_by_their_names(what, given, said, tmp_path):
    graph = Graph()
    refused(graph, pool(graph, *what, **given), tmp_path, said)
