import numpy as np
import pytest
import tf_keras

from sr_models.networks.layers import (
    ChannelSlice,
    ClipByValue,
    DepthToSpace,
    EdgePadding,
    RepeatChannels,
    SpaceToDepth,
    convolve,
    rectifier,
)
from sr_models.networks.value_layers import Gelu, KnownRange, SquareRoot
from sr_models.quantization.fake_quantization import FakeQuantization


def test_depth_to_space_puts_channels_where_the_docstring_says():
    s, channels = 3, 2
    x = np.random.default_rng(0).normal(size=(2, 4, 5, channels * s * s)).astype(np.float32)
    found = DepthToSpace(s)(x).numpy()
    assert found.shape == (2, 4 * s, 5 * s, channels)
    for i in range(s):
        for j in range(s):
            for c in range(channels):
                expected = x[..., (i * s + j) * channels + c]
                np.testing.assert_array_equal(found[:, i::s, j::s, c], expected)


def test_clip_by_value():
    x = np.array([-2.0, 0.25, 3.0], np.float32)
    np.testing.assert_array_equal(ClipByValue()(x).numpy(), [0.0, 0.25, 1.0])
    np.testing.assert_array_equal(ClipByValue(-1.0, 2.0)(x).numpy(), [-1.0, 0.25, 2.0])


def test_edge_padding_repeats_the_outermost_pixels():
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype(np.float32)
    expected = np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)], mode="edge")
    np.testing.assert_array_equal(EdgePadding()(x).numpy(), expected)


def test_channel_slice():
    x = np.arange(24, dtype=np.float32).reshape(1, 2, 2, 6)
    np.testing.assert_array_equal(ChannelSlice(2, 5)(x).numpy(), x[..., 2:5])


@pytest.mark.parametrize(
    "layer",
    [
        *(DepthToSpace(2), SpaceToDepth(2), ChannelSlice(1, 99), RepeatChannels(3)),
        *(ClipByValue(), EdgePadding(), KnownRange(0.0, 1.0), Gelu(), SquareRoot()),
        FakeQuantization(0.0, 1.0),
    ],
    ids=lambda layer: layer.name,
)
def test_layers_return_the_shape_that_they_say(layer):
    x = np.random.default_rng(0).random((1, 4, 6, 8), np.float32)
    expected = tuple(layer(x).shape)
    assert tuple(layer(tf_keras.Input(batch_shape=x.shape)).shape) == expected
    of_any_size = tf_keras.Input((None, None, 8))
    assert tuple(layer(of_any_size).shape) == (None, None, None, expected[3])
    assert tf_keras.Model(of_any_size, layer(of_any_size))(x).shape == expected


def test_what_does_not_divide_is_refused_when_a_network_is_built():
    with pytest.raises(ValueError, match="expected channels that 9 divides, found 8"):
        DepthToSpace(3)(tf_keras.Input((None, None, 8)))
    with pytest.raises(ValueError, match="expected width that 2 divides, found 5"):
        SpaceToDepth(2)(tf_keras.Input((None, 5, 8)))


def test_layers_survive_saving(tmp_path):
    picture = tf_keras.Input((None, None, 12))
    y = ClipByValue(-0.5, 0.5)(DepthToSpace(2)(ChannelSlice(0, 8)(picture)))
    model = tf_keras.Model(picture, y)
    model.save(tmp_path / "model.keras")
    loaded = tf_keras.models.load_model(tmp_path / "model.keras")
    x = np.random.default_rng(0).normal(size=(1, 3, 4, 12)).astype(np.float32)
    np.testing.assert_array_equal(loaded(x).numpy(), model(x).numpy())


def test_a_rectifier_is_relu_or_prelu_with_a_slope_for_each_channel():
    x = np.array([[[[-2.0, -4.0], [1.0, 3.0]]]], np.float32)
    relu, prelu = (rectifier(kind, name="first") for kind in ("relu", "prelu"))
    assert (relu.name, prelu.name) == ("first_relu", "first_prelu")
    np.testing.assert_array_equal(relu(x), [[[[0.0, 0.0], [1.0, 3.0]]]])
    np.testing.assert_array_equal(prelu(x), [[[[-0.5, -1.0], [1.0, 3.0]]]])
    assert prelu.get_weights()[0].shape == (1, 1, 2)


@pytest.mark.parametrize("groups", [1, 2])
def test_a_convolution_takes_another_kernel(groups):
    rng = np.random.default_rng(1)
    layer = tf_keras.layers.Conv2D(
        4, 3, groups=groups, padding="same", dilation_rate=2, use_bias=False
    )
    x = rng.normal(size=(1, 9, 8, 6)).astype(np.float32)
    layer.build(x.shape)
    other = rng.normal(size=layer.kernel.shape).astype(np.float32)
    found = convolve(layer, x, other)
    assert np.abs(layer(x) - found).max() > 0.1
    layer.set_weights([other])
    np.testing.assert_allclose(layer(x), found, rtol=1e-4, atol=1e-5)
