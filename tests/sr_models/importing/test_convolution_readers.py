import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from sr_models.ground.errors import NetworkError
from sr_models.importing.keras_network import to_keras
from tests.strangers import layers, read, varied

LAYERS = {
    "Conv2D": lambda: layers.Conv2D(4, (3, 5), padding="same"),
    "valid": lambda: layers.Conv2D(4, 3, activation="relu", use_bias=False),
    "dilated": lambda: layers.Conv2D(4, 3, padding="same", dilation_rate=2),
    "grouped": lambda: layers.Conv2D(6, 3, padding="same", groups=3, activation="relu"),
    "DepthwiseConv2D": lambda: layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2),
    "SeparableConv2D": lambda: layers.SeparableConv2D(4, 3, padding="same", activation="tanh"),
    "Conv2DTranspose": lambda: layers.Conv2DTranspose(4, 4, strides=2, padding="same"),
    "BatchNormalization": lambda: layers.BatchNormalization(),
    "PReLU": lambda: layers.PReLU(shared_axes=[1, 2]),
    "ReLU": lambda: layers.ReLU(max_value=2.0, negative_slope=0.1),
    "UpSampling2D": lambda: layers.UpSampling2D(3),
    "ZeroPadding2D": lambda: layers.ZeroPadding2D(2),
    "Rescaling": lambda: layers.Rescaling([1.0, 2.0, 3.0], offset=[0.1, 0.2, 0.3]),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_of_keras_is_read_and_computes_the_same(name):
    model = varied(tf_keras.Sequential([tf_keras.Input((12, 14, 3)), LAYERS[name]()]))
    graph, network = read(lambda x: model(x, training=False))
    x = np.random.default_rng(0).normal(size=(1, 12, 14, 3)).astype(np.float32)
    np.testing.assert_allclose(to_keras(network, name="read")(x), graph(x), atol=1e-5)


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        (lambda: layers.Conv2DTranspose(4, 5, strides=(2, 1)), r"with strides of \[?\(?2, 1"),
        (lambda: layers.PReLU(), "depend on the place"),
    ],
)
def test_what_has_no_integer_form_is_named(layer, said):
    model = varied(tf_keras.Sequential([tf_keras.Input((12, 14, 3)), layer()]))
    with pytest.raises(NetworkError, match=said):
        read(model)


def test_an_explicit_padding_is_a_padding_of_zeros():
    kernel = np.random.default_rng(0).normal(size=(3, 3, 3, 4)).astype(np.float32)
    pads = [[0, 0], [1, 1], [0, 2], [0, 0]]
    graph, network = read(lambda x: tf.nn.conv2d(x, kernel, 1, pads))
    assert [operation.kind for operation in network] == ["input", "pad", "convolution"]
    x = np.random.default_rng(1).normal(size=(1, 12, 14, 3)).astype(np.float32)
    np.testing.assert_allclose(to_keras(network, name="read")(x), graph(x), atol=1e-5)
