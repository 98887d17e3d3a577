import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from sr_models.ground.errors import NetworkError
from sr_models.importing.channel_slices import with_parts_computed
from sr_models.importing.keras_network import to_keras
from sr_models.importing.simplification import simplified
from tests.strangers import read

LAYERS = tf_keras.layers
RNG = np.random.default_rng(2)
PICTURE = RNG.normal(size=(1, 12, 14, 3)).astype(np.float32)
FIRST, LAST, SQUARE = (
    RNG.normal(0.0, 0.3, shape).astype(np.float32)
    for shape in ((3, 3, 3, 8), (3, 3, 8, 12), (1, 1, 8, 8))
)


def convolved(x, kernel):
    return tf.nn.conv2d(x, kernel, 1, "SAME")


def around(middle):
    """A network with something between its two convolutions."""
    return lambda x: tf.nn.depth_to_space(convolved(middle(convolved(x, FIRST)), LAST), 2)


def rebuilt(function, picture=PICTURE):
    """The kinds of operations that are left, once they are held against the function."""
    graph, network = read(function)
    small = with_parts_computed(simplified(simplified(network), final=True))
    expected = graph(picture)
    found = to_keras(small, name="net")(picture).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())
    return [operation.kind for operation in small][1:]


def squeezed(x):
    gate = tf.nn.relu(tf.reduce_mean(x, (1, 2)) @ SQUARE[0, 0, :, :2] + 0.1)
    return x * tf.reshape(tf.sigmoid(gate @ SQUARE[0, 0, :2]), (-1, 1, 1, 8))


def contrast(x):
    mean, variance = tf.nn.moments(x, (1, 2), keepdims=True)
    return x * tf.sigmoid(convolved(tf.sqrt(variance) + mean, SQUARE))


def summed(x):
    total = tf.reduce_sum(tf.reduce_sum(x, 2, keepdims=True), 1, keepdims=True)
    return x * tf.sigmoid(total / (12.0 * 14.0))


def coordinates(x):
    rows, columns = (tf.reduce_mean(x, axis, keepdims=True) for axis in (2, 1))
    return x * tf.sigmoid(convolved(rows, SQUARE)) * tf.sigmoid(convolved(columns, SQUARE))


GATE = ["sigmoid", "multiply", "convolution", "depth_to_space"]
ATTENTION = {
    "SE": (squeezed, ["convolution", "mean", "convolution", "bound", "convolution", *GATE]),
    "sum": (summed, ["convolution", "mean", *GATE]),
    "PA": (lambda x: x * tf.sigmoid(convolved(x, SQUARE)), ["convolution", "convolution", *GATE]),
    "one gate for all channels": (
        lambda x: x * tf.sigmoid(convolved(x, SQUARE[..., :1])),
        ["convolution", "convolution", *GATE],
    ),
    "repeated gate": (
        lambda x: x * tf.tile(tf.sigmoid(tf.reduce_mean(x, (1, 2), keepdims=True)), (1, 12, 14, 1)),
        ["convolution", "mean", *GATE],
    ),
}


@pytest.mark.parametrize("name", ATTENTION)
def test_attention_needs_no_more_operations_than_it_has(name):
    middle, expected = ATTENTION[name]
    assert rebuilt(around(middle)) == expected


def test_contrast_is_computed_by_parts():
    assert "root" in rebuilt(around(contrast))
    assert rebuilt(around(coordinates)).count("mean") == 2


def test_a_hard_sigmoid_is_a_relu6_that_convolutions_take_in():
    hard = ["convolution", "convolution", "bound", "multiply", "convolution", "depth_to_space"]
    assert rebuilt(around(lambda x: x * tf.nn.relu6(convolved(x, SQUARE) + 3.0) / 6.0)) == hard
    assert rebuilt(around(lambda x: x * tf_keras.activations.hard_sigmoid(convolved(x, SQUARE))))
    swish = ["convolution", "affine", *hard[2:]]
    assert rebuilt(around(lambda x: x * tf.nn.relu6(x + 3.0) / 6.0)) == swish


def shuffled(shape, order, *, nchw=False):
    def function(x):
        y = convolved(convolved(x, FIRST), LAST)
        y = tf.transpose(y, (0, 3, 1, 2)) if nchw else y
        y = tf.transpose(tf.reshape(y, shape), order)
        return (
            tf.transpose(tf.reshape(y, (1, 3, 24, 28)), (0, 2, 3, 1))
            if nchw
            else (tf.reshape(y, (-1, 24, 28, 3)))
        )

    return function


