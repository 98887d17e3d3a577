import numpy as np
import pytest
import tensorflow as tf

from sr_models.families.etds import RESIDUAL_WIDTH, EtdsConfig, build_etds, to_deploy_form
from sr_models.networks.network import convert_form, named_weights, set_named_weights
from sr_models.networks.presets import Preset
from sr_models.networks.tails import attach_tail
from tests.families import check_int8_file, random_weights

SMALL = Preset("small", "etds", {"scale": 2, "width": 7, "blocks": 2}, "for tests")


def by_hand(scale):
    """Kernel height x width x inputs x outputs + biases, layer by layer."""
    first = 3 * 3 * 3 * 16 + 16  # 448
    block = 3 * 3 * 16 * 16 + 16  # 2320
    last = 3 * 3 * 16 * (3 * scale**2) + 3 * scale**2  # 3915 at x3
    return first + 5 * block + last


@pytest.mark.parametrize("form", ["deploy", "train"])
def test_the_number_of_parameters(form):
    assert build_etds(EtdsConfig(scale=3), form=form).count_params() == by_hand(3) == 15_963
    # 16.92 K is published: with a 28th channel and the 1x1 convolution of 28 channels that clips.
    channel = 3 * 3 * 16 + 1
    clip = 28 * 28 + 28
    assert by_hand(3) + channel + clip == 16_920


def two_streams(weights, picture):
    """The network as published: two streams, added before depth-to-space."""

    def convolve(x, name, inputs, outputs):
        kernel = weights[f"{name}/kernel"][:, :, inputs, outputs]
        return tf.nn.conv2d(x, kernel, strides=1, padding="SAME")

    def bias(name, outputs):
        return weights[f"{name}/bias"][outputs]

    everything = slice(None)
    f, r = slice(None, -RESIDUAL_WIDTH), slice(-RESIDUAL_WIDTH, None)
    x = tf.nn.relu(convolve(picture, "first", everything, f) + bias("first", f))
    y = tf.nn.relu(convolve(picture, "first", everything, r) + bias("first", r))
    for b in range(2):
        name = f"block{b}"
        features = convolve(x, name, f, f) + convolve(y, name, r, f) + bias(name, f)
        y = tf.nn.relu(convolve(y, name, r, r) + bias(name, r))
        x = tf.nn.relu(features)
    parts = convolve(x, "last", f, everything) + convolve(y, "last", r, everything)
    return parts + bias("last", everything)


def test_both_forms_compute_the_two_streams_borders_included():
    trunk = random_weights(build_etds(EtdsConfig(scale=2, width=7, blocks=2), form="train"))
    picture = np.random.default_rng(1).random((2, 9, 8, 3), np.float32)
    expected = two_streams(named_weights(trunk), picture).numpy()
    assert expected.std() > 0.1
    deployed = convert_form(trunk, SMALL, form="deploy")
    np.testing.assert_allclose(trunk(picture).numpy(), expected, atol=1e-5)
    np.testing.assert_allclose(deployed(picture).numpy(), expected, atol=1e-5)
    again = convert_form(deployed, SMALL, form="train")
    np.testing.assert_allclose(again(picture).numpy(), expected, atol=1e-5)


def test_the_mask_has_something_to_do():
    weights = named_weights(random_weights(build_etds(EtdsConfig(scale=2), form="train")))
    hidden = weights["block0/kernel"][:, :, :-RESIDUAL_WIDTH, -RESIDUAL_WIDTH:]
    assert np.abs(hidden).max() > 0.0
    written = to_deploy_form(weights)["block0/kernel"]
    assert not written[:, :, :-RESIDUAL_WIDTH, -RESIDUAL_WIDTH:].any()
    np.testing.assert_array_equal(written[:, :, :, 0], weights["block0/kernel"][:, :, :, 0])


@pytest.mark.parametrize("scale", [2, 3])
def test_without_features_it_is_the_nearest_neighbour(scale):
    trunk = build_etds(EtdsConfig(scale=scale))
    weights = named_weights(trunk)
    weights["last/kernel"][:, :, :-RESIDUAL_WIDTH] = 0.0
    set_named_weights(trunk, weights)
    low = np.random.default_rng(0).random((1, 5, 7, 3), np.float32)
    found = attach_tail(trunk, "none", scale=scale)(low).numpy()
    repeated = low.repeat(scale, axis=1).repeat(scale, axis=2)
    np.testing.assert_allclose(found, repeated, atol=1e-6)


@pytest.mark.parametrize("tail", ["relu", "none"])
def test_the_int8_file(tail, small_file):
    operators = {"CONV_2D": 7, "DEPTH_TO_SPACE": 1}
    check_int8_file(small_file("etds", tail), operators=operators)
