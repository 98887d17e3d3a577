import pytest
import tensorflow as tf

from sr_models.ground.errors import NetworkError
from sr_models.importing.keras_layers import make_keras3_operation, make_layer, make_tf_operation
from sr_models.networks.layers import DepthToSpace


def made(class_name, config=None, *, version=2, **entry):
    entry = {"config": {"name": "mine", **(config or {})}, **entry}
    return make_layer(class_name, entry, version=version, trust=False)


def test_of_a_layer_only_what_computes_is_taken_over():
    harmful = {"class_name": "Evil", "module": "os", "config": {}}
    layer = made(
        "Conv2D",
        {
            "filters": 4,
            "kernel_size": [3, 3],
            "padding": "same",
            "activation": "relu",
            "kernel_initializer": harmful,
            "kernel_regularizer": harmful,
            "dtype": harmful,
        },
    )
    assert (layer.filters, layer.padding, layer.name) == (4, "same", "mine")
    assert layer.kernel_regularizer is None


@pytest.mark.parametrize(
    ("class_name", "entry"),
    [
        ("PixelShuffle", {}),
        ("Conv2D", {"module": "my_package.layers"}),
        ("Conv2D", {"registered_name": "mine>Conv2D"}),
        ("mine>DepthToSpace", {}),
        ("LSTM", {}),
    ],
)
def test_a_class_of_the_users_own_is_not_looked_up(class_name, entry):
    with pytest.raises(NetworkError, match=r"found .*\(mine\).*module:function"):
        made(class_name, **entry)


@pytest.mark.parametrize(
    "entry",
    [
        {"class_name": "sr_models>DepthToSpace"},
        {
            "class_name": "DepthToSpace",
            "module": "sr_models.networks.layers",
            "registered_name": "sr_models>DepthToSpace",
        },
    ],
)
def test_our_own_layers_are_known(entry):
    layer = made(entry.pop("class_name"), {"block_size": 3}, **entry)
    assert isinstance(layer, DepthToSpace) and layer.block_size == 3


def test_activations_are_those_of_the_version_that_wrote_the_file():
    x = tf.constant([-2.7, 0.0, 1.0])
    older = made("Activation", {"activation": "hard_sigmoid"}, version=2)(x)
    newer = made("Activation", {"activation": "hard_sigmoid"}, version=3)(x)
    assert older.numpy().tolist() == pytest.approx([0.0, 0.5, 0.7])
    assert newer.numpy().tolist() == pytest.approx([0.05, 0.5, 4 / 6])
    bounded = made("Activation", {"activation": "hard_tanh"}, version=3)(x)
    assert bounded.numpy().tolist() == [-1.0, 0.0, 1.0]
    assert make_keras3_operation("HardTanh", {})(x).numpy().tolist() == [-1.0, 0.0, 1.0]
    assert make_keras3_operation("HardSigmoid", {})(x).numpy()[1] == 0.5
    with pytest.raises(NetworkError, match="an activation of Keras, found my_own in mine"):
        made("Activation", {"activation": "my_own"})


def test_leaky_slopes_have_two_names():
    for config in ({"alpha": 0.1}, {"negative_slope": 0.1}):
        assert made("LeakyReLU", config)(tf.constant([-1.0])).numpy() == pytest.approx([-0.1])


def test_what_matters_to_training_alone_does_nothing():
    assert made("Dropout", {"rate": 0.9})(tf.constant([1.0]), training=True).numpy() == [1.0]


def test_a_configuration_that_keras_refuses_is_one_line():
    with pytest.raises(NetworkError, match="configuration of layer mine"):
        made("Conv2D", {"filters": -1, "kernel_size": "large"})


@pytest.mark.parametrize(
    "function", ["io.write_file", "py_function", "numpy_function", "os.system"]
)
def test_functions_that_do_more_than_compute_are_refused(function):
    with pytest.raises(NetworkError, match="found tf"):
        make_tf_operation(function, "mine")


def test_operations_of_keras_3_have_twins():
    x = tf.constant([[[[-1.0, 2.0]]]])
    clip = make_keras3_operation("Clip", {"x_min": 0, "x_max": 1})
    assert clip(x).numpy().reshape(-1).tolist() == [0.0, 1.0]
    part = make_keras3_operation("GetItem", {})
    spec = [{"class_name": "__ellipsis__"}, {"class_name": "__slice__", "config": {"start": 1}}]
    assert part(x, spec).numpy().reshape(-1).tolist() == [2.0]
    split = make_keras3_operation("Split", {"indices_or_sections": [1], "axis": -1})
    assert [part.numpy().item() for part in split(x)] == [-1.0, 2.0]
    flip = make_keras3_operation("Flip", {"axis": -1})
    assert flip(x).numpy().reshape(-1).tolist() == [2.0, -1.0]
    mean = make_keras3_operation("Mean", {"axis": [1, 2, 3], "keepdims": False})
    assert mean(x).numpy().tolist() == [0.5]
    bell = make_keras3_operation("Gelu", {"approximate": False})(x)
    assert bell.numpy().reshape(-1) == pytest.approx([-0.158655, 1.954500], abs=1e-5)
    with pytest.raises(NetworkError, match=r"keras\.ops Fft2"):
        make_keras3_operation("Fft2", {"name": "mine"})


@pytest.mark.parametrize(
    ("class_name", "said"),
    [
        ("LayerNormalization", "take BatchNormalization, which is folded away, in its place"),
        ("MultiHeadAttention", "take convolutions in its place"),
        ("Softmax", "take a network without attention in its place"),
        ("GlobalMaxPooling2D", "take GlobalAveragePooling2D in its place"),
        ("QuantizeWrapperV2", "take the SavedModel of the network in its place"),
    ],
)
def test_what_stays_out_is_refused_with_the_nearest_thing_that_works(class_name, said):
    with pytest.raises(NetworkError, match=rf"found {class_name} \(mine\); {said}"):
        made(class_name)
