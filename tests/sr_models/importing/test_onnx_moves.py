import numpy as np
import pytest

from sr_models.ground.errors import NetworkError
from tests.onnx_files import Graph
from tests.sr_models.importing.onnx_architectures import bilinear, nearest
from tests.sr_models.importing.test_onnx_graph import (
    PICTURE,
    expected,
    kinds,
    opened,
    rebuilt,
    same,
)


def refused(graph, output, tmp_path, match):
    file = opened(graph.model(output), tmp_path)
    with pytest.raises(NetworkError, match=match):
        file.at(PICTURE.shape)


@pytest.mark.parametrize(
    ("attributes", "kind"),
    [
        ({"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}, "repeat"),
        ({}, "repeat"),
        ({"coordinate_transformation_mode": "pytorch_half_pixel"}, "repeat"),
        ({"mode": "linear"}, "bilinear"),
        ({"mode": "linear", "coordinate_transformation_mode": "pytorch_half_pixel"}, "bilinear"),
    ],
)
@pytest.mark.parametrize("factor", [2, 3, 4])
def test_resizing_by_a_whole_factor(attributes, kind, factor, tmp_path):
    graph = Graph()
    scales = graph.held(np.array([1, 1, factor, factor], np.float32))
    y = graph.node("Resize", graph.conv("input", 3, 3), "", scales, **attributes)
    assert kind in kinds(same(graph, y, tmp_path))


@pytest.mark.parametrize("how", [nearest, bilinear])
def test_a_size_computed_from_the_picture_is_a_factor_at_any_size(how, tmp_path):
    for shape in ((1, 10, 12, 3), (1, 7, 5, 3)):
        graph = Graph()
        picture = np.random.default_rng(0).random(shape).astype(np.float32)
        same(graph, graph.conv(how(graph, "input", 2), 3, 3), tmp_path, picture)


@pytest.mark.parametrize(
    ("attributes", "match"),
    [
        ({"mode": "cubic"}, "bicubic upscaling .*take bilinear or nearest"),
        (
            {"mode": "linear", "coordinate_transformation_mode": "tf_crop_and_resize"},
            "linear upscaling with tf_crop_and_resize",
        ),
        (
            {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "ceil"},
            "nearest upscaling with asymmetric and ceil",
        ),
    ],
)
def test_other_ways_to_resize_are_refused(attributes, match, tmp_path):
    graph = Graph()
    scales = graph.held(np.array([1, 1, 2, 2], np.float32))
    refused(graph, graph.node("Resize", "input", "", scales, **attributes), tmp_path, match)


@pytest.mark.parametrize("places", ["align_corners", "asymmetric"])
def test_bilinear_resizing_by_other_places_is_said_by_the_size_of_the_picture(places, tmp_path):
    graph = Graph()
    y = graph.node("MaxPool", graph.conv("input", 3, 4), kernel_shape=[2, 2], strides=[2, 2])
    scales = graph.held(np.array([1, 1, 2, 2], np.float32))
    given = {"mode": "linear", "coordinate_transformation_mode": places}
    y = graph.node("Resize", y, "", scales, **given)
    assert "resize" in kinds(same(graph, y, tmp_path))


@pytest.mark.parametrize("scales", [(1, 1, 1.5, 1.5), (1, 1, 2, 3), (1, 1, 0.3, 0.3), (1, 2, 2, 2)])
def test_resizing_by_no_whole_factor_is_refused(scales, tmp_path):
    graph = Graph()
    given = graph.held(np.array(scales, np.float32))
    refused(graph, graph.node("Resize", "input", "", given), tmp_path, "found resizing from")


@pytest.mark.parametrize(
    ("opset", "widths", "as_input", "count"),
    [
        (11, [2, 6], False, 2),
        (13, [2, 6], True, 2),
        (13, None, None, 2),
        (18, None, None, 3),
    ],
)
def test_channels_are_split_as_the_opset_says(opset, widths, as_input, count, tmp_path):
    graph = Graph(opset=opset)
    given = [graph.numbers(*widths)] if as_input else []
    attributes = {} if as_input or widths is None else {"split": widths}
    if opset == 18:
        attributes["num_outputs"] = count
    x = graph.conv("input", 3, 8)
    parts = graph.node("Split", x, *given, outputs=count, axis=-3, **attributes)
    parts = [graph.node("Relu", parts[0]), *parts[1:]]  # Else their order would be all there is.
    y = graph.conv(graph.node("Concat", *parts[::-1], axis=1), 8, 3)
    assert kinds(same(graph, y, tmp_path)).count("slice") == count


def test_channels_are_cut_out_by_slice_and_gather(tmp_path):
    graph = Graph()
    x = graph.conv("input", 3, 8)
    ends = [graph.numbers(n) for n in (2, 2**62, 1)]
    a = graph.node("Slice", x, *ends)
    b = graph.node("Gather", x, graph.numbers(0, 1), axis=1)
    everything = [graph.numbers(n) for n in (0, 2**62, 2)]
    c = graph.node("Slice", x, *everything)
    network = same(graph, graph.conv(graph.node("Concat", a, b, c, axis=1), 16, 3), tmp_path)
    assert kinds(network).count("slice") == 2


@pytest.mark.parametrize("axis", [2, -1])
def test_a_part_of_a_picture_is_refused(axis, tmp_path):
    graph = Graph()
    ends = [graph.numbers(n) for n in (0, 4, axis, 2)]
    y = graph.node("Slice", "input", *ends)
    refused(graph, y, tmp_path, r"part of a picture cut out \(/net/Slice")


def test_padding_goes_before_a_convolution(tmp_path):
    graph = Graph()
    pads = [0, 0, 1, 1, 0, 0, 1, 1]
    y = graph.node("Pad", "input", graph.numbers(*pads))
    y = graph.conv(y, 3, 3, pads=[0] * 4)
    assert kinds(same(graph, y, tmp_path)) == ["input", "convolution"]
    graph = Graph(opset=18)
    y = graph.node("Pad", "input", graph.numbers(2, 1), "", graph.numbers(3))
    y = graph.conv(y, 3, 3)
    assert kinds(same(graph, y, tmp_path)) == ["input", "pad", "convolution"]


def as_in(other, other_output, graph, output, tmp_path):
    """Hold what is read of a graph against what the reference makes of another spelling of it."""
    _, found = rebuilt(graph.model(output), tmp_path)
    np.testing.assert_allclose(found, expected(other.model(other_output)), atol=1e-5)


@pytest.mark.parametrize(("opset", "kind"), [(9, "Upsample"), (10, "Resize")])
def test_nodes_of_old_opsets(opset, kind, tmp_path):
    old, new = Graph(opset=opset), Graph()
    y, x = (graph.conv("input", 3, 4) for graph in (old, new))
    cut = {"starts": [1, 2], "ends": [4, 2**31], "axes": [1, 3]}
    lists = [new.numbers(*numbers) for numbers in cut.values()]
    x = new.node("Slice", x, *lists)
    if opset == 9:
        y = old.node("Slice", y, **cut)
    else:
        y = old.node("Slice", y, *(old.numbers(*numbers) for numbers in cut.values()))
    pads = [0, 0, 1, 1, 0, 0, 1, 1]
    y = old.node("Pad", y, pads=pads, value=0.0)
    x = new.node("Pad", x, new.numbers(*pads))
    y, x = (graph.conv(name, 3, 3) for graph, name in ((old, y), (new, x)))
    y = old.node(kind, y, old.held(np.float32([1, 1, 2, 2])), mode="nearest")
    clipped = new.node("Clip", nearest(new, x, 2), *(new.held(np.float32(n)) for n in (-0.5, 0.5)))
    as_in(new, clipped, old, old.node("Clip", y, min=-0.5, max=0.5), tmp_path)
    old = Graph(opset=opset)
    y = old.node(kind, "input", old.held(np.float32([1, 1, 2, 2])), mode="linear")
    refused(old, y, tmp_path, "linear resizing of an opset below 11 .*opset_version=17")


@pytest.mark.parametrize("pads", [(-1, -2, -1, 0), (2, -1, -1, 1)])
def test_padding_by_less_than_nothing_cuts_off(pads, tmp_path):
    graph, other = Graph(), Graph()
    y, x = (g.conv("input", 3, 4) for g in (graph, other))
    y = graph.node("Pad", y, graph.numbers(0, 0, *pads[:2], 0, 0, *pads[2:]))
    starts = [max(0, -n) for n in pads[:2]]
    ends = [size - max(0, -n) for size, n in zip(PICTURE.shape[1:3], pads[2:])]
    x = other.node("Slice", x, *(other.numbers(*each) for each in (starts, ends, (2, 3))))
    more = [max(0, n) for n in pads]
    x = other.node("Pad", x, other.numbers(0, 0, *more[:2], 0, 0, *more[2:]))
    as_in(other, other.conv(x, 4, 3), graph, graph.conv(y, 4, 3), tmp_path)
    graph = Graph()
    y = graph.node("Pad", "input", graph.numbers(0, 0, -5, 0, 0, 0, -5, 0))
    refused(graph, y, tmp_path, r"found Pad that makes \[3, 0, 12\] values")


def test_the_padding_that_the_torchscript_exporter_computes(tmp_path):
    graph = Graph()
    rest = graph.node("ConstantOfShape", graph.numbers(4))
    given = graph.node("Concat", graph.numbers(1, 2, 3, 0), graph.node("Cast", rest, to=7), axis=0)
    rows = graph.node("Reshape", given, graph.numbers(-1, 2))
    backwards = [graph.numbers(n) for n in (-1, -(2**63 - 1), 0, -1)]
    turned = graph.node("Transpose", graph.node("Slice", rows, *backwards), perm=(1, 0))
    pads = graph.node("Cast", graph.node("Reshape", turned, graph.numbers(-1)), to=7)
    y = graph.node("Pad", "input", pads, graph.held(np.float32(0.0)), mode="constant")
    network = same(graph, graph.conv(y, 3, 3, pads=[0] * 4), tmp_path)
    (pad,) = (operation for operation in network if operation.kind == "pad")
    assert (pad["rows"], pad["columns"]) == ((3, 0), (1, 2))


def test_the_pixel_shuffle_that_python_wrote_with_sizes(tmp_path):
    """`x.view(b, c // 4, 2, 2, h, w)` of a picture of any size, with numbers like the picture's."""
    graph = Graph(opset=18)
    y = graph.conv("input", 3, 12)
    shape = graph.node("Shape", y)
    b, c, h, w = (graph.node("Gather", shape, graph.held(np.int64(i)), axis=0) for i in range(4))
    four, two = graph.held(np.int64(4)), graph.held(np.int64(2))
    sizes = [b, graph.node("Div", c, four), two, two, h, w]
    last = [b, graph.node("Div", c, four), graph.node("Mul", h, two), graph.node("Mul", w, two)]
    wide, high = (
        graph.node("Concat", *(graph.node("Unsqueeze", n, graph.numbers(0)) for n in each), axis=0)
        for each in (sizes, last)
    )
    y = graph.node("Transpose", graph.node("Reshape", y, wide), perm=(0, 1, 4, 2, 5, 3))
    y = graph.node("Reshape", y, high)
    half = graph.node("CastLike", graph.held(np.float64(0.5)), y)
    network = same(graph, graph.node("Mul", y, half), tmp_path)
    assert kinds(network) == ["input", "convolution", "depth_to_space"]


@pytest.mark.parametrize(
    ("mode", "amount", "match"),
    [
        ("wrap", 1, "padding by wrap"),
        ("edge", 9, "9 pixels of padding by the border"),
        ("reflect", 14, "reflecting padding of more pixels than there are"),
    ],
)
def test_other_paddings_are_refused_by_their_names(mode, amount, match, tmp_path):
    graph = Graph(opset=19)
    pads = graph.numbers(0, 0, amount, 1, 0, 0, 1, 1)
    y = graph.node("Pad", "input", pads, mode=mode)
    refused(graph, graph.conv(y, 3, 3, pads=[0] * 4), tmp_path, match)


def test_space_to_depth_and_squeezed_batches(tmp_path):
    graph = Graph()
    x = graph.node("SpaceToDepth", "input", blocksize=2)
    x = graph.node("Squeeze", x, graph.numbers(0))
    x = graph.node("Unsqueeze", x, graph.numbers(0))
    y = graph.node("DepthToSpace", graph.conv(x, 12, 48), blocksize=4)
    network = same(graph, y, tmp_path)
    assert kinds(network) == ["input", "space_to_depth", "convolution", "depth_to_space"]
