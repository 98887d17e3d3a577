import numpy as np
import pytest
import tensorflow as tf

from sr_models.ground.errors import NetworkError
from sr_models.importing.ends import Ends
from sr_models.importing.frozen_graph import freeze
from sr_models.importing.reading import read_network
from sr_models.importing.saved_models import load_saved_model
from tests.graph_files import FREE, Layers
from tests.strangers import stranger

PICTURE = np.random.default_rng(11).random((1, 12, 14, 3)).astype(np.float32)
ANY = tf.TensorSpec((None, None, None, 3), tf.float32, name="picture")


class Bare(tf.Module):
    """A network that knows nothing of Keras."""

    def __init__(self):
        super().__init__()
        rng = np.random.default_rng(0)
        self.kernel = tf.Variable(rng.normal(size=(3, 3, 3, 12)).astype(np.float32))
        self.bias = tf.Variable(np.zeros(12, np.float32))

    @tf.function(input_signature=[ANY])
    def upscale(self, x):
        y = tf.nn.bias_add(tf.nn.conv2d(x, self.kernel, 1, "SAME"), self.bias)
        return {"large": tf.clip_by_value(tf.nn.depth_to_space(y, 2), 0.0, 1.0)}


class Writing(tf.Module):
    def __init__(self, place):
        super().__init__()
        self.place = place

    @tf.function(input_signature=[ANY])
    def upscale(self, x):
        tf.io.write_file(self.place, "written")
        return tf.repeat(tf.repeat(x, 2, 1), 2, 2)


class Looking(tf.Module):
    def __init__(self):
        super().__init__()
        values = tf.lookup.KeyValueTensorInitializer([1], [2.0])
        self.table = tf.lookup.StaticHashTable(values, 0.0)

    @tf.function(input_signature=[ANY])
    def upscale(self, x):
        return x * self.table.lookup(tf.constant(1))


class Pair(tf.Module):
    @tf.function(input_signature=[ANY, ANY])
    def upscale(self, x, y):
        return x + y


def save(module, folder):
    tf.saved_model.save(module, str(folder), signatures=module.upscale)
    return folder


def check(folder, expected):
    found = load_saved_model(folder)
    assert found.input_shape[3] == 3 and found.dtype == "float32"
    graph = freeze(found.function, PICTURE.shape)
    np.testing.assert_allclose(graph(PICTURE), expected, atol=1e-5)
    return graph


def test_with_keras_and_without_the_signature_is_taken(tmp_path):
    model = stranger()
    model.save(tmp_path / "keras", save_format="tf")
    check(tmp_path / "keras", model(PICTURE))
    module = Bare()
    graph = check(save(module, tmp_path / "bare"), module.upscale(PICTURE)["large"])
    kinds = [operation.kind for operation in read_network(graph)]
    assert kinds == ["input", "convolution", "affine", "depth_to_space", "bound", "bound"]


def test_what_keras_3_exports(keras3_files):
    check(keras3_files / "saved", np.load(keras3_files / "bytes.npy"))


def test_an_operator_that_writes_files_is_neither_run_nor_taken(tmp_path):
    place = tmp_path / "written"
    folder = save(Writing(str(place)), tmp_path / "net")
    graph = freeze(load_saved_model(folder).function, PICTURE.shape)
    with pytest.raises(NetworkError, match="found WriteFile"):
        read_network(graph)
    assert not place.exists()


def test_objects_that_run_on_opening_are_refused_before(tmp_path):
    folder = save(Looking(), tmp_path / "net")
    with pytest.raises(NetworkError, match=r"found .*resource.*module:function"):
        load_saved_model(folder)


class Several(Bare):
    """For four pictures at once; it returns features first, and another signature halves."""

    @tf.function(input_signature=[tf.TensorSpec((4, 12, 14, 3), tf.float32, name="picture")])
    def both(self, x):
        y = tf.nn.conv2d(x, self.kernel, 1, "SAME")
        sizes = tf.stack([tf.shape(y)[0], 24, 28, 3])
        kernel = tf.reshape(self.kernel[:2, :2], (2, 2, 3, 12))
        large = tf.nn.conv2d_transpose(y, kernel, sizes, 2, "SAME")
        return {"features": y, "large": large, "small": x[:, ::2, ::2]}


