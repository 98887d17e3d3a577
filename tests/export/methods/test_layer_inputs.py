import numpy as np
import tensorflow as tf

from export.methods.layer_inputs import LayerInputs, convolutions, draw_places, windows


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
