import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from sr_models.importing.channel_slices import with_parts_computed
from sr_models.importing.keras_network import to_keras
from sr_models.importing.simplification import simplified
from tests.strangers import layers, read, varied

PICTURE = np.random.default_rng(2).random((1, 12, 14, 3)).astype(np.float32)


def checked(build):
    """Kinds of what is left; that it computes the same is checked here."""
    picture = tf_keras.Input((12, 14, 3))
    model = varied(tf_keras.Model(picture, build(picture)))
    network = simplified(read(lambda x: model(x, training=False))[1])
    found = with_parts_computed(network)
    expected = model(PICTURE).numpy()
    scale = np.abs(expected).max()
    answer = to_keras(found, name="cut")(PICTURE).numpy()
    np.testing.assert_allclose(answer / scale, expected / scale, atol=2e-6)
    return [operation.kind for operation in found]


def convolution(channels=32, **keywords):
    return layers.Conv2D(channels, 3, padding="same", use_bias=False, **keywords)


def test_a_split_behind_a_leaky_relu_is_two_convolutions():
    """As IMDN has it: 8 of 32 channels are kept, 24 go on."""

    def build(x):
        y = layers.LeakyReLU(0.05)(convolution()(x))
        return tf.concat([y[..., :8], convolution(8)(y[..., 8:])], -1)

    kinds = checked(build)
    assert kinds.count("slice") == 0
    assert kinds.count("convolution") == 3 and kinds.count("prelu") == 2


def test_a_part_that_is_read_twice_is_computed_once():
    def build(x):
        first, second = tf.split(convolution(16)(x), 2, axis=-1)
        return tf.concat([first, second, tf.nn.relu(first)], -1)

    assert checked(build).count("convolution") == 2


def test_slopes_and_biases_are_cut_too():
    def build(x):
        y = layers.Conv2D(16, 1)(x)
        y = layers.PReLU(shared_axes=[1, 2])(y)
        return tf.add(*tf.split(y, 2, axis=-1))

    assert "slice" not in checked(build)


def test_parts_that_are_put_together_again_are_an_order_of_channels():
    def build(x):
        y = convolution(8)(x)
        return tf.concat([y[..., 4:], y[..., :4]], -1)

    assert checked(build) == ["input", "convolution"]


def overlapping(x):
    y = convolution()(x)
    return tf.concat([y[..., :16], y[..., 8:]], -1)


def read_whole(x):
    y = convolution(16)(x)
    return y + tf.concat([tf.nn.relu(y[..., :8]), y[..., 8:]], -1)


def of_the_picture(x):
    return tf.concat([x[..., :1], convolution(8)(x[..., 1:])], -1)


def in_narrow_parts(x):
    """Of 8 lanes that a kernel computes at once, two convolutions of 4 would fill half each."""
    y = convolution(8)(x)
    return tf.concat([tf.nn.relu(y[..., 4:]), y[..., :4]], -1)


def of_a_shared_convolution(x):
    y = convolution(16)(x)
    z = tf.nn.relu(y)
    return tf.concat([y, z[..., :8], z[..., 8:]], -1)


@pytest.mark.parametrize(
    "build", [overlapping, read_whole, of_the_picture, in_narrow_parts, of_a_shared_convolution]
)
def test_a_slice_stays_where_parts_would_cost_more(build):
    assert "slice" in checked(build)
