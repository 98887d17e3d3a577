import numpy as np
import tensorflow as tf

from sr_models.importing.foreign_graph import ForeignGraph
from sr_models.importing.operations import INPUT, Network, Operation, affine_values


def test_a_foreign_graph_computes_what_was_read_and_does_not_round():
    network = Network()
    network.add(Operation(INPUT, "input", (), 3))
    scaled = network.add(Operation("scaled", "affine", (INPUT,), 3, affine_values(3, 2.0, 0.25)))
    rounded = network.add(Operation("rounded", "rounding", (scaled,), 3))
    bound = {"minimum": 0.0, "maximum": 1.5}
    network.output = network.add(Operation("bound", "bound", (rounded,), 3, bound))
    spec = tf.TensorSpec((1, 4, 5, 3))
    picture = np.random.default_rng(0).random((1, 4, 5, 3))
    found = ForeignGraph(network, spec, spec)(picture)
    assert np.allclose(found, np.clip(2.0 * picture + 0.25, 0.0, 1.5), atol=1e-6)
