"""Each architecture of the corpus, written in the formats of its users and read from each."""

import numpy as np
import pytest

from runtime_bench.evidence.keras_pen import keras_model
from runtime_bench.evidence.source_formats import FORMATS
from runtime_bench.evidence.source_networks import SOURCE_NETWORKS
from sr_models.importing.foreign_graph import ForeignNetwork
from sr_models.importing.found_sources import found_source
from sr_models.importing.frozen_graph import freeze
from sr_models.importing.keras_network import to_keras
from sr_models.importing.reading import read_network
from sr_models.importing.simplification import simplified

pytestmark = pytest.mark.slow

WIDTH = 8
EXACT = 1e-4  # of 0..1: less than a tenth of a code
PICTURE = np.random.default_rng(5).random((1, 36, 32, 3)).astype(np.float32)
EXPENSIVE = ("saved-model", "tflite")
"""Written by TensorFlow in a second or more: of these each architecture has one."""


def drawn(network):
    """Its Keras model with drawn weights, of which each layer keeps the size of what it reads."""
    rng = np.random.default_rng(1)
    model = keras_model(network, width=WIDTH)
    for layer in model.layers:
        given = layer.get_weights()
        if "normalization" in type(layer).__name__.lower():
            layer.set_weights([rng.uniform(0.5, 1.5, w.shape) for w in given])
        else:
            spreads = [np.prod(w.shape[:3]) ** -0.5 if w.ndim == 4 else 0.1 for w in given]
            layer.set_weights([rng.normal(0.0, s, w.shape) for s, w in zip(spreads, given)])
    return model


def read(found, shape):
    """What was read of a source for pictures of one shape."""
    if isinstance(found.function, ForeignNetwork):
        return found.function.at(shape).network
    return read_network(freeze(found.function, shape))


def in_all_formats(network):
    """The formats that a network is written in here."""
    one = EXPENSIVE[list(SOURCE_NETWORKS.values()).index(network) % 2]
    return [kind for kind in FORMATS if kind not in {*EXPENSIVE, "tflite-float16"} - {one}]


@pytest.mark.parametrize("name", SOURCE_NETWORKS)
def test_a_network_is_the_same_from_every_format(name, tmp_path):
    network = SOURCE_NETWORKS[name]
    model = drawn(network)
    expected = np.asarray(model(PICTURE, training=False))
    for kind in in_all_formats(network):
        path = FORMATS[kind](network, model, tmp_path)
        found = found_source(str(path))
        # A file that holds the size it was written for is read at that one.
        shape = PICTURE.shape if None in found.input_shape else found.input_shape
        made = to_keras(simplified(simplified(read(found, shape)), final=True), name="read")
        np.testing.assert_allclose(made(PICTURE), expected, atol=EXACT, rtol=EXACT, err_msg=kind)
        if kind.startswith("onnx"):
            np.testing.assert_allclose(found.run(PICTURE), expected, atol=EXACT, rtol=EXACT)
