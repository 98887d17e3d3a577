import textwrap

import numpy as np
import pytest

from sr_models.ground.errors import NetworkError
from sr_models.importing.sources import open_network
from sr_models.networks.tails import attach_tail

CODE = textwrap.dedent(
    """
    import tensorflow as tf
    from tensorflow.keras import Input, Model, layers

    def build():
        x = Input((None, None, 3))
        y = layers.Conv2D(12, 1, kernel_initializer="ones", name="sum")(x)
        return Model(x, tf.nn.depth_to_space(y / 3.0, 2))

    def broken():
        return Model(Input((4,)), tf.nn.depth_to_space(Input((4, 4, 3)), 2))
    """
)


@pytest.fixture
def code(tmp_path):
    (tmp_path / "old.py").write_text(CODE)
    return f"{tmp_path / 'old.py'}:"


def test_code_for_keras_2_is_built_by_keras_2(code, tiles):
    """Every pixel of the new picture is the mean of the old one's colours."""
    pictures = [np.tile(tile.pixels, (2, 2, 1)) for tile in tiles]
    found = open_network(f"{code}build", pictures=lambda: pictures, pixels="0..1")
    picture = np.random.default_rng(0).random((1, 6, 5, 3)).astype(np.float32)
    expected = np.repeat(np.repeat(picture.mean(axis=3, keepdims=True), 2, 1), 2, 2)
    network = attach_tail(found.trunk, "none", scale=2)
    np.testing.assert_allclose(network(picture), np.repeat(expected, 3, 3), atol=1e-5)
    assert found.name == "build" and found.origin["kind"] == "Python, Keras 2"
    assert found.origin["check"]["checked_against_source"]


def test_what_neither_keras_builds_says_both(code):
    with pytest.raises(NetworkError, match="KerasTensor cannot be used") as error:
        open_network(f"{code}broken")
    assert "TF_USE_LEGACY_KERAS=1 it ends in: " in str(error.value)
    assert "\n" not in str(error.value)
