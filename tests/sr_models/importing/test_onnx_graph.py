import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from sr_models.ground.errors import NetworkError
from sr_models.importing.keras_network import to_keras
from sr_models.importing.onnx_file import load_onnx_file
from sr_models.importing.simplification import simplified
from tests.onnx_files import Graph
from tests.sr_models.importing.onnx_architectures import ARCHITECTURES

PICTURE = np.random.default_rng(5).random((1, 10, 12, 3)).astype(np.float32)
EXACT = 1e-4  # of 0..1: less than a tenth of a code


def opened(model, tmp_path):
    path = tmp_path / "net.onnx"
    onnx.save(model, path)
    return load_onnx_file(path)


def expected(model, picture=PICTURE):
    (answer,) = ReferenceEvaluator(model).run(None, {"input": picture.transpose(0, 3, 1, 2)})
    return answer.transpose(0, 2, 3, 1)


def rebuilt(model, tmp_path, picture=PICTURE):
    """The operations read, simplified, and what the network of them makes of a picture."""
    network = opened(model, tmp_path).at(picture.shape).network
    network = simplified(simplified(network), final=True)
    return network, np.asarray(to_keras(network, name="net")(picture))


def same(graph, output, tmp_path, picture=PICTURE):
    """The operations of a graph, once it is held against the reference."""
    model = graph.model(output)
    network, found = rebuilt(model, tmp_path, picture)
    wanted = expected(model, picture)
    assert found.shape == wanted.shape and np.abs(wanted).max() > 0.05
    assert np.abs(found - wanted).max() <= EXACT * max(1.0, np.abs(wanted).max())
    return network


def kinds(network):
    return [operation.kind for operation in network]


@pytest.mark.parametrize("build", ARCHITECTURES, ids=lambda build: build.__name__)
def test_an_architecture_gives_the_picture_that_its_file_gives(build, tmp_path):
    graph = Graph()
    network = same(graph, build(graph), tmp_path)
    assert "space_to_depth" not in kinds(network)


def refused(graph, output, tmp_path, match):
    with pytest.raises(NetworkError, match=match) as error:
        opened(graph.model(output), tmp_path).at(PICTURE.shape)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("shape", [(4, 1, 1), (1, 4, 1, 1), (1,), (), (1, 1, 1)], ids=str)
def test_slopes_of_every_shape(shape, tmp_path):
    graph = Graph()
    y = graph.node("PRelu", graph.conv("input", 3, 4), graph.drawn(*shape))
    assert "prelu" in kinds(same(graph, graph.conv(y, 4, 3), tmp_path))


def test_a_slope_for_each_pixel_is_refused(tmp_path):
    graph = Graph()
    y = graph.node("PRelu", graph.conv("input", 3, 4), graph.drawn(4, 10, 12))
    refused(graph, y, tmp_path, r"\[4, 10, 12\] that depend on the place \(/net/PRelu")


@pytest.mark.parametrize("kind", ["Add", "Sub", "Mul", "Div"])
@pytest.mark.parametrize("shape", [(), (1,), (4, 1, 1), (1, 4, 1, 1)], ids=str)
@pytest.mark.parametrize("first", [True, False])
def test_arithmetic_with_numbers(kind, shape, first, tmp_path):
    graph = Graph()
    x = graph.conv("input", 3, 4)
    values = graph.held(graph.rng.uniform(0.5, 1.5, shape).astype(np.float32))
    y = graph.node(kind, *((x, values) if first else (values, x)))
    if kind == "Div" and not first:
        refused(graph, y, tmp_path, "division by what depends on the picture")
    else:
        same(graph, graph.conv(y, 4, 3, 1), tmp_path)


def test_numbers_that_add_up_to_too_many_are_refused(tmp_path):
    graph = Graph()
    y = graph.node("Range", *(graph.held(np.int64(n)) for n in (0, 2**25, 1)))
    for _ in range(8):
        y = graph.node("Neg", y)
    y = graph.node("Add", "input", graph.node("ReduceMax", y))
    refused(graph, y, tmp_path, "found Neg that makes more")


@pytest.mark.parametrize("kind", ["Add", "Sub", "Mul", "Sum"])
def test_arithmetic_of_tensors(kind, tmp_path):
    graph = Graph()
    y = graph.node(kind, graph.conv("input", 3, 3), graph.conv("input", 3, 3))
    same(graph, y, tmp_path)


