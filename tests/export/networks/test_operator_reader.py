import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from export.networks.operator_reader import layer_name
from export.networks.reading import read_graph
from sr_models.errors import NetworkError
from tests.strangers import freeze, layers, read


def test_channels_first_is_refused():
    layer = layers.Conv2D(4, 3, data_format="channels_first")
    graph = freeze(layer, (1, 3, 12, 14))
    with pytest.raises(NetworkError, match="NCHW in conv2d"):
        read_graph(graph)


def test_operations_are_called_what_the_layers_are_called():
    inner = tf_keras.Sequential([layers.Conv2D(3, 3, name="deep"), layers.ReLU(6.0, name="six")])
    model = tf_keras.Sequential(
        [tf_keras.Input((12, 14, 3)), inner, layers.Conv2D(3, 1, name="flat")]
    )
    named = [operation.layer for operation in read(model)[1]]
    assert named == ["input", "deep", "deep", "six", "flat", "flat"]


def test_an_operator_without_a_layer_keeps_its_own_name():
    graph = freeze(lambda x: tf.tanh(x, name="mine"), (1, 4, 5, 3))
    (tanh,) = (op for op in graph.operators if op.type == "Tanh")
    assert layer_name(tanh) == "mine"


def test_weights_that_are_no_numbers_are_named():
    kernel = np.full((1, 1, 3, 3), np.nan, np.float32)
    with pytest.raises(NetworkError, match=r"found NaN or infinity in \w+; train"):
        read(lambda x: tf.nn.conv2d(x, kernel, 1, "SAME"))
