import itertools

import numpy as np
import pytest
import tf_keras
from hypothesis import given
from hypothesis import strategies as st

from export.methods.bounded_activations import (
    bounded,
    find_bounded,
    group_channels,
    grouped,
    saturation_costs,
    with_groups,
)
from export.methods.quantized_network import clone, observe
from sr_models.int8.ranges import TensorRange
from sr_models.int8.simulator import FIXED_GRIDS


def conv(filters, name, **keywords):
    return tf_keras.layers.Conv2D(filters, 3, padding="same", name=name, **keywords)


@pytest.fixture(scope="module")
def curved():
    """Two tanh, before which channels differ in width by a factor of ten."""
    rng = np.random.default_rng(0)
    picture = tf_keras.Input((None, None, 3), name="input")
    y = tf_keras.layers.Activation("tanh", name="one_tanh")(conv(8, "one")(picture))
    y = tf_keras.layers.Activation("tanh", name="two_tanh")(conv(6, "two")(y))
    model = tf_keras.Model(picture, conv(3, "last")(y))
    for layer in model.layers:
        if layer.weights:
            kernel, bias = layer.get_weights()
            spread = 1.0 if layer.name == "last" else np.geomspace(0.1, 2.0, kernel.shape[3])
            layer.set_weights([0.5 * spread * rng.normal(size=kernel.shape), bias])
    return model


def test_what_each_reads_and_who_reads_it(curved):
    first, second = find_bounded(curved)
    assert (first.name, first.source, first.readers) == ("one_tanh", "one", ("two",))
    assert (second.name, second.source, second.readers) == ("two_tanh", "two", ("last",))


def test_narrow_ranges_saturate_and_wide_ones_have_coarse_steps(curved, evidence):
    ends, costs = saturation_costs(curved, find_bounded(curved)[0], evidence.stack(4))
    best = costs.argmin(axis=1)
    assert (np.diff(ends) > 0.0).all() and costs.shape == (8, len(ends))
    assert (np.diff(ends[best]) >= -1e-9).mean() > 0.7, "wider channels want wider ranges"
    wide = costs[2:]
    assert (wide[:, 0] > wide.min(axis=1)).all() and (wide[:, -1] > wide.min(axis=1)).all()


@given(seed=st.integers(0, 200))
def test_groups_are_the_best_cut_of_the_sorted_channels(seed):
    rng = np.random.default_rng(seed)
    costs = rng.random((6, 5)) * rng.geometric(0.3, (6, 5))
    parts = group_channels(costs, most=3)
    assert sorted(np.concatenate(parts)) == list(range(6))
    found = sum(costs[part].sum(axis=0).min() for part in parts)
    order = np.argsort(costs.argmin(axis=1), kind="stable")
    every = [
        sum(costs[part].sum(axis=0).min() for part in np.split(order, cuts) if len(part))
        for cuts in itertools.combinations_with_replacement(range(7), 2)
    ]
    one = costs.sum(axis=0).min()
    assert found == pytest.approx(one if min(every) * 1.2 > one else min(every))


def test_the_function_stays_the_same(curved, evidence):
    x = evidence.stack(2)
    split = with_groups(curved, evidence.stack(4))
    np.testing.assert_allclose(split(x), curved(x), atol=1e-5)
    assert split.get_layer("one_group0").filters < 8


def test_groups_meet_on_the_grid_of_the_activation(curved, evidence):
    found = grouped(observe(curved, evidence), evidence)
    assert evidence.pin(found.ranges, found.model)["one_tanh"] == FIXED_GRIDS["tanh"]


def test_each_step_lowers_the_error(curved, evidence, distance):
    plain = observe(curved, evidence)
    narrow = bounded(plain, evidence)
    both = bounded(grouped(plain, evidence), evidence)
    errors = [distance(n, curved, evidence.pictures) for n in (plain, narrow, both)]
    assert errors[1] < 0.7 * errors[0] and errors[2] < 0.9 * errors[1]
    assert isinstance(narrow.ranges["one"], TensorRange)
    assert narrow.ranges["one"].maximum < plain.ranges["one"].maximum


def test_a_network_without_them_is_left_as_it_is(network, evidence):
    plain = observe(network, evidence)
    assert grouped(plain, evidence) is plain
    assert bounded(plain, evidence).ranges == plain.ranges


def test_a_tanh_of_nothing_is_harmless(curved, evidence):
    silent = clone(curved)
    silent.get_layer("two").set_weights([np.zeros((3, 3, 8, 6)), np.zeros(6)])
    found = bounded(grouped(observe(silent, evidence), evidence), evidence)
    assert found.ranges["two"].maximum > 0.0
