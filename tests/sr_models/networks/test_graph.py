import numpy as np
import pytest
import tf_keras

from sr_models.ground.errors import NetworkError
from sr_models.networks.graph import (
    INPUT,
    at_size,
    output_name,
    points,
    quantized_points,
    rebuild,
    require_own_layers,
    with_split_groups,
)
from sr_models.networks.tails import attach_tail
from tests.networks import branched_trunk, sharpening_network


def test_points_name_every_tensor_with_its_sources_and_consumers():
    graph = points(branched_trunk())
    assert next(iter(graph)) == INPUT
    assert set(graph) == {INPUT, "a", "b", "joined", "c", "added", "rectified", "last"}
    assert sorted(graph[INPUT].consumers) == ["a", "b"]
    assert graph["joined"].inputs == ["a", "b"]
    assert sorted(graph["joined"].consumers) == ["added", "c"]
    assert graph["last"].consumers == []


def test_a_layer_that_is_called_twice_makes_two_points():
    picture = tf_keras.Input((8, 8, 3), name="input")
    twice = tf_keras.layers.Conv2D(3, 1, name="twice")
    model = tf_keras.Model(picture, twice(twice(picture)))
    assert list(points(model)) == [INPUT, "twice", "twice:1"]
    assert output_name(model) == "twice:1"
    with pytest.raises(NetworkError, match="found twice called 2 times"):
        require_own_layers(model)


def test_a_layer_without_weights_may_be_called_twice():
    picture = tf_keras.Input((8, 8, 3), name="input")
    relu = tf_keras.layers.ReLU()
    require_own_layers(tf_keras.Model(picture, relu(relu(picture))))


def test_fused_relus_and_inputs_of_a_concatenation_get_no_range_of_their_own():
    # a and b are joined; "added" vanishes into the ReLU behind it.
    assert quantized_points(branched_trunk()) == [INPUT, "joined", "c", "rectified", "last"]


@pytest.mark.parametrize("tail", ["relu", "none", "clip", "conv_clip"])
def test_rebuilding_without_a_change_keeps_the_function(tail):
    model = attach_tail(branched_trunk(), tail, scale=2)
    again = at_size(model, height=9, width=7)
    assert again.input.shape == (1, 9, 7, 3)
    picture = np.random.default_rng(1).random((1, 9, 7, 3), np.float32)
    np.testing.assert_array_equal(again(picture), model(picture))


def test_rebuilding_applies_the_transform_to_every_point():
    model = sharpening_network()
    seen = []

    def double_the_input(name, tensor):
        seen.append(name)
        return tf_keras.layers.Rescaling(2.0)(tensor) if name == INPUT else tensor

    doubled = rebuild(model, double_the_input)
    picture = np.random.default_rng(2).random((1, 6, 6, 3), np.float32)
    np.testing.assert_allclose(doubled(picture), model(2.0 * picture), rtol=1e-6, atol=1e-6)
    assert seen == list(points(model))


def test_one_consumer_alone_may_read_something_else():
    model = branched_trunk()
    seen = []

    def read(consumer, source, tensor):
        seen.append((consumer, source))
        return tf_keras.layers.Rescaling(2.0)(tensor) if consumer == "a" else tensor

    changed = rebuild(model, lambda _, tensor: tensor, read=read)
    picture = np.random.default_rng(2).random((1, 6, 6, 3), np.float32)

    def joined(network):
        return tf_keras.Model(network.input, points(network)["joined"].tensor)(picture).numpy()

    of_doubled = model.get_layer("a")(2.0 * picture)
    np.testing.assert_allclose(joined(changed)[..., :4], of_doubled, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(joined(changed)[..., 4:], joined(model)[..., 4:])
    assert set(seen) == {(n, s) for n, p in points(model).items() for s in p.inputs}


def test_split_groups_change_nothing_but_the_operators(tiny_preset):
    from sr_models.networks.network import build_trunk

    trunk = build_trunk(tiny_preset)
    split = with_split_groups(trunk)
    assert list(points(split)) == list(points(trunk))
    picture = np.random.default_rng(3).random((2, 11, 13, 3), np.float32)
    np.testing.assert_allclose(split(picture), trunk(picture), rtol=1e-5, atol=1e-6)
    trunk.get_layer("block0_conv3").set_weights(
        [2.0 * array for array in trunk.get_layer("block0_conv3").get_weights()]
    )
    np.testing.assert_allclose(split(picture), trunk(picture), rtol=1e-5, atol=1e-6)


def test_a_network_without_groups_is_left_as_it_is():
    trunk = branched_trunk()
    assert with_split_groups(trunk) is trunk
