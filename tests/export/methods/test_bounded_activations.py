import itertools

import numpy as np
import pytest
import tf_keras
from hypothesis import given
from hypothesis import strategies as st

from export.methods.groups import (
    Worth,
    affordable_tiles,
    bounded,
    find_bounded,
    group_channels,
    grouped,
    lay_out,
    saturation_costs,
    with_groups,
)
from export.quantizing.quantized_network import clone, observe
from export.running.targets import packing_targets
from sr_models.networks.graph import rebuild
from sr_models.networks.layers import DepthToSpace
from sr_models.quantization.fake_quantization import FakeQuantization
from sr_models.quantization.ranges import TensorRange
from sr_models.quantization.simulator import FIXED_GRIDS
from tests.networks import conv


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


@pytest.fixture(scope="module")
def plain(curved, evidence):
    return observe(curved, evidence)


@pytest.fixture(scope="module")
def in_groups(plain, evidence):
    return grouped(plain, evidence)


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


def test_groups_meet_on_the_grid_of_the_activation(in_groups, evidence):
    ranges = evidence.pin(in_groups.ranges, in_groups.model)
    assert ranges["one_tanh"] == FIXED_GRIDS["tanh"]


def test_each_step_lowers_the_error(curved, plain, in_groups, evidence, distance):
    narrow, both = bounded(plain, evidence), bounded(in_groups, evidence)
    errors = [distance(n, curved, evidence.pictures) for n in (plain, narrow, both)]
    assert errors[1] < 0.7 * errors[0] and errors[2] < 0.9 * errors[1]
    assert isinstance(narrow.ranges["one"], TensorRange)
    assert narrow.ranges["one"].maximum < plain.ranges["one"].maximum


@pytest.fixture(scope="module", params=["tanh", "sigmoid"])
def carrying(request):
    """44 channels before an activation, of which two carry nearly all that the output hears."""
    rng = np.random.default_rng(1)
    picture = tf_keras.Input((None, None, 3), name="input")
    y = tf_keras.layers.Activation(request.param, name="bent")(conv(44, "one")(picture))
    model = tf_keras.Model(picture, conv(3, "last")(y))
    kernel = 0.2 * rng.normal(size=(3, 3, 3, 44))
    heard = 0.02 * rng.normal(size=(3, 3, 44, 3))
    heard[1, 1, [5, 9], [0, 1]] = 1.0
    model.get_layer("one").set_weights([kernel, np.zeros(44)])
    model.get_layer("last").set_weights([heard, np.zeros(3)])
    return model


def test_the_costliest_channels_stand_in_their_groups_twice(carrying, evidence):
    layout = lay_out(carrying, find_bounded(carrying)[0], evidence.stack(8), width=16)
    held = np.concatenate(layout.groups)
    channels, counts = np.unique(held, return_counts=True)
    assert channels.tolist() == list(range(44)) and counts.sum() == 46
    assert counts[[5, 9]].tolist() == [2, 2]
    np.testing.assert_allclose(layout.shares, 1.0 / counts[held])
    # The output of the second copy has moved by half a step of the activation's grid.
    step = FIXED_GRIDS[carrying.get_layer("bent").activation.__name__].scale
    for c in (5, 9):
        np.testing.assert_allclose(layout.moves[held == c], [0.0, step / 2.0], atol=0.05 * step)


def test_copies_change_the_function_by_a_part_of_a_step(carrying, evidence):
    x = evidence.stack(2)
    step = FIXED_GRIDS[carrying.get_layer("bent").activation.__name__].scale
    change = (with_groups(carrying, evidence.stack(8), width=16)(x) - carrying(x)).numpy()[
        :, 1:-1, 1:-1
    ]
    assert 0.0 < np.abs(change).max() < 0.25 * step and np.abs(change.mean()) < 0.01 * step