@pytest.mark.parametrize(
    "function",
    [
        shuffled((1, 12, 14, 3, 2, 2), (0, 1, 4, 2, 5, 3)),
        shuffled((1, 12, 14, 2, 2, 3), (0, 1, 3, 2, 4, 5)),
        shuffled((12, 14, 2, 2, 3), (0, 3, 1, 2, 4)),
        shuffled((1, 3, 2, 2, 12, 14), (0, 1, 4, 2, 5, 3), nchw=True),
        lambda x: tf.nn.depth_to_space(convolved(convolved(x[..., ::-1], FIRST), LAST), 2)[
            ..., ::-1
        ],
        around(
            lambda x: tf.reshape(
                tf.transpose(tf.reshape(x, (1, 12, 14, 2, 4)), (0, 1, 2, 4, 3)), (1, 12, 14, 8)
            )
        ),
        lambda x: tf.nn.depth_to_space(
            convolved(convolved(tf.stack(tf.unstack(x, axis=-1)[::-1], -1), FIRST), LAST), 2
        ),
    ],
    ids=["PyTorch", "TensorFlow", "rank 5", "NCHW", "BGR", "channel shuffle", "stacked BGR"],
)
def test_a_permutation_goes_into_the_convolution_beside_it(function):
    assert rebuilt(function) == ["convolution", "convolution", "depth_to_space"]


def test_reversed_channels_go_through_a_mean_and_a_long_skip():
    mean = np.float32([0.4, 0.5, 0.6])

    def function(x):
        y = x[..., ::-1] - mean
        skip = tf.repeat(tf.repeat(y, 2, axis=1), 2, axis=2)
        z = tf.nn.depth_to_space(convolved(convolved(y, FIRST), LAST), 2) + skip
        return (z + mean)[..., ::-1]

    assert "select" not in rebuilt(function)


def test_pixels_that_become_channels_are_one_space_to_depth():
    kernel = RNG.normal(0.0, 0.3, (3, 3, 12, 48)).astype(np.float32)

    def function(x):
        y = tf.transpose(tf.reshape(x, (1, 6, 2, 7, 2, 3)), (0, 1, 3, 5, 2, 4))
        return tf.nn.depth_to_space(convolved(tf.reshape(y, (1, 6, 7, 12)), kernel), 4)

    assert rebuilt(function) == ["space_to_depth", "convolution", "depth_to_space"]


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (
            shuffled((1, 12, 14, 2, 2, 3), (0, 2, 3, 1, 4, 5)),
            r"Reshape to \[1, 24, 28, 3\]",
        ),
        (around(lambda x: tf.transpose(x, (0, 2, 1, 3))[:, :12, :12]), "found"),
        (
            around(
                lambda x: tf.reshape(
                    tf.matmul(
                        tf.nn.softmax(
                            tf.matmul(*[tf.reshape(x, (1, 168, 8))] * 2, transpose_b=True)
                        ),
                        tf.reshape(x, (1, 168, 8)),
                    ),
                    (1, 12, 14, 8),
                )
            ),
            "found attention .*take convolutions",
        ),
    ],
)
def test_what_is_no_rearrangement_is_refused_by_name(function, said):
    with pytest.raises(NetworkError, match=said) as error:
        read(function)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "spelling",
    [
        lambda x: 0.5 * x * (1.0 + tf.math.erf(x / np.sqrt(2.0))),
        lambda x: x * (0.5 * tf.math.erfc(-x * np.sqrt(0.5))),
        lambda x: 0.5 * x * (1.0 + tf.tanh(np.sqrt(2.0 / np.pi) * (x + 0.044715 * x * x * x))),
        lambda x: tf.nn.gelu(x, approximate=True),
    ],
)
def test_gelu_is_known_by_what_it_computes(spelling):
    assert rebuilt(around(spelling)) == ["convolution", "gelu", "convolution", "depth_to_space"]


def test_what_is_nearly_a_gelu_is_none():
    with pytest.raises(NetworkError, match=r"an error function that is no part of a GELU"):
        read(around(lambda x: 0.51 * x * (1.0 + tf.math.erf(x / np.sqrt(2.0)))))
