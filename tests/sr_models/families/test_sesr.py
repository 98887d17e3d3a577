import numpy as np
import pytest
import tensorflow as tf

from sr_models.families.sesr import (
    EXPANDED_WIDTH,
    SesrConfig,
    build_sesr,
    to_deploy_form,
    to_training_form,
)
from sr_models.ground.errors import OptionError
from sr_models.networks.network import convert_form, named_weights
from sr_models.networks.presets import Preset
from sr_models.networks.tails import attach_tail
from tests.families import check_int8_file, random_weights

SMALL = Preset("small", "sesr", {"scale": 2, "width": 6, "blocks": 2}, "for tests")


def kernels_by_hand(colours):
    """Kernel height x width x inputs x outputs of M5 at x2, layer by layer."""
    first = 5 * 5 * colours * 16
    block = 3 * 3 * 16 * 16  # 2304
    last = 5 * 5 * 16 * (4 * colours)
    return first + 5 * block + last


def test_the_number_of_parameters():
    # 13.52 K is published for M5 on luma at x2: kernels alone, of one colour.
    assert kernels_by_hand(colours=1) == 13_520
    biases, slopes = 16 + 5 * 16 + 12, 5 * 16
    counted = build_sesr(SesrConfig(scale=2)).count_params()
    assert counted == kernels_by_hand(colours=3) + biases + slopes == 17_708


def test_the_number_of_parameters_in_training():
    first = 5 * 5 * 3 * 256 + 256 * 16 + 16
    block = 3 * 3 * 16 * 256 + 256 * 16 + 16 + 16
    last = 5 * 5 * 16 * 256 + 256 * 12 + 12
    counted = build_sesr(SesrConfig(scale=2), form="train").count_params()
    assert counted == first + 5 * block + last


def test_a_linear_block_is_two_convolutions_borders_included():
    trunk = random_weights(build_sesr(SesrConfig(scale=2, width=6), form="train"))
    weights = named_weights(trunk)
    for name, residual in (("first", False), ("block0", True), ("last", False)):
        layer = trunk.get_layer(name)
        x = np.random.default_rng(1).normal(size=(2, 6, 7, layer.input.shape[-1]))
        x = x.astype(np.float32)
        wide = tf.nn.conv2d(x, weights[f"{name}/expand"], 1, "SAME")
        assert wide.shape[-1] == EXPANDED_WIDTH
        expected = wide @ weights[f"{name}/squeeze"] + weights[f"{name}/bias"]
        expected = expected + x if residual else expected
        np.testing.assert_allclose(layer(x).numpy(), expected.numpy(), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(("form", "other"), [("train", "deploy"), ("deploy", "train")])
def test_both_forms_compute_the_same_borders_included(form, other):
    trunk = random_weights(build_sesr(SesrConfig(scale=2, width=6, blocks=2), form=form))
    converted = convert_form(trunk, SMALL, form=other)
    picture = np.random.default_rng(1).random((2, 9, 8, 3), np.float32)
    expected = trunk(picture).numpy()
    assert expected.std() > 0.1
    tolerance = 1e-5 * np.abs(expected).max()
    np.testing.assert_allclose(converted(picture).numpy(), expected, atol=tolerance)


def test_deployed_weights_survive_a_visit_to_the_training_form():
    weights = named_weights(random_weights(build_sesr(SesrConfig(scale=2, width=6))))
    back = to_deploy_form(to_training_form(weights))
    assert back.keys() == weights.keys()
    for name, array in weights.items():
        # The identity goes out and comes in again, which may cost the last bit.
        np.testing.assert_allclose(back[name], array, atol=1e-7)


def test_unused_channels_still_learn():
    trunk = random_weights(build_sesr(SesrConfig(scale=2, width=6, blocks=2)))
    trunk = convert_form(trunk, SMALL, form="train")
    expand = next(v for v in trunk.trainable_variables if v.name.startswith("block0/expand"))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.abs(trunk(np.random.default_rng(0).random((1, 8, 8, 3)))))
    gradient = tape.gradient(loss, expand).numpy()
    assert (np.abs(gradient).max(axis=(0, 1, 2)) > 0.0).all()


@pytest.mark.parametrize("form", ["train", "deploy"])
def test_it_starts_near_the_nearest_neighbour(form, photographs):
    low = photographs["coffee"][None, 200:240, 300:340].astype(np.float32) / 255.0
    trunk = build_sesr(SesrConfig(scale=2), form=form)
    found = attach_tail(trunk, "none", scale=2)(low).numpy()
    assert 0.0 < np.abs(found - low.repeat(2, axis=1).repeat(2, axis=2)).mean() < 0.15


def test_an_unknown_activation():
    with pytest.raises(OptionError, match="prelu, relu, found 'gelu'"):
        SesrConfig(scale=2, activation="gelu")


@pytest.mark.parametrize(
    ("name", "tail", "prelus"),
    [("sesr", "relu", 2), ("sesr", "none", 2), ("sesr_relu", "relu", 0)],
)
def test_the_int8_file(name, tail, prelus, small_file):
    operators = {"CONV_2D": 4, "CONCATENATION": 1, "ADD": 2, "DEPTH_TO_SPACE": 1}
    operators |= {"PRELU": prelus} if prelus else {}
    # XNNPACK has no PReLU in int8.
    check_int8_file(small_file(name, tail), operators=operators, partitions=prelus + 1)
