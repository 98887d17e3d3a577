from dataclasses import replace

import numpy as np
import pytest
import tf_keras

from export.exporting.conversion import convert_with_ranges
from sr_models.ground.errors import CalibrationError
from sr_models.networks.layers import ChannelSlice
from sr_models.networks.value_layers import Gelu, PictureMean, SquareRoot
from sr_models.quantization import integer_kernels as builtin_kernels
from sr_models.quantization.integer_network import simulate_builtin
from sr_models.quantization.ranges import TensorRange, TensorRanges
from tests.families import TAILED, VARIANTS, export_small, random_weights

layers = tf_keras.layers


def check_every_code(file):
    found = simulate_builtin(file.model, file.ranges)(file.pictures)
    expected = file.codes("builtin")
    assert expected.std() > 20.0, "a network with something to compute"
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, expected)


@pytest.mark.slow
@pytest.mark.parametrize(("family", "tail"), TAILED)
def test_no_code_differs_from_the_builtin_kernels(family, tail, small_file):
    check_every_code(small_file(family, tail))


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_no_code_differs_with_other_layers(variant, small_file):
    check_every_code(small_file(variant, "relu"))


def trunk_of(build):
    """A trunk from the picture to 12 channels, with random weights."""
    picture = tf_keras.Input((None, None, 3), name="input")
    last = layers.Conv2D(12, 3, padding="same", name="last")
    return random_weights(tf_keras.Model(picture, last(build(picture))))


def convolution(name, **keywords):
    return layers.Conv2D(8, 3, padding="same", name=name, **keywords)


def two_uses(picture):
    """A ReLU that cannot be fused, since the addition reads what is before it."""
    x = convolution("first")(picture)
    return layers.Add(name="added")([x, layers.ReLU(name="rectified")(x)])


def three_joins(picture):
    """A tensor joined three times, each time in another range."""
    x = convolution("first")(picture)
    y = convolution("second")(layers.Concatenate(name="join0")([x, convolution("other")(x)]))
    y = convolution("third")(layers.Concatenate(name="join1")([x, y]))
    return layers.Concatenate(name="join2")([x, y])


def cut_and_bent(picture):
    """Channels cut out of what a leaky ReLU bends, joined with others in another range."""
    x = layers.LeakyReLU(0.05, name="bent")(convolution("first")(picture))
    kept, rest = ChannelSlice(0, 4, name="kept")(x), ChannelSlice(4, 8, name="rest")(x)
    y = layers.LeakyReLU(0.3, name="bent_too")(convolution("second")(rest))
    return layers.Concatenate(name="joined")([kept, y])


def attentive(picture):
    """Gates of one channel, of one pixel and of one row; a deviation and what bends by a table."""
    x = Gelu(name="bell")(convolution("first")(picture))
    gate = layers.Activation("sigmoid", name="one")(layers.Conv2D(1, 1, name="near")(x))
    x = layers.Multiply(name="near_product")([x, gate])
    mean = PictureMean(name="mean")(x)
    apart = layers.Add(name="apart")([x, layers.Conv2D(8, 1, name="turned")(mean)])
    squares = layers.Multiply(name="squares")([apart, apart])
    variance = PictureMean(name="variance")(squares)
    deviation = SquareRoot(name="deviation")(variance)
    gate = layers.Activation("sigmoid", name="all")(layers.Conv2D(8, 1, name="far")(deviation))
    x = layers.Multiply(name="far_product")([x, gate])
    six = layers.ReLU(6.0, name="six")(convolution("hard")(PictureMean((1,), name="row")(x)))
    x = layers.Multiply(name="hard_product")([x, six])
    return layers.Add(name="whole")([x, convolution("skip")(picture)])


@pytest.mark.slow
@pytest.mark.parametrize(
    "build",
    [
        attentive,
        two_uses,
        three_joins,
        cut_and_bent,
        lambda picture: layers.Activation("sigmoid", name="bent")(convolution("first")(picture)),
        lambda picture: convolution("apart", dilation_rate=2)(
            layers.Conv2D(64, 5, padding="same", name="wide")(picture)
        ),
    ],
    ids=["attentive", "relu_alone", "three_joins", "cut_and_bent", "sigmoid", "wide_and_dilated"],
)
def test_no_code_differs_in_other_graphs(build):
    check_every_code(export_small(trunk_of(build), tail="relu", scale=2))


