import numpy as np
import pytest
import tensorflow as tf

from export.methods.bias import corrected, mean_products
from export.quantizing.quantized_network import clone, observe
from sr_models.quantization.simulator import simulate


def test_means_of_products_are_those_of_the_convolution():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(50, 9, 8))
    for groups in (1, 4):
        kernel = rng.normal(size=(3, 3, 8 // groups, 12))
        parts = [
            np.einsum("nki,kic->nc", r, k.reshape(9, 8 // groups, -1))
            for r, k in zip(np.split(rows, groups, axis=2), np.split(kernel, groups, axis=3))
        ]
        expected = np.concatenate(parts, axis=1).mean(axis=0)
        np.testing.assert_allclose(mean_products(rows, kernel, groups=groups), expected)


@pytest.fixture(scope="module")
def before_and_after(network, evidence):
    plain = observe(network, evidence)
    return plain, corrected(plain, evidence)


def test_a_planted_shift_is_taken_back(network, evidence, before_and_after):
    """Biases moved as a bad rounding would move them; the float network is the target."""
    x = evidence.stack(8)
    expected = np.clip(network(x).numpy(), 0.0, 1.0).mean(axis=(0, 1, 2))
    means = [
        np.abs(simulate(n.model, n.ranges)(x).numpy().mean(axis=(0, 1, 2)) - expected).max()
        for n in before_and_after
    ]
    assert means[1] < 0.5 * means[0]


def test_kernels_are_left_alone(network, evidence, before_and_after):
    plain, found = before_and_after
    for name in ("first", "merge"):
        before, after = (n.model.get_layer(name).get_weights()[0] for n in (plain, found))
        np.testing.assert_array_equal(before, after)
    np.testing.assert_array_equal(
        clone(network).get_layer("first").get_weights()[1],
        plain.model.get_layer("first").get_weights()[1],
    )
    assert tf.is_tensor(network(evidence.stack(1)))
