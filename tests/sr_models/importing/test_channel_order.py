import numpy as np

from sr_models.importing.channel_order import Reordering, chosen_channels, selection
from sr_models.importing.operations import Network, Operation

ORDER = np.array([2, 0, 1])


def convolution(channels=3, groups=1):
    kernel = np.arange(9.0 * channels, dtype=np.float32).reshape(3, 3, 1, channels)
    values = {"kernel": kernel, "bias": np.arange(channels, dtype=np.float32), "groups": groups}
    return Operation("made", "convolution", ("input",), channels, values)


def started(*operations):
    network = Network()
    network.add(Operation("input", "input", (), 1))
    for operation in operations:
        network.output = network.add(operation)
    return network


def test_the_plainest_operation_is_chosen():
    def kind(order, channels=4):
        made = selection("x", np.array(order), channels=channels, layer="mine")
        return None if made is None else made.kind

    assert kind([0, 1, 2, 3]) is None and kind([1, 2]) == "slice"
    assert kind([0, 1, 0, 1], channels=2) == "repeat" and kind([3, 2, 1, 0]) == "select"


def test_a_convolution_makes_its_channels_in_another_order():
    network = started(convolution(), Operation("bent", "tanh", ("made",), 3))
    made = network[Reordering(network, set()).of("bent", ORDER)]
    first = network[made.inputs[0]]
    np.testing.assert_array_equal(first["bias"], ORDER)
    np.testing.assert_array_equal(first["kernel"][0, 0, 0], ORDER)


def test_what_is_shared_or_grouped_stays_as_it_is():
    network = started(convolution())
    assert Reordering(network, {"made"}).of("made", ORDER) is None
    assert Reordering(started(convolution(groups=3)), set()).of("made", ORDER) is None
    assert Reordering(network, {"made"}).of("made", np.arange(3)) == "made"


def test_an_order_goes_through_pixels_and_ends_another_order():
    wide = convolution(12)
    block = Operation("large", "depth_to_space", ("made",), 3, {"block": 2})
    network = started(wide, block)
    made = network[Reordering(network, set()).of("large", ORDER)]
    bias = network[made.inputs[0]]["bias"]
    np.testing.assert_array_equal(bias.reshape(4, 3), np.arange(12).reshape(4, 3)[:, ORDER])
    turned = Operation("turned", "select", ("made",), 3, {"order": np.argsort(ORDER)})
    network = started(convolution(), turned)
    assert Reordering(network, {"made", "turned"}).of("turned", ORDER) == "made"


def test_channels_of_channels_are_known():
    cut = Operation("cut", "slice", ("made",), 3, {"start": 2, "stop": 5})
    turned = Operation("turned", "select", ("cut",), 3, {"order": ORDER})
    source, places = chosen_channels(started(convolution(6), cut, turned), "turned")
    assert source == "made" and places.tolist() == [4, 2, 3]
