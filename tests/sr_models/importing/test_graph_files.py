import numpy as np
import pytest
import tensorflow as tf

from sr_models.ground.errors import NetworkError
from sr_models.importing.ends import Ends
from sr_models.importing.frozen_graph import freeze
from sr_models.importing.graph_files import load_graph_file
from sr_models.importing.reading import read_network
from sr_models.importing.simplification import simplified
from sr_models.importing.sources import open_network
from tests.graph_files import FREE, Layers, esrgan_like, graph_of, iterator, v1, write_graph

PICTURE = np.random.default_rng(2).random((1, 12, 14, 3)).astype(np.float32)


def kinds_of(found, shape=PICTURE.shape):
    graph = freeze(found.function, shape, dtype=found.dtype)
    return [operation.kind for operation in simplified(read_network(graph))]


def opened(build, tmp_path, **ends):
    return load_graph_file(write_graph(build, tmp_path / "net.pb"), Ends(**ends))


@pytest.mark.parametrize("order", ["NCHW", "NHWC"])
def test_a_graph_of_tensorflow_1_is_the_network_that_it_was(order, tmp_path):
    place = write_graph(lambda: esrgan_like(order), tmp_path / "esrgan.pb")
    network = open_network(place)
    assert (network.scale, network.channels, network.label) == (2, 3, "esrgan.pb")
    assert network.notes[:2] == (
        "took the input IteratorGetNext",
        f"took the output {order}_output",
    )
    check = network.origin["check"]
    assert check["checked_against_source"] and check["largest_difference_of_255"] < 0.1
    kinds = {type(layer).__name__ for layer in network.trunk.layers}
    assert kinds == {"InputLayer", "Conv2D", "PReLU", "Add", "Concatenate"}


def test_what_is_run_is_what_tensorflow_makes_of_the_nodes(tmp_path):
    """Held against a session, where operators are such that it runs them as they stand."""

    def build():
        x = v1.placeholder(tf.float32, FREE, name="x")
        y = Layers().prelu(Layers().conv(x, 12, "only"), "prelu")
        tf.nn.depth_to_space(y, 2, name="y")

    found = opened(build, tmp_path)
    with tf.Graph().as_default():
        (y,) = tf.import_graph_def(graph_of(build), return_elements=["y:0"], name="")
        with v1.Session() as session:
            expected = session.run(y, {"x:0": PICTURE})
    np.testing.assert_allclose(found.function(tf.constant(PICTURE)), expected, atol=1e-6)
    np.testing.assert_allclose(freeze(found.function, PICTURE.shape)(PICTURE), expected, atol=1e-6)


def pixel_shuffle(order, axes):
    """In the order of channels that PyTorch has, by reshape, transpose and reshape."""

    def build():
        layers = Layers(order)
        x = v1.placeholder(tf.float32, (None, 3, None, None) if order == "NCHW" else FREE)
        y = layers.conv(x, 12, "last")
        n = tf.shape(y)
        first = order == "NCHW"
        parts = [-1, 3, 2, 2, n[2], n[3]] if first else [-1, n[1], n[2], 3, 2, 2]
        whole = [-1, 3, n[2] * 2, n[3] * 2] if first else [-1, n[1] * 2, n[2] * 2, 3]
        tf.reshape(tf.transpose(tf.reshape(y, parts), axes), whole, name="y")

    return build


@pytest.mark.parametrize(
    ("order", "axes"), [("NCHW", (0, 1, 4, 2, 5, 3)), ("NHWC", (0, 1, 4, 2, 5, 3))]
)
def test_a_pixel_shuffle_in_parts_goes_into_the_convolution(order, axes, tmp_path):
    found = opened(pixel_shuffle(order, axes), tmp_path)
    assert found.input_shape == (None, None, None, 3)
    assert kinds_of(found) == ["input", "convolution", "depth_to_space"]
    assert open_network(tmp_path / "net.pb").origin["check"]["checked_against_source"]


@pytest.mark.parametrize("order", ["NCHW", "NHWC"])
def test_slices_sums_and_computed_sizes_with_channels_first_or_last(order, tmp_path):
    def build():
        layers = Layers(order)
        x = v1.placeholder(tf.float32, (4, 12, 14, 1), name="x")
        y = tf.transpose(x, (0, 3, 1, 2)) if order == "NCHW" else x
        y = 0.6 * (z := layers.conv(y, 8, "first")) + 0.4 * tf.abs(z)  # a leaky ReLU
        first, second = tf.split(y, 2, layers.axis)
        part = y[:, :4] if order == "NCHW" else y[..., :4]
        layers.grown(layers.conv(first - second + part, 4, "next"), 1, 3)

    found = opened(build, tmp_path)
    assert found.input_shape == (None, 12, 14, 1)
    network = open_network(tmp_path / "net.pb")
    assert (network.scale, network.channels) == (3, 1)
    assert network.origin["check"]["largest_difference_of_255"] < 0.1


