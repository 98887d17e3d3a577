import numpy as np
import pytest
import tf_keras

from export.methods.split import allot_copies, split, split_channels, splittable
from export.quantizing.quantized_network import clone, observe
from sr_models.networks.graph import rebuild
from sr_models.quantization.fake_quantization import FakeQuantization
from tests.networks import conv


@pytest.fixture(scope="module")
def carrying():
    """A network that carries the picture through a layer in which two channels never open."""
    picture = tf_keras.Input((None, None, 3), name="input")
    body = conv(8, "body", activation="relu")(picture)
    model = tf_keras.Model(picture, conv(3, "last")(body))
    rng = np.random.default_rng(0)
    kernel = 0.02 * rng.normal(size=(3, 3, 3, 8))
    bias = 0.01 * rng.normal(size=8)
    kernel[1, 1, :, :3] += np.eye(3)
    bias[[4, 6]] = -5.0
    model.get_layer("body").set_weights([kernel, bias])
    kernel = 0.05 * rng.normal(size=(3, 3, 8, 3))
    kernel[1, 1, :3] += np.diag([1.0, 0.7, 0.3])
    kernel[:, :, [4, 6]] = 0.5
    model.get_layer("last").set_weights([kernel, np.zeros(3)])
    return model


def test_unused_channels_go_to_those_that_cost_most(carrying, evidence):
    network = observe(carrying, evidence)
    found = split(network.model, network.ranges, evidence.stack(8))
    kernel, bias = found.get_layer("body").get_weights()
    # Red costs most, by far: 1, 0.49 and 0.09 of what the output sees.
    step = network.ranges["body"].scale
    copies = {
        c: [d for d in (4, 6) if np.array_equal(kernel[..., d], kernel[..., c])] for c in range(3)
    }
    assert len(copies[0]) + len(copies[1]) == 2 and not copies[2]
    for c, places in copies.items():
        shifts = sorted((bias[d] - bias[c]) / step for d in places)
        count = len(places) + 1
        np.testing.assert_allclose(shifts, np.arange(1, count) / count, atol=1e-3)


def test_inside_of_the_picture_the_function_stays_the_same(carrying, evidence):
    network = observe(carrying, evidence)
    x = 0.1 + 0.8 * evidence.stack(2)
    found = split(network.model, network.ranges, evidence.stack(8))
    before, after = (np.asarray(m(x)) for m in (carrying, found))
    assert not np.array_equal(found.get_weights()[0], carrying.get_weights()[0])
    inside = np.s_[:, 1:-1, 1:-1]
    np.testing.assert_allclose(after[inside], before[inside], atol=1e-6)
    border = np.abs(after - before).max()
    assert 0.0 < border < network.ranges["body"].scale, "zero padding knows of no shift"


def _only_body(quantize):
    return lambda name, tensor: quantize(tensor) if name == "body" else tensor


def test_rounding_hurts_less(carrying, evidence):
    x = evidence.stack(8)
    plain = observe(carrying, evidence)
    better = split_channels(plain, evidence)
    expected = carrying(x).numpy()
    errors = []
    for network in (plain, better):
        found = network.ranges["body"]
        body_grid = FakeQuantization(found.minimum, found.maximum, found.narrow)
        stored = rebuild(network.model, _only_body(body_grid))(x)
        errors.append(np.square(stored - expected)[:, 1:-1, 1:-1, :2].mean(axis=(0, 1, 2)))
    # Two of three channels have steps of half the size, or one of a third: a quarter, a ninth.
    assert (errors[1] / errors[0]).min() < 0.4


def test_a_channel_that_opens_in_other_colours_is_not_unused(carrying, evidence):
    """Grey pictures alone would not show what red ones need."""
    model = clone(carrying)
    kernel, bias = model.get_layer("body").get_weights()
    kernel[..., [4, 6]] = 0.0
    kernel[1, 1, 0, [4, 6]], kernel[1, 1, 1, [4, 6]], bias[[4, 6]] = 1.0, -1.0, -0.01
    model.get_layer("body").set_weights([kernel, bias])
    network = observe(model, evidence)
    grey = np.repeat(evidence.stack(8).mean(axis=3, keepdims=True), 3, axis=3)
    assert split(network.model, network.ranges, grey) is network.model


def test_what_is_added_or_linear_is_not_split(residual):
    assert set(splittable(residual)) == {"inner0", "inner1"}


@pytest.mark.parametrize(
    ("costs", "spare", "expected"),
    [
        ([4.0, 4.0, 4.0, 0.01], 3, [2, 2, 2, 1]),
        ([4.0, 4.0, 4.0, 0.01], 2, [2, 2, 1, 1]),
        # 3 (1 - 1/4), then 36 (1/9 - 1/16) = 1.75 before 2 (1 - 1/4) = 1.5
        ([36.0, 2.0], 3, [4, 1]),
        ([36.0, 2.0], 4, [4, 2]),
        ([1.0], 0, [1]),
        ([0.0, 0.0], 2, [1, 1]),
    ],
)
def test_copies_go_where_they_help_most(costs, spare, expected):
    assert allot_copies(np.array(costs), spare).tolist() == expected
