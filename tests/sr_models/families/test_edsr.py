import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from sr_models.families.edsr import EdsrConfig, build_edsr
from sr_models.ground.errors import OptionError
from sr_models.networks.graph import watcher
from sr_models.networks.layers import DepthToSpace, SpaceToDepth
from sr_models.networks.network import named_weights
from sr_models.networks.tail_names import TAILS
from sr_models.networks.tails import attach_tail
from sr_models.published.sites import convolution_sites, shifts_colours
from tests.families import check_int8_file, random_weights

SLOW = pytest.mark.slow


def kernel3(inputs, outputs):
    """Weights and biases of a 3x3 convolution."""
    return 3 * 3 * inputs * outputs + outputs


def body(width, blocks):
    first, long_skip = kernel3(3, width), kernel3(width, width)
    return first + blocks * 2 * kernel3(width, width) + long_skip


@pytest.mark.parametrize(
    ("config", "tail", "parameters"),
    [
        (EdsrConfig(2), kernel3(32, 12), 106_092),  # published for the f32b5 of MLPerf Mobile
        (EdsrConfig(4), kernel3(32, 48), 116_496),
        # Published: 1.37 M and 1.52 M; with the 12 numbers of the mean colour.
        (EdsrConfig(2, 64, 16, "staged", True), kernel3(64, 256) + kernel3(64, 3) + 12, 1_369_871),
        (
            EdsrConfig(4, 64, 16, "staged", True),
            2 * kernel3(64, 256) + kernel3(64, 3) + 12,
            1_517_583,
        ),
    ],
)
def test_the_number_of_parameters(config, tail, parameters):
    counted = build_edsr(config).count_params()
    assert counted == body(config.width, config.blocks) + tail == parameters


def test_it_computes_residual_blocks_and_a_long_skip():
    trunk = random_weights(build_edsr(EdsrConfig(2, width=4, blocks=2)))
    weights = named_weights(trunk)

    def convolve(x, name):
        y = tf.nn.conv2d(x, weights[f"{name}/kernel"], strides=1, padding="SAME")
        return y + weights[f"{name}/bias"]

    picture = np.random.default_rng(1).random((2, 6, 7, 3), np.float32)
    x = first = convolve(picture, "first")
    for b in range(2):
        x += convolve(tf.nn.relu(convolve(x, f"block{b}_conv0")), f"block{b}_conv1")
    expected = convolve(convolve(x, "body_last") + first, "last")
    np.testing.assert_allclose(trunk(picture).numpy(), expected.numpy(), rtol=1e-4, atol=1e-4)


def test_published_weights_are_padded_with_the_mean_colour():
    """What PyTorch's EDSR computes at the border: it subtracts, and its zeros are the mean."""
    trunk = random_weights(build_edsr(EdsrConfig(2, width=4, blocks=0, mean_colour=True)))
    mean = np.array([0.4488, 0.4371, 0.4040])
    trunk.get_layer("mean_colour").set_weights([np.eye(3)[None, None], -mean])
    kernel, bias = trunk.get_layer("first").get_weights()
    picture = np.random.default_rng(1).random((1, 5, 6, 3), np.float32)
    padded = np.pad(picture - mean, [(0, 0), (1, 1), (1, 1), (0, 0)])
    expected = np.zeros((1, 5, 6, 4)) + bias
    for i in range(3):
        for j in range(3):
            expected += padded[:, i : i + 5, j : j + 6] @ kernel[i, j]
    found = watcher(trunk, ["first"])(picture).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)
    # A bias instead is right inside and wrong along the border.
    folded = bias - np.einsum("ijcf,c->f", kernel, mean)
    black = tf.nn.conv2d(picture, kernel, 1, "SAME").numpy() + folded
    np.testing.assert_allclose(black[:, 1:-1, 1:-1], expected[:, 1:-1, 1:-1], atol=1e-5)
    assert np.abs(black[:, 0] - expected[:, 0]).max() > 0.01
    assert shifts_colours(trunk.get_layer("mean_colour"))
    assert [site.name for site in convolution_sites(trunk)] == ["first", "body_last", "last"]


@pytest.mark.parametrize("upsampler", ["direct", "staged"])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_it_starts_near_the_nearest_neighbour(scale, upsampler, photographs):
    low = photographs["coffee"][None, 200:220, 300:320].astype(np.float32) / 255.0
    mean_colour = scale == 2
    trunk = build_edsr(EdsrConfig(scale, 8, 2, upsampler, mean_colour))
    assert trunk.output_shape[-1] == 3 * scale**2
    found = attach_tail(trunk, "none", scale=scale)(low).numpy()
    repeated = low.repeat(scale, axis=1).repeat(scale, axis=2)
    assert 0.0 < np.abs(found - repeated).mean() < 0.15


@pytest.mark.parametrize("tail", TAILS)
def test_the_large_picture_takes_every_tail_without_going_back(tail):
    trunk = random_weights(build_edsr(EdsrConfig(4, width=4, blocks=1, upsampler="staged")))
    picture = np.random.default_rng(1).random((1, 5, 6, 3), np.float32)
    expected = DepthToSpace(4)(trunk(picture)).numpy()
    assert expected.min() < 0.0 and expected.max() > 1.0
    model = attach_tail(trunk, tail, scale=4)
    bounds = {"relu": (0.0, None), "none": (None, None)}.get(tail, (0.0, 1.0))
    expected = expected if tail == "none" else np.clip(expected, *bounds)
    np.testing.assert_allclose(model(picture).numpy(), expected, atol=1e-5)
    assert not any(isinstance(layer, SpaceToDepth) for layer in model.layers)
    assert sum(isinstance(layer, DepthToSpace) for layer in model.layers) == 2, "the two stages"


@pytest.mark.parametrize("scale", [2, 3])
def test_space_to_depth_is_the_inverse_of_depth_to_space(scale, tmp_path):
    x = np.random.default_rng(0).random((2, 3 * scale, 4 * scale, 3), np.float32)
    np.testing.assert_array_equal(DepthToSpace(scale)(SpaceToDepth(scale)(x)).numpy(), x)
    picture = tf_keras.Input((None, None, 3))
    tf_keras.Model(picture, SpaceToDepth(scale)(picture)).save(tmp_path / "model.keras")
    loaded = tf_keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(DepthToSpace(scale)(loaded(x)).numpy(), x)


def test_unusable_options():
    with pytest.raises(OptionError, match="direct, staged, found 'bicubic'"):
        EdsrConfig(2, upsampler="bicubic")
    with pytest.raises(OptionError, match="2, 3 or 4, found 8"):
        EdsrConfig(8, upsampler="staged")


@pytest.mark.parametrize(
    ("name", "tail", "convolutions", "steps"),
    [
        ("edsr", "relu", 7, 1),
        ("edsr", "none", 7, 1),
        pytest.param("edsr_staged_x2", "relu", 8, 1, marks=SLOW),
        pytest.param("edsr_staged", "relu", 9, 2, marks=SLOW),
    ],
)
def test_the_int8_file(name, tail, convolutions, steps, small_file):
    operators = {"CONV_2D": convolutions, "ADD": 3, "DEPTH_TO_SPACE": steps}
    check_int8_file(small_file(name, tail), operators=operators)
