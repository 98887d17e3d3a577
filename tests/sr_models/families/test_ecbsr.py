import numpy as np
import pytest
import tensorflow as tf

from sr_models.families.ecbsr import EcbsrConfig, build_ecbsr, to_deploy_form, to_training_form
from sr_models.ground.errors import OptionError
from sr_models.networks.network import convert_form, named_weights
from sr_models.networks.presets import Preset
from sr_models.networks.tails import attach_tail
from tests.families import check_int8_file, random_weights

SMALL = Preset("small", "ecbsr", {"scale": 2, "width": 6, "blocks": 2}, "for tests")


def by_hand(scale):
    """Kernel height x width x inputs x outputs + biases (+ slopes), layer by layer."""
    first = 3 * 3 * 3 * 16 + 16 + 16  # 464
    block = 3 * 3 * 16 * 16 + 16 + 16  # 2336
    last = 3 * 3 * 16 * (3 * scale**2) + 3 * scale**2  # 3915 at x3
    return first + 4 * block + last


def test_the_number_of_parameters():
    # 13.72 K is published for M4C16, RGB, x3.
    assert build_ecbsr(EcbsrConfig(scale=3)).count_params() == by_hand(3) == 13_723
    plain = build_ecbsr(EcbsrConfig(scale=3, activation="relu"))
    assert plain.count_params() == by_hand(3) - 5 * 16


def branch_by_branch(v, x):
    """A block as its authors run it in training: each branch on the picture, padded by its bias."""

    def padded(y, bias):
        one = tf.pad(tf.ones_like(y), [[0, 0], [1, 1], [1, 1], [0, 0]])
        return tf.pad(y, [[0, 0], [1, 1], [1, 1], [0, 0]]) + (1.0 - one) * bias

    result = tf.nn.conv2d(x, v["kernel"], 1, "SAME") + v["bias"]
    middle = padded(x @ v["expand_kernel"] + v["expand_bias"], v["expand_bias"])
    result += tf.nn.conv2d(middle, v["squeeze_kernel"], 1, "VALID") + v["squeeze_bias"]
    sobel = np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]], np.float32)
    laplacian = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]], np.float32)
    for edge, taps in {"sobel_x": sobel, "sobel_y": sobel.T, "laplacian": laplacian}.items():
        middle = padded(x @ v[f"{edge}_kernel"] + v[f"{edge}_bias"], v[f"{edge}_bias"])
        filters = taps[:, :, None, None] * v[f"{edge}_scale"][:, None]
        result += tf.nn.depthwise_conv2d(middle, filters, [1, 1, 1, 1], "VALID")
        result += v[f"{edge}_shift"]
    return result


def test_a_block_is_the_sum_of_its_branches_borders_included():
    trunk = random_weights(build_ecbsr(EcbsrConfig(scale=2, width=6), form="train"))
    for name in ("first", "block0"):
        layer = trunk.get_layer(name)
        variables = {v.name.removesuffix(":0").split("/")[1]: v.numpy() for v in layer.weights}
        x = np.random.default_rng(1).normal(size=(2, 6, 7, layer.input.shape[-1]))
        x = x.astype(np.float32)
        expected = branch_by_branch(variables, x).numpy()
        assert expected.std() > 0.5
        np.testing.assert_allclose(layer(x).numpy(), expected, atol=1e-4)


@pytest.mark.parametrize(("form", "other"), [("train", "deploy"), ("deploy", "train")])
def test_both_forms_compute_the_same_borders_included(form, other):
    trunk = random_weights(build_ecbsr(EcbsrConfig(scale=2, width=6, blocks=2), form=form))
    converted = convert_form(trunk, SMALL, form=other)
    picture = np.random.default_rng(1).random((2, 9, 8, 3), np.float32)
    expected = trunk(picture).numpy()
    assert expected.std() > 0.1
    np.testing.assert_allclose(converted(picture).numpy(), expected, rtol=1e-4, atol=1e-4)


def test_deployed_weights_survive_a_visit_to_the_training_form():
    weights = named_weights(random_weights(build_ecbsr(EcbsrConfig(scale=2, width=6))))
    back = to_deploy_form(to_training_form(weights))
    assert back.keys() == weights.keys()
    for name, array in weights.items():
        np.testing.assert_array_equal(back[name], array)


def test_a_branch_that_adds_nothing_still_learns():
    trunk = random_weights(build_ecbsr(EcbsrConfig(scale=2, width=6, blocks=2)))
    trunk = convert_form(trunk, SMALL, form="train")
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.abs(trunk(np.random.default_rng(0).random((1, 8, 8, 3)))))
    gradients = tape.gradient(loss, trunk.trainable_variables)
    moved = {
        variable.name.split("/")[1].removesuffix(":0")
        for variable, gradient in zip(trunk.trainable_variables, gradients)
        if np.abs(gradient).max() > 0.0
    }
    assert {"squeeze_kernel", "sobel_x_scale", "sobel_y_scale", "laplacian_scale"} <= moved


def test_it_starts_near_the_nearest_neighbour(photographs):
    low = photographs["coffee"][None, 200:240, 300:340].astype(np.float32) / 255.0
    repeated = low.repeat(3, axis=1).repeat(3, axis=2)
    for form in ("train", "deploy"):
        trunk = build_ecbsr(EcbsrConfig(scale=3), form=form)
        found = attach_tail(trunk, "none", scale=3)(low).numpy()
        assert 0.0 < np.abs(found - repeated).mean() < 0.1


def test_an_unknown_activation():
    with pytest.raises(OptionError, match="prelu, relu, found 'gelu'"):
        EcbsrConfig(scale=2, activation="gelu")


@pytest.mark.parametrize(
    ("name", "tail", "prelus"),
    [("ecbsr", "relu", 3), ("ecbsr", "none", 3), ("ecbsr_relu", "relu", 0)],
)
def test_the_int8_file(name, tail, prelus, small_file):
    operators = {"CONV_2D": 4, "CONCATENATION": 1, "ADD": 1, "DEPTH_TO_SPACE": 1}
    operators |= {"PRELU": prelus} if prelus else {}
    # XNNPACK has no PReLU in int8.
    check_int8_file(small_file(name, tail), operators=operators, partitions=prelus + 1)
