import numpy as np
import pytest
import tensorflow as tf

from sr_models.ground.errors import NetworkError
from sr_models.importing.frozen_graph import Constants, freeze

SHAPE = (1, 4, 5, 3)


def test_variables_become_constants_and_the_function_stays():
    scale = tf.Variable([1.0, 2.0, 3.0])
    graph = freeze(lambda x: {"y": x * scale + 1.0}, SHAPE)
    scale.assign([0.0, 0.0, 0.0])
    x = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    np.testing.assert_allclose(graph(x), x * [1.0, 2.0, 3.0] + 1.0, atol=1e-6)


def test_constants_are_computed_through_shapes_and_arithmetic():
    def function(x):
        rows = tf.shape(x)[1] * 2
        return tf.image.resize(x, (rows, tf.shape(x)[2] * 2))

    graph = freeze(function, SHAPE)
    constants = Constants(graph)
    (resize,) = (op for op in graph.operators if op.type == "ResizeBilinear")
    assert resize.inputs[0] not in constants
    assert constants[resize.inputs[1]].tolist() == [8, 10]


def test_an_operator_that_must_run_before_counts_as_one():
    def function(x):
        with tf.control_dependencies([tf.io.write_file("never-written", "x")]):
            return tf.identity(x)

    assert "WriteFile" in {op.type for op in freeze(function, SHAPE).operators}


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda x: (x, x + 1.0), "expected one output, found 2"),
        (lambda x: tf.reshape(x, (7,)), "that can be traced"),
        (lambda x: undefined, "that can be traced"),  # noqa: F821
    ],
)
def test_what_cannot_be_traced_is_said_in_one_line(function, said):
    with pytest.raises(NetworkError, match=said) as error:
        freeze(function, SHAPE)
    assert "\n" not in str(error.value)
