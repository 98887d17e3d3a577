import numpy as np
import pytest
import tensorflow as tf

from sr_models.ground.errors import NetworkError
from sr_models.importing.keras_network import to_keras
from sr_models.importing.pixel_ends import find_output_end, with_free_grid, without_clips
from sr_models.importing.simplification import simplified
from tests.strangers import layers, read, stranger


def clip_of_backend(y):
    import tf_keras

    return layers.Lambda(lambda x: tf_keras.backend.clip(x, 0.0, 1.0))(y)


CLIPS = {
    "clip_by_value": lambda y: tf.clip_by_value(y, 0.0, 1.0),
    "minimum first": lambda y: tf.maximum(tf.minimum(y, 1.0), 0.0),
    "maximum first": lambda y: tf.minimum(tf.maximum(y, 0.0), 1.0),
    "ReLU": lambda y: layers.ReLU(max_value=1.0)(y),
    "K.clip": clip_of_backend,
    "of another order": lambda y: tf.minimum(1.0, tf.nn.relu(y)),
    "hardtanh": lambda y: (tf.clip_by_value(2.0 * y - 1.0, -1.0, 1.0) + 1.0) * 0.5,
    "relu6": lambda y: tf.nn.relu6(6.0 * y) / 6.0,
    "twice": lambda y: tf.clip_by_value(tf.nn.relu(y), 0.0, 1.0),
    "rounded": lambda y: tf.round(tf.clip_by_value(y, 0.0, 1.0) * 255.0) / 255.0,
}


@pytest.mark.parametrize("name", CLIPS)
def test_every_form_of_the_clip_is_found_and_taken_out(name):
    """What is left computes what the network without the clip does."""
    clipped = simplified(read(stranger(end=CLIPS[name], size=(12, 14)))[1])
    end = find_output_end(clipped)
    assert end.range == (0.0, 1.0) and end.clips and end.activation is None
    opened = simplified(without_clips(clipped, end, black=0.0, white=1.0))
    assert not {"bound", "rounding"} & {op.kind for op in list(opened)[3:]}
    picture = np.random.default_rng(0).uniform(-0.5, 1.5, (1, 12, 14, 3)).astype(np.float32)
    expected = stranger(size=(12, 14))(picture).numpy()
    assert expected.min() < -0.1 and expected.max() > 1.1, "something that a clip would cut"
    np.testing.assert_allclose(to_keras(opened, name="opened")(picture), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("end", "found"),
    [
        (lambda y: tf.clip_by_value(y, 0.0, 255.0), (0.0, 255.0)),
        (lambda y: tf.clip_by_value(y, -1.0, 1.0), (-1.0, 1.0)),
        (lambda y: tf.tanh(y), (-1.0, 1.0)),
        (lambda y: (tf.tanh(y) + 1.0) * 127.5, (0.0, 255.0)),
        (lambda y: tf.sigmoid(y), (0.0, 1.0)),
        (lambda y: tf.nn.relu6(y), None),
        (lambda y: tf.nn.relu(y), None),
        (lambda y: y, None),
    ],
)
def test_bounds_say_what_black_and_white_are(end, found):
    assert find_output_end(simplified(read(stranger(end=end, size=(12, 14)))[1])).range == found


def test_a_sigmoid_is_reported_and_left():
    network = simplified(read(stranger(end=lambda y: tf.sigmoid(y), size=(12, 14)))[1])
    end = find_output_end(network)
    assert end.activation == "sigmoid" and not end.clips
    left = without_clips(network, end, black=0.0, white=1.0)
    assert "sigmoid" in {op.kind for op in left}


def test_a_sigmoid_gets_a_grid_of_pixels_before_it_is_rearranged():
    def function(x):
        return tf.nn.depth_to_space(tf.sigmoid(tf.tile(x, (1, 1, 1, 4))), 2)

    _, network = read(function)
    kinds = [op.kind for op in with_free_grid(network)]
    assert kinds == ["input", "sigmoid", "affine", "repeat", "depth_to_space"]
    _, plain = read(lambda x: tf.nn.depth_to_space(tf.tile(x, (1, 1, 1, 4)), 2))
    assert with_free_grid(plain) is plain


def test_a_clip_that_changes_pictures_is_not_taken_out():
    network = simplified(
        read(stranger(end=lambda y: tf.clip_by_value(y, 0.1, 0.9), size=(12, 14)))[1]
    )
    end = find_output_end(network)
    with pytest.raises(NetworkError, match=r"to 0\.1\.\.0\.9 .*which changes pictures"):
        without_clips(network, end, black=0.0, white=1.0)


def test_a_bound_inside_of_the_network_is_no_output_clip():
    def function(x):
        return tf.tanh(tf.nn.relu6(x))

    assert find_output_end(read(function)[1]).clips == ()
