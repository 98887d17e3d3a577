import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from sr_models.ground.errors import NetworkError
from sr_models.importing.keras_network import to_keras
from tests.strangers import read

LAYERS = tf_keras.layers


def built(layer):
    """A layer whose variables are there before it is traced."""
    layer(np.zeros((1, 12, 14, 3), np.float32))
    return layer


ATTENTION = LAYERS.MultiHeadAttention(1, 2)
ATTENTION(*[np.zeros((1, 168, 3), np.float32)] * 2)
TAIL = np.random.default_rng(5).normal(size=(3, 3, 4, 4)).astype(np.float32)


def kinds(function):
    return [operation.kind for operation in read(function)[1]][1:]


MEAN_OF_CHANNELS, SELECTED = ["convolution", "affine", "add"], ["select", "select"]

SUPPORTED = {
    "relu6": (lambda x: tf.nn.relu6(x), ["bound"]),
    "clip": (lambda x: tf.clip_by_value(x, 0.0, 1.0), ["bound", "bound"]),
    "leaky": (lambda x: tf.nn.leaky_relu(x, 0.1), ["prelu"]),
    "leaky by maximum": (lambda x: tf.maximum(x, 0.2 * x), ["prelu"]),
    "arithmetic": (lambda x: (1.0 - x) / 4.0 - x, ["affine", "affine", "affine", "add"]),
    "negative": (lambda x: -x, ["affine"]),
    "SiLU": (lambda x: tf.nn.silu(x), ["affine", "sigmoid", "multiply"]),
    "product": (lambda x: x * tf.sigmoid(x), ["sigmoid", "multiply"]),
    "sum of three": (lambda x: tf.add_n([x, tf.tanh(x), x]), ["tanh", "add", "add"]),
    "nothing": (lambda x: tf.stop_gradient(tf.reshape(x, (1, 12, 14, 3))), []),
    "GELU": (lambda x: tf.nn.gelu(x), ["gelu"]),
    "GELU by tanh": (lambda x: tf.nn.gelu(x, approximate=True), ["gelu"]),
    "mean": (lambda x: x * tf.reduce_mean(x, (1, 2), keepdims=True), ["mean", "multiply"]),
    "deviation": (
        lambda x: x * tf.math.reduce_std(x, (1, 2), keepdims=True),
        ["mean", "affine", "add", "multiply", "mean", "root", "multiply"],
    ),
    "mean of channels": (lambda x: x - tf.reduce_mean(x, -1, keepdims=True), MEAN_OF_CHANNELS),
    "dense": (built(LAYERS.Dense(3)), ["convolution", "affine"]),
    "one channel for all": (lambda x: x * tf.sigmoid(x[..., :1]), ["slice", "sigmoid", "multiply"]),
    "turned channels": (lambda x: tf.tanh(x[..., ::-1]), ["select", "tanh"]),
    "channel shuffle": (lambda x: tf.reverse(tf.gather(x, [2, 0, 1], axis=-1), [-1]), SELECTED),
    "uneven split": (lambda x: tf.split(x, [1, 2], axis=-1)[1], ["slice"]),
    "half": (lambda x: tf.cast(tf.cast(x, tf.float16), tf.float32), []),
}


@pytest.mark.parametrize("name", SUPPORTED)
def test_an_operator_is_read_and_computes_the_same(name):
    function, expected = SUPPORTED[name]
    graph, network = read(function)
    assert [operation.kind for operation in network][1:] == expected
    x = np.random.default_rng(0).normal(size=(1, 12, 14, 3)).astype(np.float32)
    found = to_keras(network, name="read")(x)
    np.testing.assert_allclose(found, graph(x), atol=2e-3 if name == "half" else 1e-5)


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda x: tf.math.erf(x), r"found an error function .*take GELU, ReLU or PReLU"),
        (lambda x: x**3, r"found a power that is no part of a GELU"),
        (
            lambda x: x / tf.math.reduce_std(x, (1, 2), keepdims=True),
            "found instance normalization",
        ),
        (lambda x: tf.nn.elu(x), r"found Elu .*take ReLU or PReLU"),
        (lambda x: x * tf.reduce_max(x, (1, 2), keepdims=True), "a maximum over the whole picture"),
        (lambda x: x * tf.tanh(tf.nn.softplus(x)), "found Mish"),
        (lambda x: tf.nn.softplus(x), "found Softplus"),
        (lambda x: tf.nn.l2_normalize(x, -1), "found L2 normalization"),
        (lambda x: tf.nn.softmax(x), "found Softmax"),
        (
            lambda x: x * tf.math.rsqrt(tf.math.reduce_variance(x, -1, keepdims=True) + 1e-3),
            "found LayerNormalization",
        ),
        (built(LAYERS.LayerNormalization()), r"found LayerNormalization .*BatchNorm"),
        (built(LAYERS.GroupNormalization(3)), "found GroupNormalization"),
        (
            lambda x: tf.reshape(ATTENTION(*[tf.reshape(x, (1, 168, 3))] * 2), (1, 12, 14, 3)),
            "found attention",
        ),
        (lambda x: tf.reverse(x, [1]), "found ReverseV2"),
        (lambda x: tf.image.resize(x, (13, 15)), r"from \[12, 14\] to \[13, 15\]"),
        (
            lambda x: tf.compat.v1.image.resize_nearest_neighbor(x, (24, 28), True),
            "nearest upscaling with aligned corners",
        ),
        (lambda x: tf.maximum(x, tf.tanh(x)), "found Maximum of two tensors"),
        (lambda x: x + np.random.default_rng(0).normal(size=(12, 14, 1)), "depend on the place"),
        (lambda x: tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], constant_values=1.0), "zeros"),
        (lambda x: tf.transpose(x, (0, 2, 1, 3)), "found Transpose"),
        (lambda x: x[:, ::2], "a part of a picture"),
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
