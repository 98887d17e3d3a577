import numpy as np
import pytest

from sr_models.importing.operations import INPUT, Network, Operation, affine_values
from sr_models.importing.simplification import Absorption

TWICE, NOTHING = np.full(2, 2.0, np.float32), np.zeros(2, np.float32)
ONE = np.ones(2, np.float32)


def network_of(*operations):
    """Operations (name, kind, inputs, values) of two channels each, after an input of two."""
    network = Network()
    network.add(Operation(INPUT, "input", (), 2))
    for name, kind, inputs, values in operations:
        network.add(Operation(name, kind, inputs, 2, values))
    return network


def convolution(name="last", inputs=(INPUT,), **values):
    made = {"kernel": np.ones((1, 1, 2, 2), np.float32), "bias": np.float32([3, 4])}
    return name, "convolution", inputs, {**made, **values}


def test_a_convolution_takes_factor_and_shift_into_its_weights():
    network = network_of(convolution())
    made = network[Absorption(network).of("last", np.float32([2, -5]), np.float32([1, 0]))]
    np.testing.assert_array_equal(made["kernel"][0, 0], [[2, -5], [2, -5]])
    np.testing.assert_array_equal(made["bias"], [7, -20])
    assert made.inputs == (INPUT,)


@pytest.mark.parametrize("kind", ["convolution", "tanh", "input"])
def test_nothing_to_do_costs_nothing_whatever_the_operation(kind):
    network = network_of(("last", kind, (INPUT,), {}))
    assert Absorption(network).of("last", ONE, NOTHING) == "last"


@pytest.mark.parametrize("kind", ["tanh", "sigmoid", "multiply", "rounding"])
def test_what_is_no_scale_takes_none(kind):
    network = network_of(("last", kind, (INPUT,), {}))
    assert Absorption(network).of("last", TWICE, NOTHING) is None


def test_what_others_read_too_stays_as_it_is():
    network = network_of(convolution())
    absorption = Absorption(network)
    absorption.shared.add("last")
    assert absorption.of("last", TWICE, NOTHING) is None
    assert list(network.operations) == [INPUT, "last"]


def test_a_fixed_convolution_stays_as_it_is():
    network = network_of(convolution(fixed=True))
    assert Absorption(network).of("last", TWICE, NOTHING) is None


def test_an_affine_that_is_undone_vanishes_although_others_read_it():
    network = network_of(("scaled", "affine", (INPUT,), affine_values(2, 1 / 255, 1.0)))
    absorption = Absorption(network)
    absorption.shared.add("scaled")
    factor = np.full(2, 255.0, np.float32)
    assert absorption.of("scaled", factor, -factor) == INPUT
    assert absorption.of("scaled", TWICE, NOTHING) is None


def test_two_affines_are_one():
    network = network_of(("scaled", "affine", (INPUT,), affine_values(2, 3.0, 1.0)))
    made = network[Absorption(network).of("scaled", TWICE, ONE)]
    # 2 (3 x + 1) + 1
    assert made["factor"].tolist() == [6, 6] and made["shift"].tolist() == [3, 3]


def test_bounds_move_with_the_values():
    bound = ("bounded", "bound", ("last",), {"minimum": 0.0, "maximum": 6.0})
    network = network_of(convolution(), bound)
    made = network[Absorption(network).of("bounded", TWICE, -ONE)]
    assert (made["minimum"], made["maximum"]) == (-1.0, 11.0)
    assert Absorption(network).of("bounded", -TWICE, NOTHING) is None
    # Of several factors there is one pair of bounds only at a ReLU.
    assert Absorption(network).of("bounded", np.float32([1, 2]), NOTHING) is None


def test_the_shift_of_a_sum_goes_to_one_side_and_the_factor_to_both():
    total = ("total", "add", ("first", "second"), {})
    network = network_of(convolution("first"), convolution("second"), total)
    made = network[Absorption(network).of("total", TWICE, ONE)]
    sides = [network[name]["bias"] for name in made.inputs]
    np.testing.assert_array_equal(sum(sides), [13, 17])
    np.testing.assert_array_equal(min(sides, key=sum), [6, 8])
