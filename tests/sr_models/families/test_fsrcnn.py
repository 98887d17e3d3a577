import numpy as np
import pytest
import tensorflow as tf

from sr_models.families.fsrcnn import (
    FsrcnnConfig,
    build_fsrcnn,
    sub_pixel_kernel,
    to_deploy_form,
    to_training_form,
)
from sr_models.ground.errors import OptionError
from sr_models.networks.graph import quantized_points
from sr_models.networks.network import convert_form, named_weights
from sr_models.networks.presets import Preset
from sr_models.networks.tails import attach_tail
from tests.families import check_int8_file, random_weights


def by_hand():
    """Kernel height x width x inputs x outputs + biases + slopes, layer by layer."""
    first = 5 * 5 * 3 * 56 + 56 + 56  # 4312
    shrink = 56 * 12 + 12 + 12  # 696
    mapping = 3 * 3 * 12 * 12 + 12 + 12  # 1320
    expand = 12 * 56 + 56 + 56  # 784
    transposed = 9 * 9 * 56 * 3 + 3  # 13,611
    return first + shrink + 4 * mapping + expand + transposed


def test_the_number_of_parameters():
    # 24.68 K is published for RGB; at x3 every tap of the 9x9 kernel has one place.
    assert build_fsrcnn(FsrcnnConfig(scale=3), form="train").count_params() == by_hand() == 24_683
    # Deployed, each of three biases is there nine times.
    assert build_fsrcnn(FsrcnnConfig(scale=3)).count_params() == by_hand() + 27 - 3


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_a_transposed_convolution_as_a_plain_one_borders_included(scale):
    rng = np.random.default_rng(scale)
    kernel = rng.normal(size=(9, 9, 3, 5)).astype(np.float32)
    x = rng.normal(size=(2, 6, 7, 5)).astype(np.float32)
    shape = (2, 6 * scale, 7 * scale, 3)
    expected = tf.nn.conv2d_transpose(x, kernel, shape, strides=scale, padding="SAME").numpy()
    plain = tf.nn.conv2d(x, sub_pixel_kernel(kernel, scale=scale), strides=1, padding="SAME")
    found = tf.nn.depth_to_space(plain, scale).numpy()
    assert expected.std() > 1.0
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("scale", [2, 3])
def test_both_forms_compute_the_same_borders_included(scale):
    config = {"scale": scale, "width": 6, "shrunk_width": 4, "blocks": 1}
    preset = Preset("small", "fsrcnn", config, "for tests")
    trunk = random_weights(build_fsrcnn(FsrcnnConfig(**config), form="train"))
    deployed = convert_form(trunk, preset, form="deploy")
    picture = np.random.default_rng(1).random((2, 9, 8, 3), np.float32)
    expected = trunk(picture).numpy()
    assert expected.std() > 0.1
    np.testing.assert_allclose(deployed(picture).numpy(), expected, atol=1e-5)
    again = convert_form(deployed, preset, form="train")
    np.testing.assert_allclose(again(picture).numpy(), expected, atol=1e-5)


def test_the_transfer_there_and_back_changes_nothing_at_x3():
    weights = named_weights(random_weights(build_fsrcnn(FsrcnnConfig(scale=3), form="train")))
    back = to_training_form(to_deploy_form(weights))
    assert back.keys() == weights.keys()
    for name, array in weights.items():
        np.testing.assert_allclose(back[name], array, rtol=1e-6)


@pytest.mark.parametrize("form", ["train", "deploy"])
@pytest.mark.parametrize("scale", [2, 3])
def test_it_starts_as_bilinear_upscaling(scale, form, photographs):
    low = photographs["coffee"][None, 200:220, 300:320].astype(np.float32) / 255.0
    trunk = build_fsrcnn(FsrcnnConfig(scale=scale), form=form)
    found = attach_tail(trunk, "none", scale=scale)(low).numpy()
    size = (20 * scale, 20 * scale)
    expected = tf.image.resize(low, size, method="bilinear", antialias=False).numpy()
    inside = np.s_[:, 6:-6, 6:-6]  # Beyond the border lies black here and the edge there.
    np.testing.assert_allclose(found[inside], expected[inside], atol=0.1)
    assert np.abs(found[inside] - expected[inside]).mean() < 0.02


def test_the_input_of_a_prelu_is_stored_and_has_a_range():
    config = FsrcnnConfig(scale=2, width=4, shrunk_width=4, blocks=1)
    names = quantized_points(build_fsrcnn(config))
    assert [name for name in names if name.startswith("map0")] == ["map0", "map0_prelu"]


def test_an_unknown_activation():
    with pytest.raises(OptionError, match="prelu, relu, found 'gelu'"):
        FsrcnnConfig(scale=2, activation="gelu")


@pytest.mark.parametrize(
    ("name", "tail", "prelus"),
    [("fsrcnn", "relu", 5), ("fsrcnn", "none", 5), ("fsrcnn_relu", "relu", 0)],
)
def test_the_int8_file(name, tail, prelus, small_file):
    operators = {"CONV_2D": 6, "DEPTH_TO_SPACE": 1}
    operators |= {"PRELU": prelus} if prelus else {}
    # XNNPACK has no PReLU in int8.
    check_int8_file(small_file(name, tail), operators=operators, partitions=prelus + 1)
