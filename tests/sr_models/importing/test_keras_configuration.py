import json

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from sr_models.ground.errors import LayerError, NetworkError
from sr_models.importing.keras_configuration import build_model
from tests.strangers import layers

PICTURE = np.random.default_rng(0).random((1, 6, 7, 3)).astype(np.float32)


def configuration(model):
    return json.loads(model.to_json())


def built(model, **changes):
    entry = configuration(model)
    entry["config"].update(changes)
    return build_model(entry, version=2, trust=False)


def test_operators_written_in_python_are_called_as_they_were():
    """No weights: the function is in the configuration alone."""
    x = tf_keras.Input((None, None, 3))
    y = 1.0 - (2.0 * x - x[..., ::1] / 4.0)
    y = tf.concat([tf.nn.relu(y), -y], -1)[..., 1:]
    y = tf.add(y, y) - tf.clip_by_value(y, 0.25, 0.5) * tf.maximum(y, 0.1)
    model = tf_keras.Model(x, tf.tile(tf.nn.leaky_relu(y, 0.3), (1, 1, 1, 2)))
    found = built(model)
    assert found.input_shape == (None, None, None, 3)
    np.testing.assert_allclose(found.call(PICTURE), model(PICTURE), atol=1e-6)


def test_layers_that_are_called_several_times_and_models_in_models():
    twice = layers.Rescaling(2.0, 1.0)
    inner = tf_keras.Sequential([layers.Rescaling(0.5), layers.ReLU()], name="inner")
    x = tf_keras.Input((None, None, 3))
    nested_input = tf_keras.Input((None, None, 3))
    nested = tf_keras.Model(nested_input, inner(twice(nested_input)), name="nested")
    model = tf_keras.Model(x, layers.Add()([nested(nested(x)), inner(x), twice(twice(x))]))
    np.testing.assert_allclose(built(model).call(PICTURE), model(PICTURE), atol=1e-6)


def test_a_sequential_model_without_an_input_layer_is_called_once_before():
    model = tf_keras.Sequential([layers.UpSampling2D(2)])
    with pytest.raises(NetworkError, match="call the model once"):
        build_model(configuration(model), version=2, trust=False)
    model.build((None, 6, 7, 3))
    assert build_model(configuration(model), version=2, trust=False).input_shape == (None, 6, 7, 3)


def two_inputs():
    ends = [tf_keras.Input((4, 4, 3)), tf_keras.Input((4, 4, 3))]
    return configuration(tf_keras.Model(ends, layers.Add()(ends)))


def foreign():
    x = tf_keras.Input((4, 4, 3))
    entry = configuration(tf_keras.Model(x, layers.ReLU()(layers.ReLU()(x))))
    for place, name in ((1, "GroupNormalization"), (2, "Mine")):
        entry["config"]["layers"][place]["class_name"] = name
    return entry


def circle():
    x = tf_keras.Input((4, 4, 3))
    entry = configuration(
        tf_keras.Model(x, layers.ReLU(name="second")(layers.ReLU(name="first")(x)))
    )
    entry["config"]["layers"][1]["inbound_nodes"] = [[["second", 0, 0, {}]]]
    return entry


def deep():
    entry = {"class_name": "Sequential", "config": {"layers": []}}
    for _ in range(20):
        entry = {"class_name": "Sequential", "config": {"layers": [entry]}}
    return entry


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (two_inputs(), "expected one input, found 2"),
        (foreign(), "found GroupNormalization .* take BatchNormalization"),
        (circle(), "gaps or circles"),
        (deep(), "8 models deep"),
        ({"class_name": "MyModel", "config": {}}, "found MyModel; save it as a SavedModel"),
        ({"class_name": "Functional", "config": {}}, "a list of layers"),
        ({"class_name": "Functional", "config": {"layers": []}}, "one input, found 0"),
        ({}, "found None"),
    ],
)
def test_what_cannot_be_built_is_said_in_one_line(entry, said):
    with pytest.raises(NetworkError, match=said):
        build_model(entry, version=2, trust=False).call(np.zeros((1, 4, 4, 3), np.float32))


def test_all_layers_that_cannot_be_are_told_at_once():
    with pytest.raises(LayerError) as error:
        build_model(foreign(), version=2, trust=False)
    assert error.value.operators == ("GroupNormalization", "Mine")


def test_several_outputs_come_in_their_order_under_their_names():
    x = tf_keras.Input((4, 4, 3))
    inner = tf_keras.Model(x, [layers.ReLU()(x), layers.ReLU(2.0)(x)], name="inner")
    low, high = inner(x)
    built = build_model(configuration(tf_keras.Model(x, [high, x, low])), version=2, trust=False)
    batch = np.full((1, 4, 4, 3), 3.0, np.float32)
    assert [float(np.max(t)) for t in built.call(batch)] == [2.0, 3.0, 3.0]
    assert built.outputs == ("inner", x.name, "inner_1")