def test_tensors_of_different_shapes_are_refused(tmp_path):
    graph = Graph()
    x = graph.conv("input", 3, 4)
    y = graph.node("Mul", x, graph.conv(x, 4, 2))
    refused(graph, y, tmp_path, "a product of tensors of different shapes")


@pytest.mark.parametrize("ends", [("low", "high"), ("low", ""), ("", "high"), ()], ids=str)
def test_clips_with_either_end_left_out(ends, tmp_path):
    graph = Graph()
    known = {"low": graph.held(np.float32(-0.1)), "high": graph.held(np.float32(0.2)), "": ""}
    y = graph.node("Clip", graph.conv("input", 3, 4), *(known[end] for end in ends))
    same(graph, graph.conv(y, 4, 3, 1), tmp_path)


def test_the_clip_of_older_opsets(tmp_path):
    graph = Graph()
    y = graph.conv(graph.node("Clip", "input", min=0.25, max=0.5), 3, 3, 1)
    network = opened(graph.model(y), tmp_path).at(PICTURE.shape).network
    (bound,) = (operation for operation in network if operation.kind == "bound")
    assert (bound["minimum"], bound["maximum"]) == (0.25, 0.5)


def test_activations_bounds_and_what_does_nothing(tmp_path):
    graph = Graph()
    y = graph.node("Sigmoid", graph.conv("input", 3, 4))
    y = graph.node("Tanh", graph.node("Dropout", graph.node("Identity", y)))
    y = graph.node("Max", y, graph.held(np.float32(0.1)))
    y = graph.node("Min", graph.held(np.float32([0.5])), y)
    y = graph.node("HardSigmoid", graph.conv(graph.node("Neg", y), 4, 4), alpha=1 / 6)
    y = graph.node("LeakyRelu", graph.conv(graph.node("Cast", y, to=1), 4, 4))
    same(graph, graph.conv(y, 4, 3), tmp_path)


def test_a_sum_of_two_shuffles_is_one(tmp_path):
    graph = Graph(shape=(1, 3, 10, 12))
    a, b = (
        graph.node("Reshape", graph.conv("input", 3, 12), graph.numbers(1, 3, 2, 2, 10, 12))
        for _ in range(2)
    )
    y = graph.node("Relu", graph.node("Add", a, b))
    y = graph.node("Transpose", y, perm=(0, 1, 4, 2, 5, 3))
    y = graph.node("Reshape", y, graph.numbers(1, 3, 20, 24))
    assert kinds(same(graph, y, tmp_path)).count("depth_to_space") == 1


@pytest.mark.parametrize("opset", [11, 13, 17, 18, 20, 22, 24])
def test_every_opset(opset, tmp_path):
    graph = Graph(opset=opset)
    model = graph.model(ARCHITECTURES[0](graph))
    _, found = rebuilt(model, tmp_path)
    assert np.abs(found - expected(model)).max() <= EXACT


def test_half_precision_is_read_in_float32(tmp_path):
    graph = Graph(half=True)
    y = graph.conv(graph.node("Relu", graph.conv("input", 3, 4)), 4, 12)
    y = graph.node("Mul", y, graph.node("Cast", graph.numbers(0.5, dtype=np.float32), to=10))
    model = graph.model(graph.node("DepthToSpace", y, blocksize=2))
    file = opened(model, tmp_path)
    assert file.step == 2.0**-11 and file.at(PICTURE.shape).step == file.step
    halves = expected(model, PICTURE.astype(np.float16)).astype(np.float32)
    _, found = rebuilt(model, tmp_path)
    assert 0.0 < np.abs(found - halves).max() < 0.01
    assert np.abs(file(PICTURE) - found).max() <= EXACT


def unknown(graph, kind):
    """A graph that holds a node which has no place, and its output."""
    x = graph.conv("input", 3, 4)
    if kind == "MatMul":
        return graph.node(kind, x, graph.drawn(12, 12))
    if kind == "LayerNormalization":
        return graph.node(kind, x, graph.drawn(12), axis=-1)
    if kind == "ReduceMean":
        return graph.node(kind, x, axes=[1, 2, 3], keepdims=1)
    if kind == "If":
        return graph.node(kind, x)
    return graph.node(kind, x)


