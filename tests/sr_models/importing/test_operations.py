import numpy as np
import pytest

from sr_models.importing.operations import (
    INPUT,
    Network,
    Operation,
    affine_values,
    is_relu,
    is_shifted,
)


def chain():
    network = Network()
    network.add(Operation(INPUT, "input", (), 3))
    first = network.add(Operation("a", "tanh", (INPUT,), 3))
    network.add(Operation("unused", "tanh", (first,), 3))
    network.output = network.add(Operation("a", "add", (first, first), 3))
    return network


def test_names_are_kept_apart_and_uses_counted():
    network = chain()
    assert list(network.operations) == ["input", "a", "unused", "a_2"]
    assert network["a_2"].layer == "a"
    assert network.uses() == {"input": 1, "a": 3, "unused": 0, "a_2": 1}


def test_pruning_drops_what_nothing_needs_and_names_anew():
    network = chain()
    pruned = network.pruned()
    assert list(pruned.operations) == ["input", "a", "a_2"] and pruned.output == "a_2"
    assert pruned.needed("a") == {"input", "a"}


def test_affine_values_are_given_for_all_channels_or_each():
    values = affine_values(3, 2.0, [1.0, 2.0, 3.0])
    np.testing.assert_array_equal(values["factor"], [2.0, 2.0, 2.0])
    np.testing.assert_array_equal(values["shift"], [1.0, 2.0, 3.0])
    assert values["shift"].dtype == np.float32


@pytest.mark.parametrize(
    ("kind", "minimum", "maximum", "expected"),
    [
        ("bound", 0.0, np.inf, True),
        ("bound", 0.0, 6.0, False),
        ("bound", -1.0, np.inf, False),
        ("prelu", 0.0, np.inf, False),
    ],
)
def test_a_bound_from_0_to_infinity_is_a_relu(kind, minimum, maximum, expected):
    operation = Operation("y", kind, (INPUT,), 2, {"minimum": minimum, "maximum": maximum})
    assert is_relu(operation) == expected


def test_one_channel_that_is_shifted_is_enough():
    for shift, expected in (((0.0, 0.0), False), ((0.0, -0.5), True)):
        operation = Operation("y", "affine", (INPUT,), 2, affine_values(2, 3.0, shift))
        assert is_shifted(operation) == expected
