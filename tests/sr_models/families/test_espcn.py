import numpy as np
import pytest

from sr_models.families.espcn import EspcnConfig, build_espcn
from sr_models.networks.graph import points, quantized_points
from sr_models.networks.tails import attach_tail
from tests.families import check_int8_file, random_weights


def by_hand(scale):
    """Kernel height x width x inputs x outputs + biases, layer by layer."""
    first = 5 * 5 * 3 * 64 + 64  # 4864
    second = 3 * 3 * 64 * 32 + 32  # 18,464
    last = 3 * 3 * 32 * (3 * scale**2) + 3 * scale**2  # 7803 at x3
    return first + second + last


def test_the_number_of_parameters():
    # 31.13 K is published for RGB at x3.
    assert build_espcn(EspcnConfig(scale=3)).count_params() == by_hand(3) == 31_131
    assert build_espcn(EspcnConfig(scale=2)).count_params() == by_hand(2)


def test_it_computes_what_numpy_computes():
    """With all kernels but their centres zero, every pixel is a small perceptron of its own."""
    trunk = random_weights(build_espcn(EspcnConfig(scale=2, first_width=5, second_width=4)))
    for name in ("first", "second", "last"):
        layer = trunk.get_layer(name)
        kernel, bias = layer.get_weights()
        middle = kernel.shape[0] // 2
        centre = kernel[middle, middle].copy()
        kernel[:] = 0.0
        kernel[middle, middle] = centre
        layer.set_weights([kernel, bias])
    low = np.random.default_rng(0).random((1, 4, 5, 3), np.float32)
    (k1, b1), (k2, b2), (k3, b3) = (
        (layer.get_weights()[0].sum(axis=(0, 1)), layer.get_weights()[1])
        for layer in (trunk.get_layer(name) for name in ("first", "second", "last"))
    )
    expected = np.tanh(np.tanh(low @ k1 + b1) @ k2 + b2) @ k3 + b3
    np.testing.assert_allclose(trunk(low).numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_it_starts_near_the_nearest_neighbour(scale, photographs):
    low = photographs["coffee"][None, 200:240, 300:340].astype(np.float32) / 255.0
    found = attach_tail(build_espcn(EspcnConfig(scale=scale)), "none", scale=scale)(low).numpy()
    repeated = low.repeat(scale, axis=1).repeat(scale, axis=2)
    assert np.abs(found - repeated).mean() < 0.06


def test_the_input_of_a_tanh_has_a_range_and_its_output_has_none():
    trunk = build_espcn(EspcnConfig(scale=2))
    assert quantized_points(trunk) == ["input", "first", "second", "last"]
    graph = points(trunk)
    assert [name for name in graph if graph[name].has_fixed_grid] == ["first_tanh", "second_tanh"]


@pytest.mark.parametrize("tail", ["relu", "none"])
def test_the_int8_file(tail, small_file):
    operators = {"CONV_2D": 3, "TANH": 2, "DEPTH_TO_SPACE": 1}
    check_int8_file(small_file("espcn", tail), operators=operators)
