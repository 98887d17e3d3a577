import time

import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from tensorflow.core.framework import graph_pb2
from tensorflow.python.framework.convert_to_constants import (
    convert_variables_to_constants_v2,
)

from sr_models.ground.errors import NetworkError
from sr_models.importing.frozen_graph import freeze
from sr_models.importing.graph_files import load_graph_file
from sr_models.importing.graph_functions import without_calls
from sr_models.importing.reading import read_network
from sr_models.importing.sources import open_network

SHAPE = (1, 12, 14, 3)
PICTURE = np.random.default_rng(3).random(SHAPE).astype(np.float32)


def test_a_frozen_keras_network_of_grouped_convolutions_is_opened(tmp_path):
    x = tf_keras.Input((None, None, 3))
    y = tf_keras.layers.Conv2D(8, 3, padding="same", activation="relu")(x)
    y = tf_keras.layers.Conv2D(12, 3, padding="same", groups=2)(y)
    network = tf_keras.Model(x, tf.nn.depth_to_space(y, 2))
    run = tf.function(network).get_concrete_function(tf.TensorSpec((None, None, None, 3)))
    frozen = convert_variables_to_constants_v2(run).graph.as_graph_def()
    # Else the test shows nothing.
    assert any(node.op.endswith("PartitionedCall") for node in frozen.node)
    (tmp_path / "net.pb").write_bytes(frozen.SerializeToString())
    found = open_network(tmp_path / "net.pb")
    assert found.origin["check"]["largest_difference_of_255"] < 0.01
    read = load_graph_file(tmp_path / "net.pb")
    made = freeze(read.function, SHAPE)(tf.constant(PICTURE))
    np.testing.assert_allclose(made, network(PICTURE), atol=1e-5)


def nested(x):
    """A function of two results that calls another, which gives back its argument."""

    @tf.function(experimental_attributes={"_noinline": True})
    def same(a):
        return a

    @tf.function(experimental_attributes={"_noinline": True})
    def parts(a):
        first, second, third = tf.split(a, 3, axis=-1)
        return same(third), first - second

    third, difference = parts(x)
    return tf.concat([third, difference, same(x)], -1)


def test_results_of_nested_functions_are_told_apart():
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, SHAPE, name="x")
        tf.identity(nested(x), name="y")
    nodes = graph.as_graph_def()
    plain = without_calls(nodes, most=1000)
    assert not plain.library.function and len(plain.node) > len(nodes.node)
    with tf.Graph().as_default():
        (y,) = tf.import_graph_def(plain, return_elements=["y:0"], name="")
        with tf.compat.v1.Session() as session:
            made = session.run(y, {"x:0": PICTURE})
    red, green, blue = np.split(PICTURE, 3, axis=-1)
    np.testing.assert_allclose(made, np.concatenate([blue, red - green, PICTURE], -1), atol=1e-6)
    # Nothing to write out: the very graph.
    assert without_calls(plain, most=1000) is plain


def calling(*, levels: int, times: int, circle: bool = False) -> graph_pb2.GraphDef:
    """A graph of a few functions, each of which calls the next many times; the last the first."""
    graph = graph_pb2.GraphDef()
    graph.node.add(name="x", op="Placeholder").attr["dtype"].type = 1
    for level in range(levels):
        function = graph.library.function.add()
        function.signature.name = f"f{level}"
        function.signature.input_arg.add(name="a", type=1)
        function.signature.output_arg.add(name="b", type=1)
        function.ret["b"] = "a"
        for number in range(times if circle or level < levels - 1 else 0):
            node = function.node_def.add(name=f"n{number}", op=f"f{(level + 1) % levels}")
            node.input.append("a")
    graph.node.add(name="y", op="f0").input.append("x")
    return graph


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"levels": 2, "times": 3, "circle": True}, "without end"),
        ({"levels": 12, "times": 4}, "too many nodes"),
        ({"levels": 2, "times": 20_000}, "more than 10000 nodes"),
    ],
)
def test_functions_without_end_are_a_damaged_file(form, said, tmp_path):
    start = time.process_time()
    (tmp_path / "net.pb").write_bytes(calling(**form).SerializeToString())
    with pytest.raises(NetworkError, match=rf"damaged or another one.*{said}"):
        read_network(freeze(load_graph_file(tmp_path / "net.pb").function, SHAPE))
    assert time.process_time() - start < 20


@pytest.mark.parametrize("harm", ["gone", "arguments", "output"])
def test_a_call_that_does_not_fit_is_a_damaged_file(harm):
    graph = calling(levels=1, times=0)
    if harm == "gone":
        graph.node[1].op = "PartitionedCall"
        graph.node[1].attr["f"].func.name = "elsewhere"
    elif harm == "arguments":
        graph.node[1].input.append("x")
    else:
        graph.library.function[0].ret["b"] = "nowhere:y:0"
    with pytest.raises(ValueError, match=r"not there|arguments|lacks"):
        without_calls(graph, most=100)
