"""Networks that compute in half precision, held against the same weights in float32."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from sr_models.importing.frozen_graph import freeze
from sr_models.importing.sources import open_network
from sr_models.networks.tails import attach_tail
from tests.strangers import layers, stranger

PICTURE = np.random.default_rng(3).random((1, 12, 14, 3)).astype(np.float32)


def mixed(policy):
    """`stranger` with the same weights, computing by a policy."""
    before = tf_keras.mixed_precision.global_policy()
    tf_keras.mixed_precision.set_global_policy(policy)
    try:
        model = stranger(end=layers.Activation("linear", dtype="float32"))
    finally:
        tf_keras.mixed_precision.set_global_policy(before)
    return model


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("saved", ["saved", "net.keras", "net.h5"])
def test_a_network_of_mixed_precision_is_taken_in_float32(policy, saved, tmp_path, tiles):
    model = mixed(policy)
    path = tmp_path / saved
    model.save(path, **({"save_format": "tf"} if saved == "saved" else {}))
    pictures = [np.tile(tile.pixels, (2, 2, 1)) for tile in tiles]
    found = open_network(str(path), pictures=lambda: pictures, pixels="0..1")
    network = attach_tail(found.trunk, "none", scale=2)
    np.testing.assert_allclose(network(PICTURE), stranger()(PICTURE), atol=1e-5)
    check = found.origin["check"]
    assert check["checked_against_source"]
    assert "half precision" in check["source_rounds"]
    assert 0.0 < check["largest_difference_of_255"] < (1.0 if policy == "mixed_float16" else 8.0)


def test_a_network_all_in_half_precision_is_traced_in_float32():
    kernel = tf.constant(np.full((1, 1, 3, 3), 1 / 3), tf.float16)

    @tf.function
    def double(x):
        return tf.repeat(tf.repeat(tf.nn.conv2d(x, kernel, 1, "SAME"), 2, 1), 2, 2)

    graph = freeze(double, (1, 4, 4, 3), dtype=tf.float16)
    assert graph.step == 2.0**-11 and graph.input.dtype == tf.float32
    # A third is 0.33325 in float16: the weights are the network's own, and only they are rounded.
    third = float(np.float16(1 / 3))
    picture = PICTURE[:, :4, :4]
    expected = np.repeat(np.repeat(picture.sum(axis=3, keepdims=True) * third, 2, 1), 2, 2)
    np.testing.assert_allclose(graph(picture), np.repeat(expected, 3, 3), rtol=1e-5)


def test_a_network_of_float32_stays_as_it_is():
    assert freeze(stranger(), (1, 8, 8, 3)).step == 0.0
