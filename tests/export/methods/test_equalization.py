import numpy as np
import pytest
import tf_keras
from hypothesis import given, settings
from hypothesis import strategies as st

from export.methods.equalization import channel_ranges, equalize, equalized, find_pairs
from export.methods.quantized_network import observe
from sr_models.int8.ranges import PIXELS


def test_pairs_of_an_xlsr(network):
    pairs = {pair.producer: pair for pair in find_pairs(network)}
    assert "last_relu" not in pairs, "nothing reads the output"
    assert pairs["block0_conv3"].readers == (("block0_conv1", 0),)
    assert not pairs["block0_conv3"].linear
    # Body and skip meet in a concatenation of 8 and 4 channels.
    assert pairs["block1_conv1"].stored == pairs["skip"].stored == "concat"
    assert pairs["skip"].readers == (("merge", 8),)


def test_a_tensor_that_is_added_to_another_is_left_alone(branched):
    # `joined` is read by a convolution and by an addition.
    assert [pair.producer for pair in find_pairs(branched)] == []


@settings(max_examples=8)
@given(strength=st.floats(0.0, 1.0))
def test_the_function_stays_the_same(network, evidence, strength):
    x = evidence.stack(2)
    found = equalize(network, x, strength=strength)(x).numpy()
    # The border too: a shift must not meet zero padding.
    np.testing.assert_allclose(found, network(x).numpy(), atol=2e-5)


def test_channels_span_the_range_alike(network, evidence):
    x = evidence.stack(4)
    (low, high), (flat_low, flat_high) = (
        channel_ranges(model, ["concat"], x)["concat"]
        for model in (network, equalize(network, x, strength=1.0))
    )
    assert (high - low).max() > 1.5 * (high - low).min()
    reach = np.maximum(flat_high, -flat_low)
    np.testing.assert_allclose(reach, reach.max(), rtol=1e-3)
    np.testing.assert_allclose(flat_low, -flat_high, atol=1e-3)


def test_grouped_convolutions_are_stretched_group_by_group(network, evidence):
    """Each input channel of a grouped kernel stands in one group alone."""
    x = evidence.stack(2)
    flat = equalize(network, x, strength=1.0)
    first, then = (m.get_layer("mix").get_weights()[0][0, 0] for m in (network, flat))
    gain = (then / first).mean(axis=0)
    kernel, stretched = (m.get_layer("block0_conv3").get_weights()[0] for m in (network, flat))
    relu_gain = (stretched / kernel).mean(axis=(0, 1))  # (inputs of a group, outputs)
    width = kernel.shape[3] // 4
    for group in range(4):
        own = relu_gain[:, group * width : (group + 1) * width]
        inputs = gain[group * kernel.shape[2] : (group + 1) * kernel.shape[2]]
        # gain out of the kernel's own channels, over the gain of what it reads
        np.testing.assert_allclose(own[0] / own[1], inputs[1] / inputs[0], rtol=1e-3)


def test_it_lowers_the_error_of_activations(network, evidence):
    from sr_models.int8.fake_quantization import write_ranges

    x = evidence.stack(8)
    expected = np.clip(network(x).numpy(), 0.0, 1.0)
    plain = observe(network, evidence)
    better = equalized(plain, evidence)
    errors = [
        np.square(write_ranges(q.model, q.ranges)(x).numpy() - expected).mean()
        for q in (plain, better)
    ]
    assert errors[1] < 0.9 * errors[0]


def test_ranges_leave_room_for_what_was_not_seen_but_pixels_are_pixels(network, evidence):
    found = equalized(observe(network, evidence), evidence)
    for name, (low, high) in channel_ranges(
        found.model, ["mix", "concat"], evidence.stack(8)
    ).items():
        assert found.ranges[name].minimum < low.min() and found.ranges[name].maximum > high.max()
    assert found.ranges["input"] == found.ranges["depth_to_space"] == PIXELS


def test_prelu_lets_a_positive_factor_through():
    rng = np.random.default_rng(0)
    picture = tf_keras.Input((8, 8, 3), name="input")
    y = tf_keras.layers.Conv2D(4, 3, padding="same", name="one")(picture)
    y = tf_keras.layers.PReLU("ones", shared_axes=[1, 2], name="bent")(y)
    model = tf_keras.Model(picture, tf_keras.layers.Conv2D(3, 3, padding="same", name="two")(y))
    for layer in model.layers:
        if layer.weights:
            layer.set_weights([rng.normal(size=w.shape) for w in layer.get_weights()])
    (pair,) = find_pairs(model)
    assert (pair.stored, pair.readers, pair.linear) == ("bent", (("two", 0),), False)
    x = rng.random((2, 8, 8, 3), np.float32)
    changed = equalize(model, x, strength=1.0)
    np.testing.assert_allclose(changed(x), model(x), rtol=1e-3, atol=1e-3)
    assert changed.get_layer("one").get_weights()[0] != pytest.approx(
        model.get_layer("one").get_weights()[0]
    )
