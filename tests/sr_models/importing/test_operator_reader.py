from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from sr_models.ground.errors import NetworkError
from sr_models.importing.operator_reader import layer_name
from sr_models.importing.reading import read_network
from tests.strangers import freeze, layers, read


def test_channels_first_amid_channels_last_is_refused():
    layer = layers.Conv2D(4, 3, data_format="channels_first")
    graph = freeze(layer, (1, 3, 12, 14))
    with pytest.raises(NetworkError, match=r"Transpose .* no rearrangement of pixels and channels"):
        read_network(graph)


def test_operations_are_called_what_the_layers_are_called():
    inner = tf_keras.Sequential([layers.Conv2D(3, 3, name="deep"), layers.ReLU(6.0, name="six")])
    model = tf_keras.Sequential(
        [tf_keras.Input((12, 14, 3)), inner, layers.Conv2D(3, 1, name="flat")]
    )
    named = [operation.layer for operation in read(model)[1]]
    assert named == ["input", "deep", "deep", "six", "flat", "flat"]


@pytest.mark.parametrize(
    ("name", "called"),
    [
        ("model/conv2d_1/BiasAdd", "conv2d_1"),
        ("functional_1/conv2d_1/convolution", "conv2d_1"),
        ("model/re_lu_2/clip_by_value/Minimum", "re_lu_2"),
        ("model/tf.clip_by_value/clip_by_value", "tf.clip_by_value"),
        ("clip_by_value/Minimum", "clip_by_value"),
        ("StatefulPartitionedCall/Round", "round"),
        ("model/my-layer/Relu_1", "my_layer"),
    ],
)
def test_scopes_are_read_as_keras_writes_them(name, called):
    kind = name.split("/")[-1].split("_")[0]
    kind = {"convolution": "Conv2D", "clip": "ClipByValue"}.get(kind, kind)
    assert layer_name(SimpleNamespace(name=name, type=kind)) == called


def test_an_operator_without_a_layer_keeps_its_own_name():
    graph = freeze(lambda x: tf.tanh(x, name="mine"), (1, 4, 5, 3))
    (tanh,) = (op for op in graph.operators if op.type == "Tanh")
    assert layer_name(tanh) == "mine"


def test_weights_that_are_no_numbers_are_named():
    kernel = np.full((1, 1, 3, 3), np.nan, np.float32)
    with pytest.raises(NetworkError, match=r"found NaN or infinity in \w+; train"):
        read(lambda x: tf.nn.conv2d(x, kernel, 1, "SAME"))
