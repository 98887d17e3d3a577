import numpy as np
import pytest
import tensorflow as tf

from sr_models.ground.errors import NetworkError
from sr_models.importing.keras_network import to_keras
from tests.strangers import read

_SPLIT = ["slice", "slice", "slice", "concatenate"]
MOVES = {
    "padded": (lambda x: tf.pad(x, [[0, 0], [1, 2], [0, 1], [0, 0]]), ["pad"]),
    "nearest": (lambda x: tf.image.resize(x, (24, 28), "nearest"), ["repeat", "depth_to_space"]),
    "tf.repeat": (
        lambda x: tf.repeat(tf.repeat(x, 2, axis=1), 2, axis=2),
        ["repeat", "depth_to_space"],
    ),
    "bilinear": (lambda x: tf.image.resize(x, (24, 28)), ["bilinear"]),
    "bilinear x3": (lambda x: tf.image.resize(x, (36, 42)), ["bilinear"]),
    "of TensorFlow 1": (lambda x: tf.compat.v1.image.resize_bilinear(x, (24, 28)), ["resize"]),
    "corners": (lambda x: tf.compat.v1.image.resize_bilinear(x, (6, 7), True), ["resize"]),
    "there and back": (
        lambda x: tf.nn.depth_to_space(tf.nn.space_to_depth(x, 2), 2),
        ["space_to_depth", "depth_to_space"],
    ),
    "repeated": (lambda x: tf.concat([x, x], -1), ["repeat"]),
    "tiled": (lambda x: tf.tile(x, (1, 1, 1, 2)), ["repeat"]),
    "parts": (lambda x: tf.concat([x[..., 1:], x[..., :1]], -1), ["slice", "slice", "concatenate"]),
    "split": (lambda x: tf.concat(tf.split(x, 3, axis=-1)[::-1], 3), _SPLIT),
}


@pytest.mark.parametrize("name", MOVES)
def test_a_move_is_read_and_moves_the_same(name):
    function, expected = MOVES[name]
    graph, network = read(function)
    assert [operation.kind for operation in network][1:] == expected
    x = np.random.default_rng(0).normal(size=(1, 12, 14, 3)).astype(np.float32)
    np.testing.assert_allclose(to_keras(network, name="read")(x), graph(x), atol=1e-5)


def test_only_the_whole_picture_may_be_stretched():
    with pytest.raises(NetworkError, match="only one of them"):
        read(lambda x: tf.repeat(tf.repeat(x, 2, axis=1), 3, axis=2))
