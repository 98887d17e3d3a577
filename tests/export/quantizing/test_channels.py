import numpy as np
import tf_keras

from export.quantizing.channels import find_channels, stretch
from export.quantizing.quantized_network import clone


def by_producer(model):
    return {place: c for c in find_channels(model) for place in c.producers}


def test_channels_of_an_xlsr(network):
    channels = by_producer(network)
    assert ("last_relu", 0) not in channels, "the output is pixels"
    assert channels["block0_conv3", 2].readers == [("block0_conv1", 2)]
    assert not channels["block0_conv3", 2].linear
    # Body and skip meet in a concatenation of 8 and 4 channels.
    assert ("concat", 1) in channels["block1_conv1", 1].tensors
    assert channels["skip", 1].readers == [("merge", 9)]


def test_channels_that_are_added_have_one_factor(residual):
    channel = by_producer(residual)["head", 1]
    assert sorted(channel.producers) == [("head", 1), ("outer0", 1), ("outer1", 1)]
    assert sorted(channel.readers) == [("inner0", 1), ("inner1", 1), ("last", 1)]
    assert not channel.linear
    assert len(find_channels(residual)) == 4 + 2 * 4


def test_what_something_else_reads_is_left_alone(branched):
    # `joined` is added to what a bilinear skip makes of the input.
    readers = {name for c in find_channels(branched) for name, _ in c.readers}
    producers = {name for c in find_channels(branched) for name, _ in c.producers}
    assert "input" not in readers and not producers & {"depth_to_space"}


def test_a_channel_that_is_stretched_leaves_the_function_as_it_was(residual):
    """And is itself as many times larger wherever it stands."""
    x = np.random.default_rng(2).random((1, 6, 7, 3), np.float32)
    copy = clone(residual)
    channel = by_producer(copy)["head", 2]
    stretch(copy, [(channel, 3.0, 0.0)])
    names = sorted(name for name, _ in channel.tensors)
    before, after = (
        tf_keras.Model(m.input, [*(m.get_layer(n).output for n in names), m.output])(x)
        for m in (residual, copy)
    )
    for old, new in zip(before[:-1], after[:-1]):
        np.testing.assert_allclose(new[..., 2], 3.0 * old[..., 2], atol=1e-5)
        np.testing.assert_allclose(new[..., :2], old[..., :2], atol=1e-5)
    np.testing.assert_allclose(after[-1], before[-1], atol=1e-5)


def test_a_channel_passes_a_leaky_relu():
    """Positively homogeneous: a factor before it is a factor behind it, and no shift."""
    picture = tf_keras.Input((None, None, 3), name="input")
    first = tf_keras.layers.Conv2D(4, 3, padding="same", name="first")
    y = tf_keras.layers.LeakyReLU(0.1, name="bent")(first(picture))
    model = tf_keras.Model(picture, tf_keras.layers.Conv2D(3, 1, name="last")(y))
    found = [channel for channel in find_channels(model) if ("first", 0) in channel.producers]
    assert [channel.tensors for channel in found] == [[("first", 0), ("bent", 0)]]
    assert found[0].readers == [("last", 0)] and not found[0].linear
    x = np.random.default_rng(0).normal(size=(1, 5, 6, 3)).astype(np.float32)
    before = model(x).numpy()
    stretch(model, [(found[0], 3.0, 0.0)])
    np.testing.assert_allclose(model(x), before, atol=1e-6)


def test_a_channel_that_is_added_to_all_others_is_left_alone():
    picture = tf_keras.Input((None, None, 3), name="input")
    wide = tf_keras.layers.Conv2D(4, 3, padding="same", name="wide")(picture)
    gate = tf_keras.layers.Conv2D(1, 1, name="gate")(wide)
    added = tf_keras.layers.Add(name="added")([wide, gate])
    last = tf_keras.layers.Conv2D(3, 1, name="last")(added)
    assert find_channels(tf_keras.Model(picture, last)) == []