@pytest.mark.slow
def test_no_code_differs_behind_a_relu6():
    """Fused into the convolution, and alone where an addition reads what is before it."""

    def build(picture):
        x = layers.ReLU(6.0, name="six")(convolution("first")(picture))
        y = convolution("second")(x)
        return layers.Add(name="added")([y, layers.ReLU(6.0, name="six_alone")(y)])

    trunk = trunk_of(build)
    for name in ("first", "second"):
        layer = trunk.get_layer(name)
        layer.set_weights([12.0 * layer.get_weights()[0], layer.get_weights()[1]])
    file = export_small(trunk, tail="relu", scale=2)
    assert file.ranges["six"].maximum == file.ranges["six_alone"].maximum == 6.0
    # What is wider than the bound must be cut by the operator and not by the grid.
    wider = file.ranges.replacing({"six": TensorRange(0.0, 9.0)})
    content = convert_with_ranges(file.model, wider, sample=file.pictures[0], height=24, width=36)
    check_every_code(file)
    check_every_code(replace(file, ranges=wider, content=content))


@pytest.mark.slow
def test_weights_that_hardly_are_any():
    """The converter widens the scales of such channels; here with and without a bias, and PReLU."""
    prelu = layers.PReLU(shared_axes=[1, 2], name="bent")
    trunk = trunk_of(lambda picture: prelu(convolution("first")(picture)))
    first = trunk.get_layer("first")
    kernel, bias = first.get_weights()
    kernel *= np.array([1.0, 0.0, 0.0, 1e-8, 4.9e-7, 6e-7, 1e-5, 1.0])
    bias[:] = [0.2, 0.3, 0.0, 0.4, -0.1, 0.4, 0.4, 0.0]
    first.set_weights([kernel, bias])
    prelu.set_weights([np.zeros((1, 1, 8))])
    check_every_code(export_small(trunk, tail="relu", scale=2))


@pytest.mark.slow
def test_what_xnnpack_does_otherwise(monkeypatch, small_file):
    """It rounds once, and goes from one int8 grid to another by a factor in steps of 1/256."""

    def requantize(codes, *, source, target):
        factor = np.rint(256.0 * source.scale / target.scale).astype(np.int64)
        return target.stored((source.centred(codes) * factor + 128) >> 8)

    def multiply(x, factor):
        return np.rint(x * factor.value).astype(np.int64)

    file = small_file("rdn", "relu")
    expected = file.codes("xnnpack")
    for name in ("multiply_halves_up", "multiply_halves_away"):
        monkeypatch.setattr(builtin_kernels, name, multiply)
    network = simulate_builtin(file.model, file.ranges)
    assert np.mean(network(file.pictures) != expected) > 0.1
    monkeypatch.setattr(builtin_kernels, "requantize", requantize)
    assert np.mean(network(file.pictures) != expected) < 0.01


def test_a_missing_range_is_named(sharpening):
    ranges = TensorRanges({"input": TensorRange(0.0, 1.0)}, "test")
    with pytest.raises(CalibrationError, match="found none for last_relu"):
        simulate_builtin(sharpening, ranges)


@pytest.mark.parametrize(
    ("layer", "found"),
    [
        (layers.LayerNormalization(name="odd"), r"LayerNormalization \(odd\)"),
        (layers.ReLU(3.0, name="odd"), r"ReLU \(odd\)"),
        (layers.Conv2D(3, 1, activation="elu", name="odd"), r"Conv2D \(odd\)"),
    ],
)
def test_a_layer_without_an_int8_operator_here_is_named(layer, found):
    picture = tf_keras.Input((4, 4, 3), name="input")
    model = tf_keras.Model(picture, layer(picture))
    ranges = TensorRanges({n: TensorRange(-1.0, 1.0) for n in ("input", "odd")}, "test")
    with pytest.raises(CalibrationError, match=f"found {found}"):
        simulate_builtin(model, ranges)


def test_a_bound_above_is_no_fused_activation_here():
    picture = tf_keras.Input((4, 4, 3), name="input")
    bounded = layers.ReLU(3.0, name="odd")(layers.Conv2D(3, 1, name="first")(picture))
    ranges = TensorRanges({n: TensorRange(0.0, 6.0) for n in ("input", "odd")}, "test")
    with pytest.raises(CalibrationError, match=r"found ReLU \(odd\)"):
        simulate_builtin(tf_keras.Model(picture, bounded), ranges)
