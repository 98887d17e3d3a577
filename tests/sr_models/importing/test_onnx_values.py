import numpy as np
import pytest

from tests.onnx_files import Graph
from tests.sr_models.importing.onnx_architectures import shuffle
from tests.sr_models.importing.test_onnx_graph import PICTURE, kinds, refused, same


def one(graph, value):
    return graph.held(np.float32(value))


def flat(graph, x):
    """Squeeze and excitation as TorchScript writes it: flattened, dense, and back."""
    gate = graph.node("Flatten", graph.node("GlobalAveragePool", x), axis=1)
    gate = graph.node("Gemm", gate, graph.drawn(2, 8), graph.drawn(2), transB=1)
    gate = graph.node("Gemm", graph.node("Relu", gate), graph.drawn(8, 2), graph.drawn(8), transB=1)
    gate = graph.node("Reshape", graph.node("Sigmoid", gate), graph.numbers(1, 8, 1, 1))
    return graph.node("Mul", x, gate)


def expanded(graph, x):
    gate = graph.node("Sigmoid", graph.node("ReduceMean", x, axes=[2, 3], keepdims=1))
    return graph.node("Mul", x, graph.node("Expand", gate, graph.node("Shape", x)))


def contrast(graph, x):
    """IMDN's channel attention: sums over the picture's own size, a power for the deviation."""
    shape = graph.node("Shape", x)
    sides = [graph.node("Gather", shape, graph.held(np.int64(axis)), axis=0) for axis in (2, 3)]
    count = graph.node("Cast", graph.node("Mul", *sides), to=1)

    def mean(values):
        for axis in (3, 2):
            values = graph.node("ReduceSum", values, graph.numbers(axis), keepdims=1)
        return graph.node("Div", values, count)

    squares = graph.node("Pow", graph.node("Sub", x, mean(x)), one(graph, 2.0))
    deviation = graph.node("Pow", mean(squares), one(graph, 0.5))
    gate = graph.node("Relu", graph.conv(graph.node("Add", deviation, mean(x)), 8, 2, 1))
    return graph.node("Mul", x, graph.node("Sigmoid", graph.conv(gate, 2, 8, 1)))


def pixelwise(graph, x):
    return graph.node("Mul", graph.conv(x, 8, 8), graph.node("Sigmoid", graph.conv(x, 8, 1, 1)))


def dense(graph, x):
    """A block of ConvNeXt without its normalization: dense layers over the last axis."""
    y = graph.node("Transpose", x, perm=[0, 2, 3, 1])
    y = graph.node("Add", graph.drawn(16), graph.node("MatMul", y, graph.drawn(8, 16)))
    bell = graph.node("Erf", graph.node("Div", y, one(graph, np.sqrt(2.0))))
    y = graph.node(
        "Mul", graph.node("Mul", y, graph.node("Add", bell, one(graph, 1.0))), one(graph, 0.5)
    )
    y = graph.node("Add", graph.node("MatMul", y, graph.drawn(16, 8)), graph.drawn(8))
    return graph.node("Add", x, graph.node("Transpose", y, perm=[0, 3, 1, 2]))


def spelt_by_letters(graph, x):
    """Weights over channels as sums over an index, with channels first and last."""
    y = graph.node("Einsum", x, graph.drawn(5, 8), equation="bchw,oc->bohw")
    y = graph.node("Transpose", y, perm=[0, 2, 3, 1])
    y = graph.node("Einsum", graph.drawn(5, 8), y, equation="ko, n i j k -> n i j o")
    return graph.node("Transpose", y, perm=[0, 3, 1, 2])


def hard(graph, x):
    gate = graph.node("HardSigmoid", graph.conv(x, 8, 8, 1), alpha=1 / 6)
    return graph.node("Mul", graph.node("HardSwish", x), gate)


