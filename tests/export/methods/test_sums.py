from dataclasses import replace

import numpy as np
import pytest
import tf_keras

from export.exporting.conversion import convert_with_ranges
from export.methods.sums import _Grid, summed, with_one_convolution
from export.quantizing.picture_sums import find_sums
from export.quantizing.quantized_network import observe
from export.running.interpreters import open_model
from export.running.pixels import upscale
from sr_models.ground.pixel_range import UNIT
from sr_models.networks.graph import points, watcher
from sr_models.networks.layers import DepthToSpace, NeighboursToChannels
from sr_models.quantization.integer_network import simulate_builtin
from sr_models.quantization.simulator import simulate

layers = tf_keras.layers


def conv(filters, size, name, **keywords):
    return layers.Conv2D(filters, size, padding="same", name=name, **keywords)


def skipping(own=3, skip=5, *, begins="mean", block=2, ends="relu", features="linear", width=6):
    """Features and picture through a convolution each, shuffled and added, as WDSR ends."""
    rng = np.random.default_rng([own, skip])
    picture = shifted = tf_keras.Input((None, None, 3), name="input")
    if begins == "mean":
        shifted = conv(4, 1, "picture_and_ones")(picture)
    elif begins == "rows":
        shifted = NeighboursToChannels(skip, channels=3, name="rows")(picture)
    y = conv(width, 3, "first", activation=features)(picture)
    y = layers.Add(name="stream")([y, conv(width, 3, "second")(y)])
    y = layers.ReLU(name="rectified")(y) if features == "relu" else y
    terms = [
        conv(3 * block**2, own, "last")(y),
        conv(3 * block**2, (skip, 1) if begins == "rows" else skip, "skip")(shifted),
    ]
    if block > 1:
        terms = [DepthToSpace(block, name=f"pixels{i}")(term) for i, term in enumerate(terms)]
    y = layers.Add(name="sum")(terms)
    model = tf_keras.Model(picture, layers.ReLU(name="tail")(y) if ends == "relu" else y)
    for layer in model.layers:
        if layer.weights and layer.trainable:
            kernel, bias = layer.get_weights()
            spread = 0.5 / np.sqrt(np.prod(kernel.shape[:3]))
            bias = 0.02 * rng.normal(size=bias.shape) + (0.2 if layer.name == "last" else 0.0)
            layer.set_weights([spread * rng.normal(size=kernel.shape), bias])
    if begins == "mean":
        ones = np.array([0.0, 0.0, 0.0, 1.0])
        model.get_layer("picture_and_ones").set_weights([np.eye(3, 4)[None, None], ones])
    return model


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"own": 5, "skip": 3, "begins": "plain"},
        {"own": 1, "skip": 5, "begins": "plain", "ends": "sum"},
        {"own": 3, "skip": 7, "begins": "rows"},
        {"begins": "plain", "features": "relu", "block": 1, "ends": "sum"},
    ],
    ids=str,
)
def test_the_function_stays_the_same_up_to_the_border(how, evidence):
    model = skipping(**how)
    (found,) = find_sums(model)
    made, _ = with_one_convolution(model, observe(model, evidence).ranges, found)
    x = np.random.default_rng(1).random((2, 7, 9, 3), np.float32)
    np.testing.assert_allclose(made(x), model(x), atol=2e-6)
    assert np.ptp(model(x)) > 0.2
    assert "sum" not in [p.name for p in points(made).values() if isinstance(p.layer, layers.Add)]


@pytest.mark.parametrize("below", [0, 1, 100, 127, 128, 138, 254, 255])
def test_the_ones_have_a_code_of_their_own(below):
    """Of equal biases the converter makes one code, in the steps of the first channel."""
    grid = _Grid(below, 1.0)
    assert grid.one != -grid.zero and abs(grid.one) >= 0.49
    assert grid.span.minimum <= grid.one <= grid.span.maximum
    assert grid.one * 255 == pytest.approx(round(grid.one * 255), abs=1e-9)


def test_the_picture_keeps_its_codes_and_the_sum_is_rounded_once(evidence, distance):
    """By the steps of 1/255 that it is stored in; the rest of the error is the features'."""
    model = skipping()
    before = observe(model, evidence)
    after = summed(before, evidence)
    graph = points(after.model)
    assert [p.name for p in graph.values() if isinstance(p.layer, DepthToSpace)] == ["sum_pixels"]
    assert graph["tail"].inputs == ["sum"], "a ReLU that XNNPACK takes with the convolution"
    grid = after.ranges["sum_both"]
    assert grid.scale == pytest.approx(1.0 / 255.0) and after.ranges["stream_stored"] == grid
    assert grid.minimum * 255 == pytest.approx(round(grid.minimum * 255), abs=1e-9)
    x = evidence.stack(2)
    simulated = simulate(after.model, after.ranges)
    stored, exact = (watcher(m, ["sum_joined"])(x)[..., 6:] for m in (simulated, after.model))
    np.testing.assert_allclose(stored, exact, atol=1e-6)
    assert distance(after, model, evidence.pictures) < 0.8 * distance(
        before, model, evidence.pictures
    )


def test_the_file_is_the_simulated_one_and_one_partition(evidence):
    made = summed(observe(skipping(), evidence), evidence)
    picture = evidence.pictures[0]
    content = convert_with_ranges(made.model, made.ranges, sample=picture, height=32, width=32)
    built_in = open_model(content, delegate="builtin")
    found = simulate_builtin(made.model, made.ranges)(picture[None])[0]
    np.testing.assert_array_equal(found, upscale(built_in, picture, pixels=UNIT).raw)
    assert open_model(content).delegation.partitions == 1


def test_what_would_take_longer_or_is_kept_stays(evidence):
    """A 9x9 kernel takes nine copies of four channels, made by a 7x7 convolution of ones."""
    for model, given in (
        (skipping(3, 9), evidence),
        (skipping(), replace(evidence, kept=["skip"])),
    ):
        network = observe(model, evidence)
        assert summed(network, given) is network


def test_other_sums_are_none():
    """Of two features; of an activated term; of a term that somebody else reads."""
    picture = tf_keras.Input((8, 8, 3), name="input")
    y, relu = conv(4, 3, "a", activation="relu")(picture), {"activation": "relu"}
    two = layers.Add(name="two")([conv(3, 3, "b")(y), conv(3, 3, "c")(y)])
    bent = layers.Add(name="bent")([conv(3, 3, "d")(y), conv(3, 3, "e", **relu)(picture)])
    read = conv(3, 3, "f")(picture)
    twice = layers.Add(name="twice")([conv(3, 3, "g")(y), read])
    ends = layers.Concatenate(name="ends")([two, bent, twice, read])
    assert not list(find_sums(tf_keras.Model(picture, ends)))
