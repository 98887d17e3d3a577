import numpy as np
import pytest
import tensorflow as tf

from sr_models.families.srresnet import (
    SrresnetConfig,
    build_srresnet,
    to_deploy_form,
    to_training_form,
)
from sr_models.ground.errors import OptionError
from sr_models.networks.network import named_weights, set_named_weights
from sr_models.networks.presets import get_preset
from sr_models.networks.tails import attach_tail
from sr_models.published.sites import convolution_sites
from tests.families import check_int8_file, random_weights

SMALL = SrresnetConfig(2, width=4, blocks=1)


def kernel(size, inputs, outputs):
    """Weights and biases of a convolution."""
    return size * size * inputs * outputs + outputs


def test_the_number_of_parameters():
    blocks = 16 * (2 * kernel(3, 64, 64) + 64)
    ends = kernel(9, 3, 64) + 64 + kernel(3, 64, 64) + kernel(9, 64, 3)
    stages = 2 * (kernel(3, 64, 256) + 64)
    # 1.5 M are published.
    assert blocks + ends + stages == get_preset("srresnet_x4").parameters == 1_546_435
    small = build_srresnet(SMALL).count_params()
    assert small == (kernel(9, 3, 4) + 4 + 2 * kernel(3, 4, 4) + 4 + kernel(3, 4, 4)) + (
        kernel(3, 4, 16) + 4 + kernel(9, 4, 3)
    )
    assert not get_preset("srresnet_x4").weights_path.exists(), "an architecture only"


def test_both_forms_compute_what_the_published_layers_do():
    """PyTorch's layers one after the other, normalization by its running statistics."""
    trained = random_weights(build_srresnet(SMALL, form="train"))
    weights = named_weights(trained)
    for name, array in weights.items():
        if name.endswith("moving_variance"):
            weights[name] = np.abs(array) + np.float32(0.5)
    set_named_weights(trained, weights)

    def convolve(x, name):
        y = tf.nn.conv2d(x, weights[f"{name}/kernel"], strides=1, padding="SAME")
        if f"{name}/bias" in weights:
            return y + weights[f"{name}/bias"]
        norm = {key: weights[f"{name}_norm/{key}"] for key in ("gamma", "beta", "moving_mean")}
        spread = np.sqrt(weights[f"{name}_norm/moving_variance"] + 1e-5)
        return (y - norm["moving_mean"]) / spread * norm["gamma"] + norm["beta"]

    def prelu(x, name):
        return tf.maximum(x, 0.0) + weights[f"{name}_prelu/alpha"] * tf.minimum(x, 0.0)

    picture = np.random.default_rng(1).random((2, 6, 7, 3), np.float32)
    first = prelu(convolve(picture, "first"), "first")
    inner = prelu(convolve(first, "block0_conv0"), "block0_conv0")
    x = first + convolve(inner, "block0_conv1")
    x = first + convolve(x, "body_last")
    x = prelu(tf.nn.depth_to_space(convolve(x, "upscale0"), 2), "upscale0")
    expected = convolve(x, "last").numpy()
    tolerance = 1e-4 * np.abs(expected).max()
    deployed = build_srresnet(SMALL)
    set_named_weights(deployed, to_deploy_form(weights))
    for trunk in (trained, deployed):
        found = attach_tail(trunk, "none", scale=2)(picture).numpy()
        np.testing.assert_allclose(found, expected, atol=tolerance)
    # And back, to be trained on.
    again = build_srresnet(SMALL, form="train")
    set_named_weights(again, to_training_form(named_weights(deployed)))
    found = attach_tail(again, "none", scale=2)(picture).numpy()
    np.testing.assert_allclose(found, expected, atol=tolerance)


def test_the_released_quantizers_find_their_convolutions_in_it():
    roles = {site.name: site.role for site in convolution_sites(build_srresnet(SMALL))}
    assert roles == {
        "first": "head",
        "block0_conv0": "body",
        "block0_conv1": "body",
        "body_last": "merge",
        "upscale0": "tail",
        "last": "tail",
    }


@pytest.mark.parametrize("form", ["deploy", "train"])
def test_it_starts_near_the_nearest_neighbour(form, photographs):
    low = photographs["coffee"][None, 200:220, 300:320].astype(np.float32) / 255.0
    trunk = build_srresnet(SrresnetConfig(4, width=8, blocks=2), form=form)
    found = attach_tail(trunk, "none", scale=4)(low).numpy()
    assert 0.0 < np.abs(found - low.repeat(4, axis=1).repeat(4, axis=2)).mean() < 0.2


def test_unusable_options():
    with pytest.raises(OptionError, match="2, 3 or 4, found 5"):
        SrresnetConfig(5)
    with pytest.raises(OptionError, match="prelu, relu, found 'gelu'"):
        SrresnetConfig(2, activation="gelu")


@pytest.mark.slow
@pytest.mark.parametrize("tail", ["relu", "none"])
def test_the_int8_file(tail, small_file):
    operators = {"CONV_2D": 6, "ADD": 2, "PRELU": 3, "DEPTH_TO_SPACE": 1}
    check_int8_file(small_file("srresnet", tail), operators=operators, partitions=4)
