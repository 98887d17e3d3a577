import numpy as np
import pytest

from sr_models.ground.errors import NetworkError
from tests.onnx_files import Graph
from tests.sr_models.importing.test_onnx_graph import PICTURE, kinds, opened, same


@pytest.mark.parametrize(
    "given",
    [
        {"size": 5},
        {"dilation": 2},
        {"groups": 2},
        {"groups": 4, "dilation": 3},
        {"pads": [0, 0, 0, 0]},
        {"pads": [2, 1, 0, 3]},
        {"auto_pad": "SAME_UPPER", "pads": None},
        {"auto_pad": "SAME_LOWER", "pads": None, "size": 4},
        {"auto_pad": "VALID", "pads": None},
        {"bias": False},
    ],
    ids=str,
)
def test_a_convolution_with_every_kind_of_padding(given, tmp_path):
    graph = Graph()
    given = dict(given)
    x = graph.conv("input", 3, 4, 1)
    size, groups = given.pop("size", 3), given.pop("groups", 1)
    y = graph.conv(x, 4, 8, size, groups=groups, **given)
    same(graph, graph.conv(y, 8, 3, 1), tmp_path)


@pytest.mark.parametrize(
    ("kernel", "stride", "given"),
    [
        (2, 2, {}),
        (3, 2, {"pads": [1] * 4, "output_padding": [1, 1]}),
        (4, 2, {"pads": [1] * 4}),
        (9, 4, {"pads": [4] * 4, "output_padding": [3, 3]}),
        (6, 3, {"pads": [2, 1, 1, 2]}),
        (4, 2, {"auto_pad": "SAME_UPPER"}),
        (5, 2, {"auto_pad": "SAME_LOWER"}),
        (3, 1, {"pads": [1] * 4}),
        (4, 2, {"output_shape": [20, 24], "auto_pad": "SAME_UPPER"}),
        (4, 2, {"pads": [1] * 4, "group": 4}),
    ],
    ids=str,
)
def test_a_transposed_convolution_that_enlarges_by_its_stride(kernel, stride, given, tmp_path):
    graph = Graph(shape=(1, 3, 10, 12))
    x = graph.conv("input", 3, 4)
    weights = graph.drawn(4, 4 // given.get("group", 1), kernel, kernel)
    # The reference adds the whole bias to each group.
    bias = [] if "group" in given else [graph.drawn(4)]
    y = graph.node("ConvTranspose", x, weights, *bias, strides=[stride] * 2, **given)
    network = same(graph, graph.conv(y, 4, 3, 1), tmp_path)
    assert kinds(network).count("depth_to_space") == (stride > 1)


@pytest.mark.parametrize(
    ("node", "given", "match"),
    [
        ("Conv", {"strides": [2, 2], "dilations": [9, 9], "pads": [9] * 4}, "with dilations"),
        ("Conv", {"pads": [-1, 0, 0, 0]}, "takes pixels away"),
        ("Conv", {"group": 3}, "3 groups of 4 channels"),
        ("ConvTranspose", {"strides": [2, 3]}, "from .* to .* pixels with strides"),
        ("Conv", {"dilations": [2**30, 1], "pads": [2**30, 0] * 2}, "found dilations"),
        (
            "ConvTranspose",
            {"strides": [3000] * 2, "output_padding": [2997] * 2},
            r"of \(3000",
        ),
        ("ConvTranspose", {"dilations": [2, 2], "pads": [2] * 4}, "with dilations"),
    ],
)
def test_what_changes_the_size_otherwise_is_refused(node, given, match, tmp_path):
    graph = Graph()
    x = graph.conv("input", 3, 4)
    y = graph.node(node, x, graph.drawn(4, 4, 3, 3), **given)
    file = opened(graph.model(y), tmp_path)
    with pytest.raises(NetworkError, match=match):
        file.at(PICTURE.shape)


def test_weights_that_depend_on_the_picture_are_refused(tmp_path):
    graph = Graph()
    y = graph.node("Conv", "input", graph.node("Relu", "input"))
    with pytest.raises(NetworkError, match="weights of Conv that depend on the picture"):
        opened(graph.model(y), tmp_path).at(PICTURE.shape)


def test_batch_normalization_is_folded(tmp_path):
    graph = Graph()
    y = graph.conv("input", 3, 4)
    gamma, beta, mean = (graph.drawn(4) for _ in range(3))
    variance = graph.held(np.float32([0.5, 1.0, 1.5, 2.0]))
    y = graph.node("BatchNormalization", y, gamma, beta, mean, variance, epsilon=1e-3)
    network = same(graph, graph.conv(graph.node("Relu", y), 4, 3), tmp_path)
    assert kinds(network) == ["input", "convolution", "bound", "convolution"]


def test_weights_that_are_not_finite_are_refused(tmp_path):
    graph = Graph()
    y = graph.node("Conv", "input", graph.held(np.full((3, 3, 1, 1), np.nan, np.float32)))
    with pytest.raises(NetworkError, match="found NaN or infinity in /net/Conv"):
        opened(graph.model(y), tmp_path).at(PICTURE.shape)