@pytest.mark.parametrize(
    "middle", [flat, expanded, contrast, pixelwise, dense, spelt_by_letters, hard]
)
def test_attention_and_activations_give_what_the_reference_gives(middle, tmp_path):
    graph = Graph()
    y = middle(graph, graph.conv("input", 3, 8))
    network = same(graph, shuffle(graph, graph.conv(y, 8, 12), 2), tmp_path)
    assert "select" not in kinds(network) and "affine" not in kinds(network)[:3]


def test_gelu_is_a_node_of_its_own_since_opset_20(tmp_path):
    for approximate in ("none", "tanh"):
        graph = Graph(opset=20)
        y = graph.node("Gelu", graph.conv("input", 3, 8), approximate=approximate)
        network = same(graph, graph.conv(y, 8, 3), tmp_path)
        assert kinds(network)[1:] == ["convolution", "gelu", "convolution"]


def test_reversed_channels_and_a_mean_go_into_the_first_convolution(tmp_path):
    graph = Graph()
    mean = graph.held(np.float32([0.1, 0.2, 0.3]).reshape(1, 3, 1, 1))
    y = graph.node("Gather", "input", graph.held(np.array([2, 1, 0])), axis=1)
    y = shuffle(graph, graph.conv(graph.conv(graph.node("Sub", y, mean), 3, 8), 8, 12), 2)
    y = graph.node("Add", y, mean)
    ends = graph.numbers(-1), graph.numbers(-(2**31)), graph.numbers(1), graph.numbers(-1)
    network = same(graph, graph.node("Slice", y, *ends), tmp_path)
    # The first is the channel of ones that carries the mean.
    assert kinds(network)[1:] == [*["convolution"] * 3, "depth_to_space"]


def test_a_divisor_of_one_size_is_no_mean_at_another(tmp_path):
    graph = Graph()
    x = graph.conv("input", 3, 8)
    total = graph.node("ReduceSum", x, graph.numbers(2, 3), keepdims=1)
    y = graph.node("Mul", x, graph.node("Div", total, one(graph, PICTURE.shape[1] * 12.0)))
    refused(graph, graph.conv(y, 8, 3), tmp_path, "expected sizes that follow the picture's")


def normalized(graph, x, axis):
    mean = graph.node("ReduceMean", x, axes=axis, keepdims=1)
    apart = graph.node("Sub", x, mean)
    squares = graph.node("ReduceMean", graph.node("Mul", apart, apart), axes=axis, keepdims=1)
    return graph.node("Div", apart, graph.node("Sqrt", squares))


@pytest.mark.parametrize(
    ("middle", "said"),
    [
        (lambda g, x: normalized(g, x, [1]), "found LayerNormalization .*BatchNormalization"),
        (lambda g, x: normalized(g, x, [2, 3]), "found instance normalization .*BatchNorm"),
        (lambda g, x: g.node("Mul", x, g.node("GlobalMaxPool", x)), "a maximum over the whole"),
        (lambda g, x: g.node("Mul", x, g.node("Tanh", g.node("Softplus", x))), "found Mish"),
        (lambda g, x: g.node("Softplus", x), "found Softplus"),
        (
            lambda g, x: g.node("Einsum", x, g.drawn(8, 5), equation="bchw,wo->bcho"),
            r"found attention \(\S*Einsum.*take convolutions",
        ),
        (
            lambda g, x: g.node("MatMul", x, g.node("Transpose", x, perm=[0, 1, 3, 2])),
            r"found attention \(MatMul of two tensors\) .*take convolutions",
        ),
        (lambda g, x: g.node("Div", x, g.node("Sigmoid", x)), "take a product with a sigmoid"),
        (lambda g, x: g.node("Erf", x), "no part of a GELU"),
    ],
)
def test_what_stays_out_is_refused_by_its_name(middle, said, tmp_path):
    graph = Graph()
    y = middle(graph, graph.conv("input", 3, 8))
    refused(graph, graph.conv(y, 8, 3), tmp_path, said)
