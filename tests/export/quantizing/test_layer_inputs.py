import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from export.quantizing.layer_inputs import (
    LayerInputs,
    convolutions,
    draw_places,
    places_in,
    windows,
)
from sr_models.networks.layers import DepthToSpace, SpaceToDepth


def test_windows_times_kernel_is_the_convolution():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 5, 6, 3)).astype(np.float32)
    places = np.tile(np.arange(30), (2, 1))
    for size in ((3, 3), (1, 1), (5, 5), (2, 2)):
        kernel = rng.normal(size=(*size, 3, 4)).astype(np.float32)
        expected = tf.nn.conv2d(x, kernel, 1, "SAME").numpy().reshape(60, 4)
        found = windows(x, places, size=size).reshape(60, -1) @ kernel.reshape(-1, 4)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_rows_times_kernel_are_the_products(network, evidence):
    pictures = evidence.stack(3)
    inputs = LayerInputs(network, pictures, draw_places(pictures, seed=0))
    products = inputs.products(["first", "skip", "merge"])
    for name, found in products.items():
        kernel = network.get_layer(name).get_weights()[0]
        rows = inputs.rows(name).reshape(len(found), -1)
        np.testing.assert_allclose(rows @ kernel.reshape(rows.shape[1], -1), found, atol=1e-4)


def test_places_are_different_and_repeatable(evidence):
    pictures = evidence.stack(4)
    places = draw_places(pictures, seed=5)
    assert all(len(set(row)) == len(row) for row in places.tolist())
    np.testing.assert_array_equal(places, draw_places(pictures, seed=5))
    assert (places != draw_places(pictures, seed=6)).any()


def test_fixed_weights_are_no_trained_convolutions(network):
    names = convolutions(network)
    assert names[0] == "first" and names[-1] == "last_relu" and "concat" not in names
    network.get_layer("mix").trainable = False
    try:
        assert "mix" not in convolutions(network)
    finally:
        network.get_layer("mix").trainable = True


@pytest.mark.parametrize("size", [24, 96, 6, 20, 54])
def test_places_of_a_layer_of_another_size_are_inside_and_spread(size):
    found = places_in(np.arange(24), size=size, of=24)
    assert found.min() >= 0 and found.max() >= size - max(1, -(-size // 24)) and found.max() < size
    assert len(set(found.tolist())) == min(size, 24)
    if size == 96:
        assert set((found % 4).tolist()) == {0, 1, 2, 3}


@pytest.mark.parametrize("move", [SpaceToDepth(2), DepthToSpace(2)])
def test_a_layer_of_another_size_is_read_as_well(move):
    x = tf_keras.Input((None, None, 4))
    model = tf_keras.Model(x, tf_keras.layers.Conv2D(2, 3, padding="same", name="c")(move(x)))
    pictures = np.random.default_rng(0).random((2, 6, 8, 4)).astype(np.float32)
    inputs = LayerInputs(model, pictures, draw_places(pictures, seed=0))
    kernel = model.get_layer("c").get_weights()[0]
    rows = inputs.rows("c")
    found = rows.reshape(len(rows), -1) @ kernel.reshape(-1, 2)
    np.testing.assert_allclose(found, inputs.products(["c"])["c"], atol=1e-5)
