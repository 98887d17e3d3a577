import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from sr_models.importing.keras_network import to_keras
from sr_models.importing.operations import affine_values
from sr_models.importing.simplification import simplified
from tests.strangers import layers, read, varied

PICTURE = np.random.default_rng(7).random((1, 12, 14, 3)).astype(np.float32)


def kinds(network):
    return [operation.kind for operation in network][1:]


def model_of(build, channels=3):
    picture = tf_keras.Input((12, 14, channels))
    return varied(tf_keras.Model(picture, build(picture)))


def check(model, expected, *, final=True):
    graph, network = read(lambda x: model(x, training=False))
    small = simplified(network, final=final)
    answer = graph(PICTURE)
    scale = max(1.0, np.abs(answer).max())
    found = to_keras(small, name="small")(PICTURE) / scale
    np.testing.assert_allclose(found, answer / scale, atol=2e-5)
    assert kinds(small) == expected
    return small


def test_bias_scale_and_batch_normalization_go_into_the_convolution():
    check(
        model_of(lambda x: layers.BatchNormalization()(layers.Conv2D(4, 3)(x)) * 0.1 + 2.0),
        ["convolution"],
    )


def test_a_prelu_that_was_composed_is_one_again():
    small = check(model_of(lambda x: layers.PReLU(shared_axes=[1, 2], name="sloped")(x)), ["prelu"])
    assert small["sloped"]["slope"].shape == (3,)


@pytest.mark.parametrize("slopes", [[-0.1, -0.2, -0.3], [-0.1, 0.2, -0.3]])
def test_negative_slopes_are_slopes(slopes):
    """Where all are negative, -a relu(-x) has become relu(a x) before the sum is looked at."""
    picture = tf_keras.Input((12, 14, 3))
    sloped = layers.PReLU(tf_keras.initializers.Constant([[slopes]]), shared_axes=[1, 2])
    y = sloped(layers.Conv2D(3, 1, name="made")(picture))
    small = check(
        tf_keras.Model(picture, layers.Conv2D(4, 1)(y)), ["convolution", "prelu", "convolution"]
    )
    (found,) = (operation for operation in small if operation.kind == "prelu")
    np.testing.assert_allclose(found["slope"], slopes, rtol=1e-6)


def test_slopes_that_are_none_leave_no_prelu():
    def sloped(value):
        start = tf_keras.initializers.Constant(value)
        return lambda x: layers.PReLU(start, shared_axes=[1, 2], name="sloped")(x)

    for value, expected in ((0.0, ["bound"]), (1.0, []), (0.1, ["prelu"])):
        picture = tf_keras.Input((12, 14, 3))
        check(tf_keras.Model(picture, sloped(value)(picture)), expected)
    check(
        model_of(lambda x: layers.LeakyReLU(0.0)(layers.Conv2D(4, 3)(x))), ["convolution", "bound"]
    )


def test_zero_padding_and_an_unpadded_convolution_are_a_padded_one():
    build = lambda x: layers.Conv2D(4, (5, 3))(layers.ZeroPadding2D((2, 1))(x))  # noqa: E731
    small = check(model_of(build), ["convolution"])
    assert next(o for o in small if o.kind == "convolution")["padding"] == "same"
    check(
        model_of(lambda x: layers.Conv2D(4, 3)(layers.ZeroPadding2D(2)(x))), ["pad", "convolution"]
    )


@pytest.mark.parametrize("groups", [1, 3])
def test_a_shift_of_the_input_passes_zero_padding_exactly(groups):
    """The border is where folding the shift into the bias would be wrong."""

    def build(x):
        shifted = x * 255.0 - np.float32([114.4, 111.5, 103.0])
        return layers.Conv2D(6, 5, padding="same", groups=groups)(shifted)

    model = model_of(build)
    check(model, ["convolution", "convolution"])
    graph, network = read(model)
    assert kinds(simplified(network)) == ["affine", "convolution"]
    wrong = with_bias_instead(simplified(network))
    difference = np.abs(to_keras(wrong, name="wrong")(PICTURE).numpy() - graph(PICTURE))
    assert difference[:, 2:-2, 2:-2].max() < 1e-3 * difference.max(), "only the border tells"


def with_bias_instead(network):
    """The tempting fold: the shift's sum over the whole kernel into the bias."""
    affine, convolution = list(network)[1:]
    kernel, groups = convolution["kernel"], convolution["groups"]
    spread = np.repeat(affine["shift"].reshape(groups, -1), kernel.shape[3] // groups, axis=0).T
    convolution.values["bias"] = convolution["bias"] + (kernel * spread).sum(axis=(0, 1, 2))
    affine.values["shift"] = np.zeros(3, np.float32)
    return network


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_a_shift_before_a_convolution_without_a_border_goes_into_its_bias(padding):
    size = 3 if padding == "valid" else 1
    check(
        model_of(lambda x: layers.Conv2D(4, size, padding=padding)(x * 2.0 - 1.0)), ["convolution"]
    )


def test_the_mean_that_is_taken_off_and_put_back_vanishes_from_a_skip():
    def build(x):
        centred = x * 2.0 - 1.0
        y = layers.Conv2D(12, 1)(centred) * 0.1
        skip = layers.UpSampling2D(2)(centred)
        return (tf.nn.depth_to_space(y, 2) + skip + 1.0) / 2.0

    check(model_of(build), ["convolution", "depth_to_space", "repeat", "depth_to_space", "add"])


def test_a_scale_passes_relu_prelu_and_bounds_but_a_negative_one_does_not():
    check(model_of(lambda x: tf.nn.relu(layers.Conv2D(4, 3)(x)) * 3.0), ["convolution", "bound"])
    check(
        model_of(lambda x: tf.nn.relu6(layers.Conv2D(4, 3)(x)) / 6.0 - 1.0),
        ["convolution", "bound"],
    )
    check(
        model_of(lambda x: tf.nn.relu(layers.Conv2D(4, 3)(x)) * -3.0),
        ["convolution", "bound", "affine"],
    )
    check(model_of(lambda x: tf.tanh(x) * 3.0), ["tanh", "affine"])


def test_what_others_read_too_is_left_alone():
    def build(x):
        y = layers.Conv2D(3, 3, padding="same")(x)
        return layers.Concatenate()([y * 2.0, tf.tanh(y)])

    check(model_of(build), ["convolution", "affine", "tanh", "concatenate"])


def test_a_concatenation_hands_a_scale_to_its_parts():
    def build(x):
        parts = [layers.Conv2D(2, 3)(x), layers.Conv2D(4, 3)(x)]
        return layers.Concatenate()(parts) * np.float32([1, 2, 3, 4, 5, 6]) - 0.5

    check(model_of(build), ["convolution", "convolution", "concatenate"])


def test_bounds_that_follow_each_other_are_one():
    small = check(
        model_of(lambda x: tf.minimum(tf.maximum(tf.nn.relu6(x), -1.0), 0.5)),
        ["bound"],
        final=False,
    )
    (bound,) = list(small)[1:]
    assert (bound["minimum"], bound["maximum"]) == (0.0, 0.5)


def test_affine_values_of_nothing_change_nothing():
    _, network = read(lambda x: tf.tanh(x * 1.0 + 0.0))
    assert kinds(simplified(network)) == ["tanh"]
    assert affine_values(2)["factor"].tolist() == [1.0, 1.0]
