"""Networks that leave the resolution of their input, held against TensorFlow and Keras."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from sr_models.ground.errors import NetworkError
from sr_models.importing import simplification
from sr_models.importing.adoption import adopt
from sr_models.importing.frozen_graph import freeze
from sr_models.importing.geometry import is_same_padding
from sr_models.importing.keras_files import load_keras_file
from sr_models.importing.keras_network import to_keras
from sr_models.importing.reading import read_network
from sr_models.importing.simplification import simplified
from sr_models.networks.keras_windows import receptive_field_of, size_multiple
from tests.strangers import varied

layers = tf_keras.layers
BORDER = [[0, 0], [1, 2], [2, 1], [0, 0]]


def conv(filters, size=3, **given):
    return layers.Conv2D(filters, size, **{"padding": "same", **given})


def unet(down, up):
    def network(x):
        a = conv(4, activation="relu")(x)
        b = conv(6)(down(a))
        c = conv(6, activation="relu")(down(b))
        y = layers.Concatenate()([up(c), b])
        y = layers.Concatenate()([up(conv(5)(y)), a])
        return layers.Add()([conv(3)(y), x])

    return network


def transposed(size, **given):
    return layers.Conv2DTranspose(3, size, strides=2, **given)


NETWORKS = {
    "pooled, transposed": unet(layers.MaxPooling2D(2), lambda y: transposed(2)(y)),
    "means, nearest": unet(layers.AveragePooling2D(2), layers.UpSampling2D(2)),
    "overlapping means": unet(
        layers.AveragePooling2D(3, 2, "same"), lambda y: transposed(4, padding="same")(y)
    ),
    "overlapping maxima of either sign": unet(
        layers.MaxPooling2D(3, 2, "same"), layers.UpSampling2D(2, interpolation="bilinear")
    ),
    "depthwise strides": unet(
        lambda y: layers.DepthwiseConv2D(3, strides=2, padding="same")(y), layers.UpSampling2D(2)
    ),
    "padded as PyTorch does": unet(
        lambda y: conv(4, strides=2, padding="valid")(layers.ZeroPadding2D(1)(y)),
        layers.UpSampling2D(2),
    ),
    "strides and pixel shuffle": lambda x: tf.nn.depth_to_space(
        conv(108)(conv(4, strides=2)(x)), 6
    ),
    "mirrored, with a mean taken off": lambda x: conv(3, 4, padding="valid")(
        tf.pad(x * 2.0 - 1.0, BORDER, "REFLECT")
    ),
    "padded, with a mean taken off": lambda x: layers.UpSampling2D(2)(
        conv(3, strides=2, padding="valid")(layers.ZeroPadding2D(1)(x * 2.0 - 1.0))
    ),
    "transposed and cropped": lambda x: layers.Cropping2D(((0, 3), (2, 1)))(
        layers.ReLU()(transposed(5)(x))
    ),
    "transposed to another size": lambda x: conv(3, 4, padding="valid")(transposed(5)(x)),
    "features cropped": lambda x: layers.Cropping2D(2)(x) + conv(3, 5, padding="valid")(x),
    "resized by its own size": lambda x: tf.image.resize(conv(3)(x), tf.shape(x)[1:3] * 2),
    "reduced and enlarged": lambda x: tf.image.resize(
        tf.image.resize(conv(3)(x), tf.shape(x)[1:3] // 2), tf.shape(x)[1:3], "nearest"
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_is_rebuilt_exactly_border_included(name):
    picture = tf_keras.Input((None, None, 3))
    model = varied(tf_keras.Model(picture, NETWORKS[name](picture)))
    graph = freeze(lambda x: model(x), (1, 16, 24, 3))
    read = simplified(simplified(read_network(graph)), final=True)
    assert not any(operation.kind == "affine" for operation in read), "all of them are folded"
    network = to_keras(read, name="read")
    for shape in ((1, 16, 24, 3), (1, 20, 12, 3)):
        x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
        expected = model(x).numpy()
        tolerance = 1e-4 * max(1.0, np.abs(expected).max())
        np.testing.assert_allclose(network(x), expected, atol=tolerance)
    field = receptive_field_of(network)
    assert field.alignment == size_multiple(network)


def test_the_same_zeros_are_found_for_odd_strides_alone():
    """TensorFlow adds (0, 1) where PyTorch adds (1, 1) and reads the first of them."""
    around = {"kernel": (3, 3), "strides": (2, 2)}
    assert not is_same_padding(((1, 1), (1, 1)), (8, 8), **around)
    assert not is_same_padding(((1, 0), (1, 0)), (8, 8), **around)
    assert is_same_padding(((0, 1), (0, 1)), (8, 8), **around)
    assert not is_same_padding(((1, 1), (1, 1)), (7, 7), **around), "at that size alone"
    assert is_same_padding(((1, 1), (1, 1)), (8, 8), kernel=(4, 4), strides=(2, 2))


def test_a_wrong_padding_is_caught_by_the_source(monkeypatch):
    picture = tf_keras.Input((None, None, 3))
    y = conv(12, strides=2, padding="valid")(layers.ZeroPadding2D(1)(picture))
    y = tf.nn.depth_to_space(y, 2)
    model = varied(tf_keras.Model(picture, y))
    pictures = [np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)]
    given = {"name": "net", "pixels": "0..1"}
    assert adopt(lambda x: model(x), model.input_shape, pictures, **given).scale == 1
    monkeypatch.setattr(simplification, "is_padding_of", lambda *_: True)
    with pytest.raises(NetworkError, match="to answer as the given one, found pixels that differ"):
        adopt(lambda x: model(x), model.input_shape, pictures, **given)


def test_layers_of_a_keras_file_that_change_sizes_are_known(tmp_path):
    picture = tf_keras.Input((None, None, 3))
    y = layers.MaxPooling2D(2)(conv(4)(tf.pad(picture, BORDER, "REFLECT")))
    y = layers.AveragePooling2D(3, 1, "same")(layers.ZeroPadding2D(1)(y))
    y = tf.nn.max_pool2d(y, 2, 1, "SAME")
    y = layers.Cropping2D(1)(conv(4)(y))
    model = varied(tf_keras.Model(picture, tf.image.resize(y, tf.shape(picture)[1:3] * 2)))
    model.save(tmp_path / "net.keras")
    file = load_keras_file(tmp_path / "net.keras", trust=False)
    x = np.random.default_rng(0).random((1, 13, 17, 3)).astype(np.float32)
    np.testing.assert_allclose(file.function(x), model(x), atol=1e-5)


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda x: tf.nn.max_pool(x, [1, 2, 2, 3], 1, "SAME"), "pooling over channels"),
        (lambda x: tf.pad(x, [[0, 0]] * 3 + [[1, 1]], "REFLECT"), "mirrored channels"),
        (
            lambda x: tf.compat.v1.image.resize_nearest_neighbor(x, (8, 8), True),
            "aligned corners",
        ),
        (lambda x: tf.image.resize(x, (10, 9)), r"resizing from \[16, 16\] to \[10, 9\]"),
    ],
)
def test_what_is_no_integer_operator_is_named_in_one_line(function, said):
    with pytest.raises(NetworkError, match=said) as error:
        read_network(freeze(function, (1, 16, 16, 3)))
    assert "\n" not in str(error.value)