def two_placeholders():
    """A graph as it was trained, with its ground truth and its loss."""
    layers = Layers()
    small, large = (v1.placeholder(tf.float32, FREE, name=name) for name in ("small", "large"))
    y = tf.nn.depth_to_space(layers.conv(small, 12, "last"), 2, name="upscaled")
    tf.reduce_mean(tf.abs(y - large), name="loss")
    tf.identity(layers.conv(small, 8, "features"), name="seen")


def test_of_several_inputs_and_outputs_one_is_named(tmp_path):
    with pytest.raises(NetworkError, match=r"found 2 in .*: small, large; say which .* --input"):
        opened(two_placeholders, tmp_path)
    found = opened(two_placeholders, tmp_path, output="upscaled")
    assert found.notes == ("took the input small", "took the output upscaled")
    # Of what depends on the small picture alone, one thing is a picture, and it is no end.
    with pytest.raises(NetworkError, match="expected --output to be one of loss, seen"):
        opened(two_placeholders, tmp_path, output="up")
    with pytest.raises(NetworkError, match="expected an output that depends on large, found none"):
        opened(two_placeholders, tmp_path, output="upscaled", input="large")
    with pytest.raises(NetworkError, match="expected --input to be one of small"):
        opened(two_placeholders, tmp_path, output="upscaled", input="lr")


def test_the_one_end_that_is_a_picture_is_taken(tmp_path):
    def build():
        y = Layers().conv(x := iterator((4, 12, 14, 3)), 12, "last")
        tf.nn.depth_to_space(y, 2, name="b")
        tf.nn.relu(y, name="a")
        tf.nn.relu(x, name="small")

    found = opened(build, tmp_path)
    assert found.notes[1].startswith("took the output b of ")
    assert kinds_of(found) == ["input", "convolution", "depth_to_space"]


def no_graph(path):
    path.write_bytes(b"no graph at all, only text")


def cut(path):
    path.write_bytes(graph_of(esrgan_like).SerializeToString()[:-40])


def saved(path):
    path.write_bytes(b"\x08\x01")


def circle(path):
    graph = graph_of(esrgan_like)
    node = next(node for node in graph.node if node.op == "Relu")
    node.input[0] = "clip_by_value"
    path.write_bytes(graph.SerializeToString())


def dangling(path):
    graph = graph_of(esrgan_like)
    graph.node[-1].input[0] = "gone"
    path.write_bytes(graph.SerializeToString())


def huge_constant(path):
    graph = graph_of(esrgan_like)
    tensor = next(n for n in graph.node if n.name == "head/BiasAdd/bias").attr["value"].tensor
    tensor.tensor_shape.dim[0].size = 1 << 40
    path.write_bytes(graph.SerializeToString())


def many_nodes(path):
    node = b"\x0a\x04\x0a\x02ab"
    path.write_bytes(node * 1_000_001)


def reading_files(path):
    def build():
        text = tf.io.read_file("/etc/hostname")
        y = iterator() * tf.io.decode_raw(text, tf.float32)[0]
        tf.nn.depth_to_space(Layers().conv(y, 12, "last"), 2)

    write_graph(build, path)


def training_switch(path):
    def build():
        keep = v1.placeholder(tf.float32, (), name="keep_prob")
        tf.nn.depth_to_space(Layers().conv(iterator() * keep, 12, "last"), 2)

    write_graph(build, path)


def attention(path):
    def build():
        y = tf.nn.softmax(Layers("NCHW").conv(tf.transpose(iterator(), (0, 3, 1, 2)), 12, "last"))
        tf.nn.depth_to_space(tf.transpose(y, (0, 2, 3, 1)), 2)

    write_graph(build, path)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (no_graph, "a damaged or another one"),
        (cut, "a damaged or another one"),
        (saved, "found the graph of a SavedModel: .*; give its folder"),
        (circle, "a circle through"),
        (dangling, "reads gone, which is not"),
        (huge_constant, "numbers, found the shape"),
        (many_nodes, "expected at most 1000000 entries"),
        (reading_files, "found DecodeRaw|found ReadFile"),
        (training_switch, "depends on keep_prob too"),
        (attention, r"found Softmax \(Softmax\); take a network without attention"),
    ],
)
def test_what_is_no_network_is_said_in_one_line(make, said, tmp_path):
    make(tmp_path / "net.pb")
    with pytest.raises(NetworkError, match=said) as error:
        read_network(freeze(load_graph_file(tmp_path / "net.pb").function, PICTURE.shape))
    assert "\n" not in str(error.value) and str(error.value).startswith("expected ")
