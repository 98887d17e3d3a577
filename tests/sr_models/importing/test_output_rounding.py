"""Serving wrappers around a network whose own answer is known: what comes out must be that."""

import numpy as np
import pytest
import tensorflow as tf

from sr_models.ground.errors import NetworkError
from sr_models.importing.adoption import adopt
from sr_models.networks.tails import attach_tail
from tests.strangers import stranger


@pytest.fixture(scope="module")
def pictures(tiles):
    return [np.tile(tile.pixels, (2, 2, 1)) for tile in tiles]


def clipped(y):
    return tf.clip_by_value(y, 0.0, 255.0)


HALF, BELOW = (0.5, 0.5), (1.0, 0.0)
WRAPPERS = {
    "truncated": (lambda y: tf.cast(clipped(y * 255.0), tf.uint8), BELOW, "cuts off decimals"),
    "clipped before": (
        lambda y: tf.cast(tf.clip_by_value(y, 0.0, 1.0) * 255.0, tf.uint8),
        BELOW,
        "cuts off decimals",
    ),
    "saturated": (lambda y: tf.saturate_cast(y * 255.0, tf.uint8), BELOW, "cuts off decimals"),
    "as floats": (lambda y: tf.floor(clipped(y * 255.0)) / 255.0, BELOW, "cuts off decimals"),
    "rounded": (lambda y: tf.cast(tf.round(clipped(y * 255.0)), tf.uint8), HALF, "rounds"),
    "rounded, then clipped": (
        lambda y: tf.cast(clipped(tf.round(y * 255.0)), tf.uint8),
        HALF,
        "rounds",
    ),
    "half added": (lambda y: tf.cast(clipped(y * 255.0 + 0.5), tf.uint8), HALF, "rounds"),
    "half added behind the clip": (
        lambda y: tf.cast(clipped(y * 255.0) + 0.5, tf.uint8),
        HALF,
        "rounds",
    ),
    "half added, saturated": (
        lambda y: tf.saturate_cast(y * 255.0 + 0.5, tf.uint8),
        HALF,
        "rounds",
    ),
    "from -1..1, half added": (
        lambda y: tf.cast(clipped((y * 2.0 - 1.0) * 127.5 + 128.0), tf.uint8),
        HALF,
        "rounds",
    ),
    "converted": (
        lambda y: tf.image.convert_image_dtype(y, tf.uint8, saturate=True),
        (1.0, 0.5),
        "multiplies by 255.5 and cuts off decimals",
    ),
    "not bounded": (lambda y: tf.cast(0.9 * (y * 255.0), tf.uint8), BELOW, "cuts off decimals"),
}


@pytest.mark.parametrize("name", WRAPPERS)
def test_beneath_a_wrapper_lies_the_network_s_own_answer(name, pictures):
    wrap, (below, above), said = WRAPPERS[name]
    model = stranger()

    def serve(codes):
        return wrap(model(tf.cast(codes, tf.float32) / 255.0, training=False))

    found = adopt(serve, (None, None, None, 3), pictures, name=name, dtype="uint8")
    unit = pictures[0][None, :20, :24].astype(np.float32) / 255.0
    network = attach_tail(found.trunk, "none", scale=2)
    expected = model(unit).numpy() * (0.9 if name == "not bounded" else 1.0)
    np.testing.assert_allclose(network(unit), expected, atol=2e-5)
    assert found.check.ran and said in found.check.rounding and said in " ".join(found.notes)
    assert 0.0 < found.check.difference <= max(below, above) + 0.1


def test_a_wrapper_that_is_further_away_than_it_rounds_is_refused(pictures):
    """It says that it rounds, and answers with twice as many codes less."""
    model = stranger()

    def serve(codes):
        y = model(tf.cast(codes, tf.float32) / 255.0, training=False)
        lower = tf.cast(codes, tf.float32).shape[1] != 64  # of the other size alone
        return tf.cast(clipped(y * 255.0 - (2.0 if lower else 0.0)), tf.uint8)

    with pytest.raises(NetworkError, match=r"pixels that differ by [23] of 255"):
        adopt(serve, (None, None, None, 3), pictures, name="lower", dtype="uint8")


def test_rounding_inside_of_a_network_is_refused_by_name(pictures):
    model = stranger()

    def serve(x):
        return model(tf.round(x * 7.0, name="coarse") / 7.0)

    with pytest.raises(NetworkError, match="rounded at the output alone, found coarse"):
        adopt(serve, (None, None, None, 3), pictures, name="inside")
