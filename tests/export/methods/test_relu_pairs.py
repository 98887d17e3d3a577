import numpy as np
import pytest
import tf_keras

from export.methods.relus import as_relu_pairs, find_joined, find_prelus, with_relu_pairs
from export.quantizing.quantized_network import observe
from sr_models.networks.graph import points


def conv(filters, name, **keywords):
    return tf_keras.layers.Conv2D(filters, 3, padding="same", name=name, **keywords)


def prelu(name):
    return tf_keras.layers.PReLU(shared_axes=[1, 2], name=name)


@pytest.fixture(scope="module")
def bent():
    """Three PReLU in a row, the last of which is added to something."""
    rng = np.random.default_rng(0)
    picture = tf_keras.Input((None, None, 3), name="input")
    y = prelu("one_bent")(conv(4, "one")(picture))
    y = skip = prelu("two_bent")(conv(5, "two")(y))
    y = prelu("three_bent")(conv(5, "three", use_bias=False)(y))
    y = tf_keras.layers.Add(name="sum")([y, conv(5, "side")(skip)])
    model = tf_keras.Model(picture, conv(3, "last")(y))
    for layer in model.layers:
        if layer.weights:
            layer.set_weights([0.4 * rng.normal(size=w.shape) for w in layer.get_weights()])
    return model


def test_those_that_a_convolution_makes_are_found(bent):
    assert find_prelus(bent) == ["one_bent", "two_bent", "three_bent"]


def test_they_are_joined_where_reading_both_takes_too_many_products(bent):
    """By hand, products for each value: 3x3 onto 5 channels takes 9 * 5, and two readers 90, of 256
    with 27 or 36 for making the second ReLU. A sum reads one tensor, not two."""
    assert find_joined(bent) == ["three_bent"]
    picture = tf_keras.Input((None, None, 3), name="input")
    y = prelu("wide_bent")(conv(16, "wide")(picture))
    narrow = tf_keras.layers.Conv2D(5, 1, name="narrow")(y)
    model = tf_keras.Model(picture, narrow)
    # 1x1 onto 5 channels takes 5, where joining 16 takes 32.
    assert find_prelus(model) == ["wide_bent"] and find_joined(model) == []


@pytest.mark.parametrize(("width", "expected"), [(14, []), (15, ["bent"])])
def test_the_join_stands_only_where_the_pair_would_not_be_worth_it_without(width, expected):
    """Making takes 9 * 14 products and reading as many: 252 of 256; of 15 channels 270."""
    picture = tf_keras.Input((None, None, 3), name="input")
    y = prelu("bent")(conv(width, "two")(conv(width, "one")(picture)))
    model = tf_keras.Model(picture, conv(width, "three")(y))
    assert find_prelus(model) == ["bent"] and find_joined(model) == expected


@pytest.mark.parametrize(("width", "expected"), [(22, ["bent"]), (24, [])])
def test_a_wide_network_keeps_the_prelu_that_takes_less_time(width, expected):
    """The second ReLU takes 9 * 22 products for each value, and joining 2 * 22: 242 of 256."""
    picture = tf_keras.Input((None, None, 3), name="input")
    y = prelu("bent")(conv(width, "two")(conv(width, "one")(picture)))
    assert find_prelus(tf_keras.Model(picture, conv(width, "three")(y))) == expected


def test_the_function_stays_the_same_up_to_the_border(bent):
    x = np.random.default_rng(1).random((2, 7, 9, 3), np.float32)
    written = as_relu_pairs(bent)
    np.testing.assert_allclose(written(x), bent(x), rtol=1e-4, atol=1e-4)
    assert np.abs(bent(x)).max() > 0.1
    kinds = [type(p.layer).__name__ for p in points(written).values()]
    assert kinds.count("PReLU") == 0
    assert written.get_layer("one").filters == 8 and written.get_layer("two").filters == 10
    joined = written.get_layer("three_bent")
    assert joined.kernel_size == (1, 1) and joined.filters == 5


def test_readers_take_both_where_that_is_cheaper():
    rng = np.random.default_rng(2)
    picture = tf_keras.Input((None, None, 3), name="input")
    y = prelu("wide_bent")(conv(16, "wide")(picture))
    model = tf_keras.Model(picture, tf_keras.layers.Conv2D(5, 1, name="narrow")(y))
    for layer in model.layers[1:]:
        layer.set_weights([rng.normal(size=w.shape) for w in layer.get_weights()])
    x = rng.random((2, 7, 9, 3)).astype(np.float32)
    written = as_relu_pairs(model)
    np.testing.assert_allclose(written(x), model(x), rtol=1e-4, atol=1e-4)
    assert [layer.name for layer in written.layers[1:]] == ["wide", "narrow"]
    assert written.get_layer("narrow").kernel.shape == (1, 1, 32, 5)


def test_one_slope_for_all_channels_stays_what_xnnpack_takes():
    picture = tf_keras.Input((None, None, 3), name="input")
    y = tf_keras.layers.LeakyReLU(0.2, name="bent")(conv(4, "one")(picture))
    model = tf_keras.Model(picture, conv(3, "two")(y))
    assert as_relu_pairs(model) is model


def test_the_original_keeps_its_weights(bent):
    before = bent.get_weights()
    as_relu_pairs(bent).get_layer("one").set_weights([np.zeros((3, 3, 3, 8)), np.zeros(8)])
    for a, b in zip(before, bent.get_weights()):
        np.testing.assert_array_equal(a, b)


def test_a_network_without_prelu_is_left_as_it_is(network, evidence):
    plain = observe(network, evidence)
    assert with_relu_pairs(plain, evidence) is plain


def test_a_slope_for_each_pixel_is_no_slope_of_a_channel():
    picture = tf_keras.Input((8, 8, 3), name="input")
    y = tf_keras.layers.PReLU(name="everywhere")(conv(4, "one")(picture))
    assert find_prelus(tf_keras.Model(picture, conv(3, "two")(y))) == []
