import numpy as np
import pytest
import tf_keras

from sr_models.networks.graph import INPUT, points
from sr_models.networks.walk import Walk


@pytest.fixture
def model():
    """Two branches, one tensor read twice by one layer, a concatenation."""
    x = tf_keras.Input((None, None, 3))
    a = tf_keras.layers.Conv2D(4, 3, padding="same", activation="relu", name="a")(x)
    b = tf_keras.layers.Conv2D(4, 1, name="b")(a)
    c = tf_keras.layers.Conv2D(4, 3, padding="same", name="c")(a)
    doubled = tf_keras.layers.Add(name="doubled")([b, b])
    joined = tf_keras.layers.Concatenate(name="joined")([doubled, c, x])
    return tf_keras.Model(x, tf_keras.layers.Conv2D(2, 3, padding="same", name="d")(joined))


@pytest.fixture
def batches():
    rng = np.random.default_rng(0)
    return [rng.random((n, 5, w, 3)).astype(np.float32) for n, w in ((2, 6), (1, 4))]


def test_a_walk_finds_what_the_network_computes(model, batches):
    walk = Walk(model, batches)
    for name, point in points(model).items():
        if name != INPUT:
            watched = tf_keras.Model(model.input, point.tensor)
            for found, batch in zip(walk.tensors(name), batches):
                np.testing.assert_allclose(found, watched(batch), rtol=1e-6, atol=1e-6)


def test_each_layer_is_called_once_and_by_its_weights_of_then(model, batches, monkeypatch):
    calls = []
    convolve = tf_keras.layers.Conv2D.call

    def counted(layer, *arguments):
        calls.append(layer.name)
        return convolve(layer, *arguments)

    monkeypatch.setattr(tf_keras.layers.Conv2D, "call", counted)
    walk = Walk(model, batches[:1])
    walk.tensors("a")
    kernel, bias = model.get_layer("c").get_weights()
    model.get_layer("c").set_weights([kernel + 1.0, bias])
    walk.tensors("doubled")
    assert calls == ["a", "b"]
    (found,) = walk.tensors("d")
    assert calls == ["a", "b", "c", "d"]
    np.testing.assert_allclose(found, model(batches[0]), rtol=1e-5, atol=1e-5)


def test_what_everybody_has_read_is_forgotten(model, batches):
    walk = Walk(model, batches)
    walk.tensors("joined")
    with pytest.raises(ValueError, match="expected points in the order of computation, found a"):
        walk.tensors("a")
    walk.tensors("joined")
