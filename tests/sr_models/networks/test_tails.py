import numpy as np
import pytest
import tf_keras

from sr_models.ground.errors import OptionError
from sr_models.networks.layers import ClipByValue, DepthToSpace, SpaceToDepth
from sr_models.networks.tail_names import TAILS, require_tail
from sr_models.networks.tails import attach_tail

SCALE = 2
CHANNELS = 3 * SCALE**2


def trunk_ending_in_convolution():
    picture = tf_keras.Input((None, None, 3), name="input")
    x = tf_keras.layers.Conv2D(6, 3, padding="same", activation="relu", name="first")(picture)
    y = tf_keras.layers.Conv2D(CHANNELS, 3, padding="same", name="last")(x)
    return tf_keras.Model(picture, y, name="convolution")


def trunk_ending_in_addition():
    picture = tf_keras.Input((None, None, 3), name="input")
    x = tf_keras.layers.Conv2D(CHANNELS, 3, padding="same", name="last")(picture)
    anchor = tf_keras.layers.Concatenate(name="repeat")([picture] * SCALE**2)
    return tf_keras.Model(picture, tf_keras.layers.Add(name="add")([x, anchor]), name="addition")


def trunk_ending_in_activated_convolution():
    picture = tf_keras.Input((None, None, 3), name="input")
    y = tf_keras.layers.Conv2D(CHANNELS, 3, padding="same", activation="tanh")(picture)
    return tf_keras.Model(picture, y, name="activated")


def trunk_ending_in_transposed_convolution():
    picture = tf_keras.Input((None, None, 3), name="input")
    y = tf_keras.layers.Conv2DTranspose(CHANNELS, 3, padding="same")(picture)
    return tf_keras.Model(picture, y, name="transposed")


TRUNKS = [
    trunk_ending_in_convolution,
    trunk_ending_in_addition,
    trunk_ending_in_activated_convolution,
    trunk_ending_in_transposed_convolution,
]


@pytest.fixture(params=TRUNKS, ids=lambda make: make.__name__.removeprefix("trunk_ending_in_"))
def trunk(request):
    trunk = request.param()
    rng = np.random.default_rng(0)
    trunk.set_weights([rng.normal(0, 0.5, w.shape) for w in trunk.get_weights()])
    return trunk


def depth_to_space(x):
    n, h, w, _ = x.shape
    x = x.reshape(n, h, w, SCALE, SCALE, 3).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(n, h * SCALE, w * SCALE, 3)


IN_NUMPY = {
    "relu": lambda y: np.maximum(y, 0.0),
    "none": lambda y: y,
    "clip": lambda y: np.clip(y, 0.0, 1.0),
    "conv_clip": lambda y: np.clip(y, 0.0, 1.0),
}


@pytest.mark.parametrize("tail", TAILS)
def test_a_tail_is_what_numpy_says_and_survives_saving(trunk, tail, tmp_path):
    picture = np.random.default_rng(1).uniform(-1, 2, (2, 9, 8, 3)).astype(np.float32)
    y = trunk(picture).numpy()
    assert y.min() < -0.1 and y.max() > 0.8, "the tail has something to do"
    model = attach_tail(trunk, tail, scale=SCALE)
    expected = depth_to_space(IN_NUMPY[tail](y))
    found = model(picture).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)
    if tail == "conv_clip":
        assert found.min() >= 0.0 and found.max() <= 1.0, "exact at both ends"

    model.save(tmp_path / "model.keras")
    loaded = tf_keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded(picture).numpy(), found, atol=1e-6)


@pytest.mark.parametrize("tail", TAILS)
def test_a_tail_leaves_the_trunk_as_it_was(trunk, tail):
    before = [w.copy() for w in trunk.get_weights()]
    attach_tail(trunk, tail, scale=SCALE)
    for old, new in zip(before, trunk.get_weights()):
        np.testing.assert_array_equal(old, new)


def test_only_the_clip_tail_clips_and_a_convolution_swallows_the_relu():
    trunk = trunk_ending_in_convolution()
    kinds = {
        tail: [type(layer) for layer in attach_tail(trunk, tail, scale=SCALE).layers]
        for tail in TAILS
    }
    assert [tail for tail, layers in kinds.items() if ClipByValue in layers] == ["clip"]
    assert tf_keras.layers.ReLU not in kinds["relu"]
    assert kinds["conv_clip"].count(tf_keras.layers.Conv2D) == 3


@pytest.mark.parametrize("tail", TAILS)
def test_a_trunk_that_rearranges_twice_is_bounded_before_the_last_time(tail):
    """A ReLU that stands alone on the large picture would be the clip all over again."""
    picture = tf_keras.Input((None, None, 3), name="input")
    y = DepthToSpace(2)(tf_keras.layers.Conv2D(12, 3, padding="same")(picture))
    y = DepthToSpace(2)(tf_keras.layers.Conv2D(12, 3, padding="same", name="last")(y))
    trunk = tf_keras.Model(picture, SpaceToDepth(4)(y))
    model = attach_tail(trunk, tail, scale=4)
    batch = np.random.default_rng(1).uniform(-3, 3, (1, 5, 6, 3)).astype(np.float32)
    expected = IN_NUMPY[tail](tf_keras.Model(picture, y)(batch).numpy())
    np.testing.assert_allclose(model(batch).numpy(), expected, atol=1e-5)
    assert not any(isinstance(layer, tf_keras.layers.ReLU) for layer in model.layers)


def test_the_complement_is_not_trained():
    model = attach_tail(trunk_ending_in_convolution(), "conv_clip", scale=SCALE)
    assert not model.get_layer("tail_complement").trainable_weights


def test_an_unknown_tail():
    assert require_tail("clip") == "clip"
    with pytest.raises(OptionError, match="relu, none, clip, conv_clip, found 'relu6'"):
        require_tail("relu6")
    with pytest.raises(OptionError):
        attach_tail(trunk_ending_in_convolution(), "relu6", scale=SCALE)
