import base64
import marshal
import sys

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from sr_models.ground.errors import NetworkError
from sr_models.importing.lambdas import known_function, read_lambda
from tests.sr_models.importing.lambdas_of_other_pythons import CODES

K = tf_keras.backend
X = np.random.default_rng(0).uniform(-2.0, 2.0, (1, 2, 2, 8)).astype(np.float32)


def saved(function, **more):
    """A Lambda's configuration as tf-keras writes it."""
    layer = tf_keras.layers.Lambda(function, name="mine")
    return {**layer.get_config(), **more}


def around(scale):
    return lambda t: tf.nn.depth_to_space(t, scale)


KNOWN = [
    lambda x: tf.clip_by_value(x, 0.0, 1.0),
    lambda y: K.clip(y, 0, 1),
    lambda x: tf_keras.backend.clip(x, -1, 1),
    lambda x: tf.minimum(tf.maximum(x, 0.0), 255.0),
    lambda x: tf.clip_by_value(x, clip_value_min=0, clip_value_max=1),
    lambda x: tf.nn.depth_to_space(x, 2),
    lambda image: tf.nn.depth_to_space(image, block_size=2),
    lambda x: x / 255.0,
    lambda x: x * 0.1,
    lambda x: x / 127.5 - 1.0,
    lambda x: (x + 1) * 1,
    lambda x: tf.nn.leaky_relu(x, alpha=0.2),
    around(2),
]


@pytest.mark.parametrize("function", KNOWN)
def test_a_usual_lambda_is_known_by_its_code(function):
    ours = read_lambda(saved(function), trust=False)
    assert ours is not function
    np.testing.assert_array_equal(ours(X), function(X))


UNKNOWN = [
    lambda x: tf.clip_by_value(x, 0.0, 1.0) * 2.0,
    lambda x: __import__("os").system("true"),
    lambda x: tf.nn.depth_to_space(x, 2, data_format="NHWC"),
    lambda x: K.clip(x, 0, 1) or x,
    lambda x, low=0.0: tf.maximum(x, low),
    lambda x: tf.math.erf(x),
]


@pytest.mark.parametrize("function", UNKNOWN)
def test_any_other_is_not_and_needs_trust(function):
    with pytest.raises(NetworkError, match=r"found a Lambda that we do not know \(mine\).*--trust"):
        read_lambda(saved(function), trust=False)
    assert callable(read_lambda(saved(function), trust=True))


def test_code_that_says_something_else_under_the_same_names_is_not_known():
    """Names and numbers of a clip, but another order of them."""
    honest = lambda x: tf.clip_by_value(x, 0.0, 1.0)  # noqa: E731
    other = lambda x: tf.clip_by_value(x, 1.0, 0.0)  # noqa: E731
    made = honest.__code__.replace(co_names=("tf", "io"))
    assert known_function(marshal.dumps(made)) is None
    assert known_function(marshal.dumps(other.__code__))(X) is not None
    swapped = honest.__code__.replace(co_consts=(None, True, 1.0))
    assert known_function(marshal.dumps(swapped)) is None


def test_trusted_code_runs_with_the_names_it_usually_finds():
    made = read_lambda(saved(lambda x, low=0.5: tf.maximum(x, low)), trust=True)
    assert made(X).numpy().min() == 0.5
    made = read_lambda(saved(around(2)), trust=True)
    assert made(X).shape == (1, 4, 4, 2)


def test_functions_of_tensorflow_are_known_by_name_but_not_those_of_others():
    config = {
        "function": "depth_to_space_v2",
        "function_type": "function",
        "module": "tensorflow.python.ops.array_ops",
        "arguments": {"block_size": 2},
        "name": "mine",
    }
    assert read_lambda(config, trust=False)(X).shape == (1, 4, 4, 2)
    with pytest.raises(NetworkError, match="module:function"):
        read_lambda({**config, "module": "my_package.layers"}, trust=True)


def test_keras_3_writes_the_same_code_in_another_place():
    code = base64.encodebytes(marshal.dumps(KNOWN[5].__code__)).decode()
    config = {
        "function": {
            "class_name": "__lambda__",
            "config": {"code": code, "defaults": None, "closure": None},
        },
        "name": "mine",
    }
    assert read_lambda(config, trust=False)(X).shape == (1, 4, 4, 2)


@pytest.mark.parametrize("code", ["", "!", base64.b64encode(b"no code").decode()])
def test_damaged_code_is_one_line_even_with_trust(code):
    config = {"function": [code, None, None], "name": "mine"}
    with pytest.raises(NetworkError):
        read_lambda(config, trust=True)


VERSION = "{}.{}".format(*sys.version_info)


def runs_here(version):
    """Python 3.10 marshals and runs these two as 3.8 did."""
    return version == VERSION or (version == "3.8" and VERSION == "3.10")


@pytest.mark.parametrize("trust", [False, True])
@pytest.mark.parametrize(("version", "name"), [place for place in CODES if not runs_here(place[0])])
def test_code_of_another_python_is_sent_to_the_network_s_own_at_once(version, name, trust):
    config = {"function": [CODES[version, name], None, None], "name": "mine"}
    with pytest.raises(NetworkError, match=r"another version's .* mine.*module:function") as e:
        read_lambda(config, trust=trust)
    assert "--trust" not in str(e.value)


@pytest.mark.parametrize(
    ("function", "arguments"),
    [("depth_to_space", {}), ("depth_to_space_v2", {}), ("clip_by_value", {}), ("relu", {})],
)
def test_a_function_of_the_users_own_is_not_known_by_its_name(function, arguments):
    """Keras 3 writes "builtins" for the module of every function."""
    named = {"class_name": "function", "module": "builtins", "config": function}
    config = {"function": named, "arguments": arguments, "name": "mine"}
    with pytest.raises(NetworkError, match=r"a name in mine.*module:function"):
        read_lambda(config, trust=False)


def test_what_only_a_function_of_tensorflow_is_called_with_tells_it():
    named = {"class_name": "function", "module": "builtins", "config": "depth_to_space_v2"}
    config = {"function": named, "arguments": {"block_size": 2}, "name": "mine"}
    np.testing.assert_array_equal(read_lambda(config, trust=False)(X), tf.nn.depth_to_space(X, 2))
