import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from export.networks.keras_network import to_keras
from export.networks.reading import read_graph
from sr_models.errors import NetworkError
from tests.strangers import freeze, layers, read, varied

TAIL = np.random.default_rng(5).normal(size=(3, 3, 4, 4)).astype(np.float32)


def kinds(function):
    return [operation.kind for operation in read(function)[1]][1:]


_SPLIT = ["slice", "slice", "slice", "concatenate"]
SUPPORTED = {
    "relu6": (lambda x: tf.nn.relu6(x), ["bound"]),
    "clip": (lambda x: tf.clip_by_value(x, 0.0, 1.0), ["bound", "bound"]),
    "leaky": (lambda x: tf.nn.leaky_relu(x, 0.1), ["prelu"]),
    "leaky by maximum": (lambda x: tf.maximum(x, 0.2 * x), ["prelu"]),
    "arithmetic": (lambda x: (1.0 - x) / 4.0 - x, ["affine", "affine", "affine", "add"]),
    "negative": (lambda x: -x, ["affine"]),
    "product": (lambda x: x * tf.sigmoid(x), ["sigmoid", "multiply"]),
    "sum of three": (lambda x: tf.add_n([x, tf.tanh(x), x]), ["tanh", "add", "add"]),
    "parts": (lambda x: tf.concat([x[..., 1:], x[..., :1]], -1), ["slice", "slice", "concatenate"]),
    "split": (lambda x: tf.concat(tf.split(x, 3, axis=-1)[::-1], 3), _SPLIT),
    "repeated": (lambda x: tf.concat([x, x], -1), ["repeat"]),
    "tiled": (lambda x: tf.tile(x, (1, 1, 1, 2)), ["repeat"]),
    "padded": (lambda x: tf.pad(x, [[0, 0], [1, 2], [0, 1], [0, 0]]), ["pad"]),
    "nearest": (lambda x: tf.image.resize(x, (24, 28), "nearest"), ["repeat", "depth_to_space"]),
    "tf.repeat": (
        lambda x: tf.repeat(tf.repeat(x, 2, axis=1), 2, axis=2), ["repeat", "depth_to_space"],
    ),
    "bilinear": (lambda x: tf.image.resize(x, (24, 28)), ["bilinear"]),
    "bilinear x3": (lambda x: tf.image.resize(x, (36, 42)), ["bilinear"]),
    "there and back": (
        lambda x: tf.nn.depth_to_space(tf.nn.space_to_depth(x, 2), 2),
        ["space_to_depth", "depth_to_space"],
    ),
    "nothing": (lambda x: tf.stop_gradient(tf.reshape(x, (1, 12, 14, 3))), []),
    "half": (lambda x: tf.cast(tf.cast(x, tf.float16), tf.float32), []),
}  # fmt: skip


@pytest.mark.parametrize("name", SUPPORTED)
def test_an_operator_is_read_and_computes_the_same(name):
    function, expected = SUPPORTED[name]
    graph, network = read(function)
    assert [operation.kind for operation in network][1:] == expected
    x = np.random.default_rng(0).normal(size=(1, 12, 14, 3)).astype(np.float32)
    found = to_keras(network, name="read")(x)
    np.testing.assert_allclose(found, graph(x), atol=2e-3 if name == "half" else 1e-5)


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
    ("function", "said"),
    [
        (lambda x: tf.nn.gelu(x), "found Erf|found Tanh|found Pow"),
        (lambda x: tf.nn.max_pool2d(x, 2, 2, "SAME"), r"found MaxPool .*take a convolution"),
        (lambda x: x - tf.reduce_mean(x, (1, 2), keepdims=True), r"found Mean .*attention"),
        (lambda x: tf.reverse(x, [1]), "found ReverseV2"),
        (lambda x: tf.image.resize(x, (13, 15)), r"from \[12, 14\] to \[13, 15\]"),
        (lambda x: tf.compat.v1.image.resize_bilinear(x, (24, 28)), "half-pixel"),
        (lambda x: tf.nn.conv2d(x, TAIL[:, :, :3], 2, "SAME"), "strides"),
        (lambda x: tf.maximum(x, tf.tanh(x)), "found Maximum of two tensors"),
        (lambda x: x + np.random.default_rng(0).normal(size=(12, 14, 1)), "depend on the place"),
        (lambda x: tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], "REFLECT"), "found MirrorPad"),
        (lambda x: tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], constant_values=1.0), "zeros"),
        (lambda x: tf.transpose(x, (0, 2, 1, 3)), "found Transpose"),
        (lambda x: x[:, 1:], "a part of a picture"),
        (lambda x: 1.0 / x, "a division"),
        (lambda x: tf.concat([x, x], 1), "anything but channels"),
        (lambda x: tf.repeat(x, 2, axis=1), "only one of them"),
        (lambda x: tf.ones_like(x) * 2.0, "computed from the picture|found OnesLike"),
        (lambda x: x * float("nan"), "expected finite weights"),
    ],
)
def test_what_has_no_place_in_an_integer_file_is_named(function, said):
    with pytest.raises(NetworkError, match=said) as error:
        read(function)
    assert "\n" not in str(error.value)


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