def save_several(folder):
    module = Several()
    signatures = {"first": module.upscale, "second": module.both}
    tf.saved_model.save(module, str(folder), signatures=signatures)
    return module


def test_one_of_several_signatures_outputs_and_pictures_is_taken(tmp_path):
    module = save_several(tmp_path / "net")
    with pytest.raises(NetworkError, match=r"found first, second; say which .* --signature NAME"):
        load_saved_model(tmp_path / "net")
    with pytest.raises(NetworkError, match="one of first, second, found 'third'"):
        load_saved_model(tmp_path / "net", Ends(signature="third"))
    found = load_saved_model(tmp_path / "net", Ends(signature="second"))
    assert found.input_shape == (None, 12, 14, 3)
    assert found.notes == (
        "took the signature second of first, second",
        "took the output large of features, large, small",
        "took one picture of a batch of 4",
    )
    expected = module.both(np.repeat(PICTURE, 4, axis=0))["large"][:1]
    np.testing.assert_allclose(found.run(PICTURE), expected, atol=1e-5)
    graph = freeze(found.function, PICTURE.shape)
    np.testing.assert_allclose(graph(PICTURE), expected, atol=1e-5)
    assert [op.kind for op in read_network(graph)][-1] == "depth_to_space"
    asked = load_saved_model(tmp_path / "net", Ends(signature="second", output="0"))
    assert freeze(asked.function, PICTURE.shape).output.shape == (1, 12, 14, 12)
    with pytest.raises(NetworkError, match="one of features, large, small, found 'sr'"):
        load_saved_model(tmp_path / "net", Ends(signature="second", output="sr"))


def save_of_tensorflow_1(folder):
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        layers = Layers("NCHW")
        x = v1.placeholder(tf.float32, FREE, name="x")
        scale = v1.get_variable("scale", initializer=np.float32([0.5, 1.0, 1.5]))
        shift = v1.get_variable("shift", initializer=np.float32(0.1), use_resource=False)
        y = layers.conv(tf.transpose(x * scale + shift, (0, 3, 1, 2)), 12, "last")
        y = tf.nn.depth_to_space(tf.transpose(y, (0, 2, 3, 1)), 2)
        session.run(v1.global_variables_initializer())
        v1.saved_model.simple_save(session, str(folder), {"low": x}, {"high": y, "low": x})


def test_a_folder_of_tensorflow_1_is_read_and_nothing_of_it_opened(tmp_path, monkeypatch):
    save_of_tensorflow_1(tmp_path / "net")
    expected = tf.saved_model.load(str(tmp_path / "net")).signatures["serving_default"](
        tf.constant(PICTURE)
    )["high"]
    monkeypatch.setattr(tf.saved_model, "load", lambda *_: pytest.fail("opened"))
    check(tmp_path / "net", expected)
    assert load_saved_model(tmp_path / "net").notes == ("took the output high of high, low",)
    for path in (tmp_path / "net" / "variables").iterdir():
        path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(NetworkError, match="expected the variables of a SavedModel"):
        load_saved_model(tmp_path / "net")


def no_folder(folder):
    folder.mkdir()


def text(folder):
    folder.mkdir()
    (folder / "saved_model.pb").write_text("no network at all")


def without_weights(folder):
    save(Bare(), folder)
    for path in (folder / "variables").iterdir():
        path.unlink()


def without_signatures(folder):
    module = tf.Module()
    module.value = tf.Variable(1.0)
    tf.saved_model.save(module, str(folder))


def two_inputs(folder):
    save(Pair(), folder)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (no_folder, r"no saved_model\.pb"),
        (text, "a damaged one"),
        (without_weights, "a damaged one"),
        (without_signatures, "with a signature"),
        (two_inputs, "expected one input, found 2"),
    ],
)
def test_what_is_no_network_is_said_in_one_line(make, said, tmp_path):
    make(tmp_path / "net")
    with pytest.raises(NetworkError, match=said) as error:
        load_saved_model(tmp_path / "net")
    assert "\n" not in str(error.value)