def test_copies_halve_the_steps_of_what_matters(carrying, evidence):
    """A mean of two roundings, half a step apart, has a quarter of the error."""
    x, errors = evidence.stack(8), []
    name = carrying.get_layer("bent").activation.__name__
    copied = with_groups(carrying, evidence.stack(8), tiles={"bent": 2})
    for model in (carrying, copied):
        grid = FIXED_GRIDS[name]
        quantize = FakeQuantization(grid.minimum, grid.maximum, grid.narrow)
        stored = rebuild(model, lambda n, t, q=quantize: q(t) if n == "bent" else t)
        errors.append(np.square(stored(x) - model(x))[:, 1:-1, 1:-1, :2].mean())
    # The others are left as they were.
    assert errors[1] < 0.5 * errors[0]


@pytest.mark.parametrize(
    ("width", "sizes"), [(1, None), (8, {8, 16, 24, 32}), (16, {16, 32}), (64, {16, 32})]
)
def test_groups_fill_the_kernels_that_compute_them(width, sizes, evidence):
    """Of 32 channels; where kernels are wider than half of them, the next smaller tile counts."""
    rng = np.random.default_rng(2)
    picture = tf_keras.Input((None, None, 3), name="input")
    y = tf_keras.layers.Activation("tanh", name="bent")(conv(32, "one")(picture))
    model = tf_keras.Model(picture, conv(3, "last")(y))
    spread = np.geomspace(0.05, 3.0, 32)
    model.get_layer("one").set_weights([spread * rng.normal(size=(3, 3, 3, 32)), np.zeros(32)])
    layout = lay_out(model, find_bounded(model)[0], evidence.stack(2), width=width)
    found = {len(group) for group in layout.groups}
    assert len(layout.groups) > 1 and sum(map(len, layout.groups)) == 32
    assert sizes is None or found <= sizes


def test_a_reader_without_a_bias_gets_no_copies(evidence):
    picture = tf_keras.Input((None, None, 3), name="input")
    y = tf_keras.layers.Activation("tanh", name="bent")(conv(44, "one")(picture))
    model = tf_keras.Model(picture, conv(3, "last", use_bias=False)(y))
    layout = lay_out(model, find_bounded(model)[0], evidence.stack(2), width=16)
    assert (layout.shares == 1.0).all()


def test_a_network_without_them_is_left_as_it_is(network, evidence):
    plain = observe(network, evidence)
    assert grouped(plain, evidence) is plain
    assert bounded(plain, evidence).ranges == plain.ranges


def test_a_tanh_of_nothing_is_harmless(curved, evidence):
    silent = clone(curved)
    silent.get_layer("two").set_weights([np.zeros((3, 3, 8, 6)), np.zeros(6)])
    found = bounded(grouped(observe(silent, evidence), evidence), evidence)
    assert found.ranges["two"].maximum > 0.0


def test_a_tile_of_copies_is_taken_where_the_clip_pays_for_it():
    """Reading 5x5 taps of three colours as rows of neighbours leaves room for 16 channels more."""
    picture = tf_keras.Input((None, None, 3), name="input")
    wide = tf_keras.layers.Conv2D(64, 5, padding="same", name="first")
    y = tf_keras.layers.Activation("tanh", name="first_tanh")(wide(picture))
    y = tf_keras.layers.Activation("tanh", name="second_tanh")(conv(32, "second")(y))
    model = tf_keras.Model(picture, DepthToSpace(3)(conv(27, "last")(y)))
    for best, other in (("second_tanh", "first_tanh"), ("first_tanh", "second_tanh")):
        worth = {best: Worth(2.0, 1.1), other: Worth(1.0, 1.1)}
        found = affordable_tiles(model, packing_targets("every"), width=16, worth=worth)
        assert found == {best: 1}
    y = tf_keras.layers.Activation("tanh", name="tanh")(conv(32, "one")(conv(32, "any")(picture)))
    plain = tf_keras.Model(picture, conv(3, "end")(y))
    neon = packing_targets("arm64-neon")
    assert affordable_tiles(plain, neon, width=16, worth={"tanh": Worth(1.0, 1.1)}) == {}
    # What int8 loses comes before what it saves.
    assert affordable_tiles(plain, neon, width=16, worth={"tanh": Worth(1.0, 1.6)}) == {"tanh": 1}