@pytest.mark.parametrize(
    ("kind", "found", "instead"),
    [
        ("LayerNormalization", "LayerNormalization", "BatchNormalization"),
        ("ReduceMean", "a mean over channels", "1x1 convolution"),
        ("MatMul", "MatMul", "1x1 convolution"),
        ("InstanceNormalization", "InstanceNormalization", "BatchNormalization"),
        ("Softmax", "Softmax", "without attention"),
        ("Elu", "Elu", "ReLU or PReLU"),
        ("Mish", "Mish", "ReLU or PReLU"),
        ("GlobalMaxPool", "a maximum over the whole picture", "a mean over the whole picture"),
        ("If", "If", "one fixed path"),
        ("ScatterND", r"an assignment to a part of a tensor \(ScatterND\)", "torch.cat"),
        ("is_run", "is_run", "docs/networks.md"),
    ],
)
def test_nodes_that_have_no_place_are_refused_by_their_names(kind, found, instead, tmp_path):
    graph = Graph()
    y = graph.conv(unknown(graph, kind), 4, 3)
    refused(graph, y, tmp_path, rf"found {found} \(/net/{kind}_\d+\); take .*{instead}")


def test_a_normalization_of_groups_is_called_what_it_was(tmp_path):
    graph = Graph()
    y = graph.node("Reshape", graph.conv("input", 3, 4), graph.numbers(0, 2, -1))
    y = graph.node("InstanceNormalization", y, graph.drawn(2), graph.drawn(2))
    refused(graph, y, tmp_path, r"found GroupNormalization \(/net/Instance")


def test_a_node_of_another_domain_is_refused_by_both_names(tmp_path):
    graph = Graph()
    y = graph.node("Conv", "input", graph.drawn(3, 3, 1, 1), domain="com.\nthem")
    refused(graph, y, tmp_path, r"found com\.__?them\.Conv")


def test_what_nothing_depends_on_is_not_read(tmp_path):
    graph = Graph()
    y = graph.conv("input", 3, 3)
    graph.node("Softmax", y)
    same(graph, y, tmp_path)


def test_names_are_those_of_the_layers(tmp_path):
    graph = Graph()
    graph.conv("input", 3, 3)
    model = graph.model(graph.nodes[-1].output[0])
    for name, layer in (
        ("/body/body.0/conv1/Conv", "conv1"),
        ("node_conv2d_3", "node_conv2d_3"),
        ("", "conv"),
        ("/head/Conv_7", "head"),
    ):
        model.graph.node[-1].name = name
        network = opened(model, tmp_path).at(PICTURE.shape).network
        assert network[network.output].layer == layer


def of_bytes(graph, y):
    """A model of bytes around what a graph makes of its input's numbers."""
    model = graph.model(y)
    for end in (*model.graph.input, *model.graph.output):
        end.type.tensor_type.elem_type = onnx.TensorProto.UINT8
    return model


def test_a_network_of_whole_numbers(tmp_path):
    graph = Graph()
    y = graph.conv(graph.node("Cast", "input", to=onnx.TensorProto.FLOAT), 3, 3)
    ends = [graph.held(np.float32(end)) for end in (0.0, 255.0)]
    y = graph.node("Clip", graph.node("Round", y), *ends)
    file = opened(of_bytes(graph, graph.node("Cast", y, to=onnx.TensorProto.UINT8)), tmp_path)
    read = file.at(PICTURE.shape)
    assert file.dtype == "uint8" and read.input.dtype.is_integer
    assert kinds(read.network)[1:] == ["convolution", "rounding", "bound"]
    picture = np.rint(255.0 * PICTURE)
    difference = np.abs(read(picture) - file(picture))
    assert 0.1 < difference.max() <= 0.5001  # The one rounds and the other does not.


@pytest.mark.parametrize("kind", ["Cast", "Floor"])
def test_numbers_that_are_cut_off_are_known(kind, tmp_path):
    graph = Graph()
    y = graph.node("Mul", graph.conv("input", 3, 3), graph.held(np.float32(255.0)))
    y = graph.node(kind, y, **({"to": onnx.TensorProto.UINT8} if kind == "Cast" else {}))
    read = opened(graph.model(y), tmp_path).at(PICTURE.shape)
    assert kinds(read.network)[-1] == "truncation"


def test_attributes_of_another_type_are_refused_in_one_line(tmp_path):
    graph = Graph()
    y = graph.node("Conv", "input", graph.drawn(3, 3, 1, 1), strides="two\nlines")
    refused(graph, y, tmp_path, r"found a damaged node /net/Conv_\d+ \(Conv: ValueError\)")
