import numpy as np
import tensorflow as tf
import tf_keras

from sr_models.importing.keras_network import packed, to_keras
from sr_models.importing.operations import INPUT, Network, Operation, affine_values
from sr_models.networks.graph import at_size
from sr_models.networks.layers import ClipByValue, DepthToSpace, SpaceToDepth
from sr_models.networks.tails import attach_tail
from tests.strangers import read, stranger

PICTURE = np.random.default_rng(0).random((1, 9, 11, 3)).astype(np.float32)


def test_a_network_read_at_one_size_runs_at_any():
    model = stranger()
    network = to_keras(read(model)[1], name="any")
    assert network.input_shape == (None, None, None, 3)
    np.testing.assert_allclose(network(PICTURE), model(PICTURE), atol=1e-6)
    assert at_size(network, height=20, width=30).output_shape == (1, 40, 60, 3)


def test_bilinear_upscaling_is_that_of_tensorflow_at_any_size():
    for factor in (2, 3, 4):
        network = to_keras(
            read(lambda x, f=factor: tf.image.resize(x, (12 * f, 14 * f)))[1], name="b"
        )
        expected = tf.image.resize(PICTURE, (9 * factor, 11 * factor))
        np.testing.assert_allclose(network(PICTURE), expected, atol=1e-6)


def test_many_channels_are_scaled_each_by_itself():
    network = Network()
    network.add(Operation(INPUT, "input", (), 32))
    values = affine_values(32, np.arange(32), np.arange(32) * 0.5)
    network.output = network.add(Operation("scale", "affine", (INPUT,), 32, values))
    picture = np.random.default_rng(0).random((1, 4, 5, 32)).astype(np.float32)
    layer = to_keras(network, name="scaled")
    np.testing.assert_allclose(
        layer(picture), picture * np.arange(32) + np.arange(32) * 0.5, rtol=1e-5
    )
    assert layer.count_params() == 64


def test_a_trunk_is_what_tails_expect_whether_it_ends_in_depth_to_space_or_not():
    network = to_keras(read(stranger())[1], name="whole")
    trunk = packed(network, scale=2)
    assert trunk.output_shape[-1] == 12 and not isinstance(trunk.layers[-1], SpaceToDepth)
    np.testing.assert_allclose(
        attach_tail(trunk, "none", scale=2)(PICTURE), network(PICTURE), atol=1e-6
    )
    last = tf_keras.layers.Conv2D(3, 3, padding="same")(network.output)
    deeper = packed(tf_keras.Model(network.input, last), scale=2)
    assert isinstance(deeper.layers[-1], SpaceToDepth)
    assert attach_tail(deeper, "relu", scale=2)(PICTURE).shape == (1, 18, 22, 3)


def test_names_of_the_tail_are_left_to_the_tail():
    network = Network()
    network.add(Operation(INPUT, "input", (), 3))
    a = network.add(Operation("depth_to_space", "repeat", (INPUT,), 12, {"times": 4}))
    b = network.add(Operation("depth_to_space", "depth_to_space", (a,), 3, {"block": 2}))
    c = network.add(Operation("tail_relu", "tanh", (b,), 3))
    d = network.add(Operation("again", "space_to_depth", (c,), 12, {"block": 2}))
    network.output = network.add(Operation("out", "depth_to_space", (d,), 3, {"block": 2}))
    trunk = packed(to_keras(network, name="named"), scale=2)
    model = attach_tail(trunk, "relu", scale=2)
    assert any(isinstance(layer, DepthToSpace) for layer in model.layers)


def test_many_parts_are_joined_in_nested_concatenations():
    network = Network()
    network.add(Operation(INPUT, "input", (), 3))
    parts = [
        network.add(Operation(f"part{i}", "affine", (INPUT,), 3, affine_values(3, i)))
        for i in range(11)
    ]
    joined = Operation("joined", "concatenate", tuple(parts), 33)
    network.output = network.add(joined)
    model = to_keras(network, name="joined")
    expected = np.concatenate([i * PICTURE for i in range(11)], axis=-1)
    np.testing.assert_allclose(model(PICTURE), expected, atol=1e-5)
    joins = [x for x in model.layers if isinstance(x, tf_keras.layers.Concatenate)]
    assert [len(layer.input) for layer in joins] == [5, 3, 5]
    assert joins[-1].name == "joined"


def test_one_slope_for_all_channels_is_a_leaky_relu():
    for slope, kind in (
        ([0.25, 0.25, 0.25], tf_keras.layers.LeakyReLU),
        ([0.25, 0.25, 0.5], tf_keras.layers.PReLU),
    ):
        network = Network()
        network.add(Operation(INPUT, "input", (), 3))
        values = {"slope": np.float32(slope)}
        network.output = network.add(Operation("bent", "prelu", (INPUT,), 3, values))
        model = to_keras(network, name="bent")
        assert type(model.get_layer("bent")) is kind
        found = model(-PICTURE).numpy()
        np.testing.assert_allclose(found, -PICTURE * np.float32(slope), rtol=1e-6)


def test_relu6_stays_the_activation_that_convolutions_take_in():
    for bounds, kind in (((0.0, 6.0), tf_keras.layers.ReLU), ((0.0, 5.0), ClipByValue)):
        network = Network()
        network.add(Operation(INPUT, "input", (), 3))
        values = dict(zip(("minimum", "maximum"), bounds))
        network.output = network.add(Operation("six", "bound", (INPUT,), 3, values))
        model = to_keras(network, name="six")
        assert type(model.get_layer("six")) is kind
        found = model(20.0 * PICTURE - 5.0).numpy()
        np.testing.assert_allclose(found, np.clip(20.0 * PICTURE - 5.0, *bounds), rtol=1e-5)
