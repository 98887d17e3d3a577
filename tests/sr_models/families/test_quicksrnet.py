import numpy as np
import pytest

from sr_models.families.quicksrnet import QuickSrnetConfig, build_quicksrnet
from sr_models.networks.network import named_weights, set_named_weights
from sr_models.networks.tails import attach_tail
from tests.families import check_int8_file


def by_hand(width, blocks, anchor):
    """Kernel height x width x inputs x outputs + biases, layer by layer, at x2."""
    first = 3 * 3 * 3 * width + width
    block = 3 * 3 * width * width + width
    last = 3 * 3 * width * 12 + 12
    return first + blocks * block + last + (3 * 12 + 12) * anchor


@pytest.mark.parametrize(
    ("width", "blocks", "anchor", "parameters"),
    [
        (32, 2, False, 22_860),  # small: 22.9 K is published
        (32, 5, False, 50_604),  # medium: 50.6 K
        (64, 11, True, 414_972),  # large: 415 K
    ],
)
def test_the_number_of_parameters(width, blocks, anchor, parameters):
    trunk = build_quicksrnet(QuickSrnetConfig(2, width=width, blocks=blocks, anchor=anchor))
    assert trunk.count_params() == by_hand(width, blocks, anchor) == parameters


def without_noise(trunk):
    """Leave a trunk what the identity initialisation adds to small random kernels; the rest."""
    weights = named_weights(trunk)
    noise = {
        name: np.where(np.abs(array) < 0.5, array, array - 1.0) for name, array in weights.items()
    }
    set_named_weights(trunk, {name: array - noise[name] for name, array in weights.items()})
    return noise


@pytest.mark.parametrize("anchor", [False, True])
@pytest.mark.parametrize("scale", [2, 3])
def test_it_starts_near_the_nearest_neighbour(scale, anchor, photographs):
    trunk = build_quicksrnet(QuickSrnetConfig(scale, anchor=anchor))
    low = photographs["coffee"][None, 200:220, 300:320].astype(np.float32) / 255.0
    repeated = low.repeat(scale, axis=1).repeat(scale, axis=2)
    model = attach_tail(trunk, "none", scale=scale)
    assert 0.0 < np.abs(model(low).numpy() - repeated).mean() < 0.15
    noise = without_noise(trunk)
    np.testing.assert_allclose(model(low).numpy(), repeated, atol=1e-6)
    assert noise["block0/kernel"].std() > 0.0


@pytest.mark.parametrize(
    ("name", "tail", "operators"),
    [
        ("quicksrnet", "relu", {"CONV_2D": 4, "DEPTH_TO_SPACE": 1}),
        ("quicksrnet", "none", {"CONV_2D": 4, "DEPTH_TO_SPACE": 1}),
        ("quicksrnet_anchor", "relu", {"CONV_2D": 5, "ADD": 1, "DEPTH_TO_SPACE": 1}),
    ],
)
def test_the_int8_file(name, tail, operators, small_file):
    check_int8_file(small_file(name, tail), operators=operators)
