import numpy as np
import pytest
import tf_keras

from sr_models.networks.graph import points, watcher
from sr_models.networks.layers import (
    ChannelSlice,
    ClipByValue,
    DepthToSpace,
    EdgePadding,
    MirrorPadding,
    NeighboursToChannels,
    RepeatChannels,
    SpaceToDepth,
)
from sr_models.networks.value_layers import Gelu, KnownRange, PictureMean, SquareRoot
from sr_models.observing import float_file, tensors
from sr_models.observing.tensors import TensorReader, ends_of
from tests.networks import branched_trunk

layers = tf_keras.layers


def of_every_layer():
    """Each class and form of layer that is written, with random weights."""
    same = {"padding": "same"}
    picture = tf_keras.Input((None, None, 3), name="input")
    rows = NeighboursToChannels(3, channels=3, name="rows")(picture)
    x = layers.Conv2D(8, (3, 5), activation="relu", **same, name="wide")(rows)
    grouped = layers.Conv2D(8, 3, groups=2, use_bias=False, **same, name="grouped")(x)
    deep = layers.DepthwiseConv2D(3, depth_multiplier=2, activation="tanh", **same)(grouped)
    parts = [ChannelSlice(0, 8)(deep), layers.PReLU(shared_axes=[1, 2], name="bent")(x)]
    x = layers.Concatenate(name="joined")([*parts, layers.LeakyReLU(0.3)(grouped)])
    x = layers.Conv2D(12, 3, dilation_rate=2, activation="sigmoid", **same, name="far")(x)
    x = layers.Multiply()([x, layers.Conv2D(1, 1, name="gate")(x)])
    x = layers.Add()([x, layers.ReLU(6.0)(x), layers.Activation("tanh")(x)])
    x = layers.Multiply()([x, SquareRoot()(layers.ReLU()(PictureMean()(Gelu()(x))))])
    x = layers.Add()([x, layers.MaxPooling2D(3, 1, **same)(x)])
    small = layers.Conv2D(12, 3, strides=2, **same, name="small")(x)
    small = layers.Add()([small, layers.AveragePooling2D(2)(x)])
    large = layers.Conv2DTranspose(12, 4, strides=2, activation="relu", **same)(small)
    x = layers.Add()(
        [
            x,
            KnownRange(0.0, 1.0)(layers.Dropout(0.5)(large)),
            layers.ReLU()(SpaceToDepth(2)(DepthToSpace(2)(x))),
        ]
    )
    mirrored = layers.Cropping2D(((2, 0), (1, 1)))(MirrorPadding((1, 2), (2, 0))(x))
    edged = EdgePadding()(layers.ZeroPadding2D((1, 0))(mirrored))
    edged = layers.Conv2D(3, 3, name="valid")(edged)
    x = ClipByValue(-0.5, 0.7)(DepthToSpace(2)(RepeatChannels(12)(edged)))
    model = tf_keras.Model(picture, x)
    rng = np.random.default_rng(0)
    for layer in model.layers:
        layer.set_weights([rng.normal(0.0, 0.3, w.shape) for w in layer.get_weights()])
    return model


@pytest.fixture(scope="module")
def batch():
    return np.random.default_rng(1).random((3, 16, 12, 3), np.float32)


def test_every_tensor_is_that_of_tensorflow(batch):
    model = of_every_layer()
    names = list(points(model))
    convolutions = ["wide", "grouped", "far", "small"]
    reader = TensorReader(model, names, products=convolutions)
    assert reader._is_written, "run by LiteRT"
    found, expected = reader(batch), watcher(model, names)(batch)
    for name, one, other in zip(names, found, expected):
        # What is clipped is small beside the sums that it comes from.
        largest = max(1.0, np.abs(other).max())
        np.testing.assert_allclose(one, other, rtol=0, atol=5e-5 * largest, err_msg=name)
    graph = points(model)
    for name, product in zip(convolutions, found[len(names) :]):
        layer = graph[name].layer
        source = np.asarray(watcher(model, [graph[name].inputs[0]])(batch))
        other = layer.convolution_op(source, layer.kernel).numpy()
        np.testing.assert_allclose(product, other, rtol=0, atol=3e-6 * np.abs(other).max())


def test_what_cannot_be_written_is_run_by_tensorflow(batch):
    picture = tf_keras.Input((None, None, 3), name="input")
    model = tf_keras.Model(picture, layers.UpSampling2D(name="large")(picture))
    reader = TensorReader(model, ["input", "large"])
    assert not reader._is_written
    for one, other in zip(reader(batch), [batch, model(batch)]):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_a_file_that_computes_something_else_is_not_believed(batch, monkeypatch):
    def doubled(file, layer, x, *, biased):
        y = written(file, layer, x, biased=biased)
        return file.operator("ADD", [y, y], file.shape(y))

    written = float_file._products
    monkeypatch.setattr(float_file, "_products", doubled)
    model = branched_trunk()
    reader = TensorReader(model, ["c"])
    assert not reader._is_written
    np.testing.assert_allclose(reader(batch)[0], watcher(model, ["c"])(batch), atol=1e-5)


def test_numbers_that_are_none_are_not_hidden(batch):
    """XNNPACK's ReLU would make 0 of them; the second time the weights are met with a new size."""
    model = branched_trunk()
    reader = TensorReader(model, ["a", "last"])
    assert np.isfinite(reader(batch)[1]).all()
    kernel, bias = model.get_layer("a").get_weights()
    model.get_layer("a").set_weights([kernel * np.nan, bias])
    assert np.isnan(reader(batch[:, :8])[0]).any()


def test_ends_are_of_each_channel():
    tensor = np.random.default_rng(2).normal(size=(1, 4, 5, 3)).astype(np.float32)
    low, high = ends_of(tensor)
    np.testing.assert_array_equal(low, tensor.min(axis=(0, 1, 2)))
    np.testing.assert_array_equal(high, tensor.max(axis=(0, 1, 2)))


def test_one_size_is_held_at_a_time(batch, monkeypatch):
    opened = []
    real = tensors.write_float_file
    monkeypatch.setattr(
        tensors, "write_float_file", lambda *a, **k: opened.append(k["height"]) or real(*a, **k)
    )
    reader = TensorReader(branched_trunk(), ["last"])
    for height in (8, 8, 16, 16):
        reader(batch[:, :height])
    assert opened == [16, 8, 16], "16 at first to be checked"
    assert len(reader._runners) == 1
