import numpy as np

from export.quantizing.quantized_network import Evidence, clone, observe
from sr_models.quantization.ranges import PIXELS


def test_a_clone_has_weights_of_its_own(network, evidence):
    copy = clone(network)
    x = evidence.stack(1)
    np.testing.assert_array_equal(copy(x), network(x))
    before = network(x).numpy()
    copy.get_layer("first").set_weights([w * 0 for w in copy.get_layer("first").get_weights()])
    np.testing.assert_array_equal(network(x), before)


def test_pixels_are_pinned_unless_the_set_shall_decide(network, evidence):
    pure = Evidence(evidence.dataset, evidence.pictures, pinned=False)
    assert observe(network, evidence).ranges["depth_to_space"] == PIXELS
    assert observe(network, pure).ranges["depth_to_space"] != PIXELS


def test_pictures_are_stacked_as_values_in_0_to_1(evidence):
    stack = evidence.stack(3)
    assert stack.shape == (3, 32, 32, 3) and stack.dtype == np.float32
    np.testing.assert_array_equal(stack[1] * 255.0, evidence.pictures[1].astype(np.float32))
