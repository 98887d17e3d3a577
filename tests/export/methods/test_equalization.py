import numpy as np
import pytest
import tf_keras

from export.methods.equalize import equalize, equalized
from export.quantizing.channels import channel_ranges, channel_sensitivities, find_channels
from export.quantizing.quantized_network import clone, observe
from representative_data.observation import pixel_points
from sr_models.networks.graph import quantized_points
from sr_models.quantization.fake_quantization import write_ranges
from sr_models.quantization.ranges import PIXELS
from tests.networks import conv


@pytest.mark.parametrize(
    ("which", "strength"), [("network", 1.0), ("residual", 0.0), ("residual", 0.4)]
)
def test_the_function_stays_the_same(which, strength, request, evidence):
    model, x = request.getfixturevalue(which), evidence.stack(2)
    found = equalize(model, x, strength=strength)(x).numpy()
    # The border too: a shift must not meet zero padding.
    np.testing.assert_allclose(found, model(x).numpy(), atol=5e-5)


@pytest.mark.parametrize("which", ["network", "residual"])
def test_tensors_stay_about_as_wide_as_they_were(which, request, evidence):
    """Size alone costs nothing, but kernels cannot requantize by any factor."""
    model, x = request.getfixturevalue(which), evidence.stack(8)
    names = [n for n in quantized_points(model) if n not in pixel_points(model)]
    before, after = (channel_ranges(m, names, x) for m in (model, equalize(model, x)))
    for name in names:
        width, found = (max(r[name][1].max(), -r[name][0].min()) for r in (before, after))
        assert 0.2 * width < found < 5.0 * width, name


def test_a_channel_that_never_moves_is_not_stretched_without_bound(residual, evidence):
    dead = clone(residual)
    kernel, bias = dead.get_layer("inner0").get_weights()
    kernel[..., 2], bias[2] = 1e-3 * kernel[..., 2], -1.0
    dead.get_layer("inner0").set_weights([kernel, bias])
    found = equalize(dead, evidence.stack(4)).get_layer("inner0").get_weights()[1]
    assert 1.0 <= -found[2] <= 64.0


@pytest.mark.parametrize("which", ["network", "residual"])
def test_it_lowers_the_error_of_activations(which, request, evidence):
    model, x = request.getfixturevalue(which), evidence.stack(8)
    expected = np.clip(model(x).numpy(), 0.0, 1.0)
    plain = observe(model, evidence)
    better = equalized(plain, evidence)
    errors = [
        np.square(np.clip(write_ranges(q.model, q.ranges)(x), 0.0, 1.0) - expected).mean()
        for q in (plain, better)
    ]
    assert errors[1] < 0.85 * errors[0]


def test_grouped_convolutions_are_stretched_group_by_group(network, evidence):
    """Each input channel of a grouped kernel stands in one group alone."""
    x = evidence.stack(2)
    flat = equalize(network, x)
    first, then = (m.get_layer("mix").get_weights()[0][0, 0] for m in (network, flat))
    gain = (then / first).mean(axis=0)
    kernel, stretched = (m.get_layer("block0_conv3").get_weights()[0] for m in (network, flat))
    relu_gain = (stretched / kernel).mean(axis=(0, 1))  # (inputs of a group, outputs)
    width = kernel.shape[3] // 4
    assert gain.std() > 0.05 * gain.mean(), "something to see"
    for group in range(4):
        own = relu_gain[:, group * width : (group + 1) * width]
        inputs = gain[group * kernel.shape[2] : (group + 1) * kernel.shape[2]]
        # gain out of the kernel's own channels, over the gain of what it reads
        np.testing.assert_allclose(own[0] / own[1], inputs[1] / inputs[0], rtol=1e-3)


def test_ranges_leave_room_for_what_was_not_seen_but_pixels_are_pixels(network, evidence):
    found = equalized(observe(network, evidence), evidence)
    for name, (low, high) in channel_ranges(
        found.model, ["mix", "concat"], evidence.stack(8)
    ).items():
        assert found.ranges[name].minimum < low.min() and found.ranges[name].maximum > high.max()
    assert found.ranges["input"] == PIXELS
    assert evidence.pin(found.ranges, found.model)["depth_to_space"] == PIXELS


def test_the_costliest_channel_fills_its_tensor_and_stretched_ones_do_not(residual, evidence):
    """Room is kept in channels that matter less, for what calibration did not show."""
    x = evidence.stack(8)
    reach = channel_ranges(residual, ["inner0"], x)["inner0"][1]
    # What each channel's rounding would cost if all of them filled the tensor.
    hurt = channel_sensitivities(residual, ["inner0"], x)["inner0"] * np.square(reach)
    _, high = channel_ranges(equalize(residual, x), ["inner0"], x)["inner0"]
    assert high[hurt.argmax()] == pytest.approx(high.max(), rel=1e-3)
    assert high[reach.argmin()] < 0.95 * high.max()


def test_prelu_lets_a_positive_factor_through():
    rng = np.random.default_rng(0)
    picture = tf_keras.Input((8, 8, 3), name="input")
    y = tf_keras.layers.PReLU("ones", shared_axes=[1, 2], name="bent")(conv(4, "one")(picture))
    model = tf_keras.Model(picture, conv(3, "two")(y))
    for layer in model.layers:
        if layer.weights:
            layer.set_weights([rng.normal(size=w.shape) for w in layer.get_weights()])
    (channel,) = (c for c in find_channels(model) if ("one", 0) in c.producers)
    assert set(channel.tensors) == {("one", 0), ("bent", 0)}
    assert channel.readers == [("two", 0)] and not channel.linear
    x = rng.random((2, 8, 8, 3), np.float32)
    changed = equalize(model, x)
    np.testing.assert_allclose(changed(x), model(x), rtol=1e-3, atol=1e-3)
    assert changed.get_layer("one").get_weights()[0] != pytest.approx(
        model.get_layer("one").get_weights()[0]
    )
