import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from export.methods.adaround import (
    channel_errors,
    choose_codes,
    fit_layer,
    in_more_colours,
    round_codes,
    rounded,
)
from export.quantizing.quantized_network import observe


def problem(seed, *, inputs=4, outputs=2):
    """Weights and the moments of strongly correlated inputs, as neighbouring pixels are."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(200, 1)) + 0.3 * rng.normal(size=(200, inputs))
    return rng.normal(size=(inputs, outputs)), rows.T @ rows / 200


def scales_of(weights):
    return np.abs(weights).max(axis=0) / 127


def cost(codes, weights, moments):
    error = codes * scales_of(weights) - weights
    return (error * (moments @ error)).sum(axis=0)


@given(seed=st.integers(0, 500))
def test_it_is_never_worse_than_rounding_to_nearest(seed):
    weights, moments = problem(seed, inputs=9, outputs=3)
    nearest = np.rint(weights / np.abs(weights).max(axis=0) * 127)
    codes = round_codes(weights, moments, scales_of(weights))
    assert (cost(codes, weights, moments) <= cost(nearest, weights, moments) + 1e-12).all()
    np.testing.assert_array_equal(codes, np.rint(codes))
    # The grid of a converter follows the largest weight, which therefore has to stay.
    np.testing.assert_array_equal(np.abs(codes).max(axis=0), 127)


@settings(max_examples=10)
@given(seed=st.integers(0, 100))
def test_against_every_choice_of_rounding_up_or_down(seed):
    """AdaRound's own search space, by brute force, for three inputs."""
    weights, moments = problem(seed, inputs=3, outputs=1)
    exact = weights[:, 0] / np.abs(weights).max() * 127
    choices = [
        np.array(choice, float)[:, None]
        for choice in itertools.product(*[(np.floor(v), np.ceil(v)) for v in exact])
        if np.abs(choice).max() == 127
    ]
    best = min(cost(choice, weights, moments)[0] for choice in choices)
    nearest = cost(np.rint(exact)[:, None], weights, moments)[0]
    found = cost(round_codes(weights, moments, scales_of(weights)), weights, moments)[0]
    # Coordinate descent may stop short of the best, but most of the way is gone.
    assert found <= best + 0.35 * (nearest - best) + 1e-12


def test_more_orders_find_no_worse_and_often_better_codes():
    rng = np.random.default_rng(3)
    mixing = rng.normal(size=(24, 24)) * np.geomspace(1.0, 0.05, 24)
    moments = mixing.T @ mixing
    weights = rng.normal(size=(24, 40))
    scales = np.abs(weights).max(axis=0) / 127.0
    one, many = (
        channel_errors(round_codes(weights, moments, scales, orders=n) * scales - weights, moments)
        for n in (1, 6)
    )
    assert (many <= one).all() and many.sum() < 0.9 * one.sum()


def test_independent_inputs_are_rounded_to_nearest():
    weights = np.random.default_rng(0).normal(size=(20, 3))
    nearest = np.rint(weights / np.abs(weights).max(axis=0) * 127)
    found = round_codes(weights, np.eye(20), scales_of(weights))
    np.testing.assert_array_equal(found, nearest)


@given(seed=st.integers(0, 500))
def test_a_choice_of_grids_is_never_worse_than_one(seed):
    weights, moments = problem(seed, inputs=9, outputs=3)
    one = round_codes(weights, moments, scales_of(weights)) * scales_of(weights)
    best = choose_codes(weights, moments)
    costs = [((x - weights) * (moments @ (x - weights))).sum(axis=0) for x in (best, one)]
    assert (costs[0] <= costs[1] + 1e-12).all()


def test_errors_are_passed_on_to_weights_that_are_still_free():
    """Two inputs that are always equal: what one weight loses the other takes up."""
    weights = np.array([[1.0], [0.3 / 127], [0.3 / 127]])
    moments = np.array([[4.0, 0.0, 0.0], [0.0, 1.0, 0.999], [0.0, 0.999, 1.0]])
    codes = round_codes(weights, moments, scales_of(weights))
    assert codes[0, 0] == 127 and codes[1:].sum() == 1.0, "0.3 + 0.3 is nearer to 1 than to 0"


def test_pictures_in_more_colours_are_pictures():
    rng = np.random.default_rng(3)
    grey = np.repeat(rng.integers(0, 256, (4, 8, 8, 1)), 3, axis=3).astype(np.float32) / 255
    found = in_more_colours(grey, seed=0)
    assert found.shape == (8, 8, 8, 3) and found.dtype == np.float32
    np.testing.assert_array_equal(found[:4], grey)
    assert found.min() >= 0.0 and found.max() <= 1.0
    codes = 255.0 * found.astype(np.float64)
    np.testing.assert_allclose(codes, np.rint(codes), atol=1e-4)
    spread = found[4:].max(axis=3) - found[4:].min(axis=3)
    assert (spread.mean(axis=(1, 2)) > 0.02).all(), "no longer grey"
    np.testing.assert_array_equal(found, in_more_colours(grey, seed=0))


def test_a_layer_makes_good_for_the_noise_of_its_input():
    rng = np.random.default_rng(1)
    wanted = rng.normal(size=(4000, 1)) + 0.05 * rng.normal(size=(4000, 6))
    found = 0.9 * wanted + 0.2  # what a range that saturates and shifts might do
    kernel = rng.normal(size=(6, 2))
    rounded_kernel, moved = fit_layer(kernel, found, wanted @ kernel)
    before = np.square(found @ kernel - wanted @ kernel).mean()
    after = np.square(found @ rounded_kernel + moved - wanted @ kernel).mean()
    assert after < 0.05 * before


def test_constant_inputs_leave_the_weights_as_they_are():
    kernel = np.random.default_rng(2).normal(size=(6, 2))
    constant = np.full((50, 6), 0.25)
    found, moved = fit_layer(kernel, constant, constant @ kernel)
    np.testing.assert_allclose(found, kernel, atol=np.abs(kernel).max() / 127)
    np.testing.assert_allclose(constant[0] @ found + moved, constant[0] @ kernel, atol=1e-9)


@pytest.fixture(scope="module")
def plain(network, evidence):
    return observe(network, evidence)


@pytest.fixture(scope="module")
def better(plain, evidence):
    """The network with rounded weights, which takes longer than what is asked of it."""
    return rounded(plain, evidence)


@pytest.mark.slow
def test_it_lowers_the_error_of_a_network(network, plain, better, evidence, distance):
    before, after = (distance(n, network, evidence.pictures) for n in (plain, better))
    # What is left is the rounding of activations.
    assert after < 0.8 * before
    assert better.ranges == plain.ranges


@pytest.mark.slow
def test_weights_lie_on_the_grid_that_a_converter_finds(better):
    for name in ("first", "block0_conv3", "last_relu"):
        kernel = better.model.get_layer(name).get_weights()[0]
        codes = kernel / (np.abs(kernel).max(axis=(0, 1, 2)) / 127)
        np.testing.assert_allclose(codes, np.rint(codes), atol=1e-3)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights(network, better, evidence):
    again = rounded(observe(network, evidence), evidence)
    for a, b in zip(better.model.get_weights(), again.model.get_weights()):
        np.testing.assert_array_equal(a, b)
