import numpy as np
import pytest
import tf_keras

from sr_models.networks.layers import (
    ChannelSlice,
    ClipByValue,
    DepthToSpace,
    EdgePadding,
    convolve,
    rectifier,
)


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
