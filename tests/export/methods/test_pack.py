"""Layers written for the kernels that run them: the same function, and for int8 the same codes."""

from dataclasses import replace

import numpy as np
import pytest
import tf_keras

from export.exporting.conversion import convert_with_ranges
from export.methods.pack import find_rewrites, gathered, joined, pack, packed, parted
from export.quantizing.quantized_network import clone, observe
from export.quantizing.recipe import parse_recipe
from export.running.interpreters import open_model
from export.running.targets import packing_targets
from sr_models.ground.errors import OptionError
from sr_models.importing.convolution_readers import as_convolution
from sr_models.networks.graph import points
from sr_models.networks.layers import NeighboursToChannels
from sr_models.networks.tails import attach_tail
from sr_models.quantization.integer_network import simulate_builtin
from sr_models.quantization.simulator import simulate
from tests.families import random_weights
from tests.networks import conv

layers = tf_keras.layers


def pointwise(filters, name, **keywords):
    return layers.Conv2D(filters, 1, name=name, **keywords)


@pytest.fixture(scope="module")
def trunk():
    """A wide first kernel, four groups of two, and two 1x1 in a row, the second behind a join."""
    picture = tf_keras.Input((None, None, 3), name="input")
    x = layers.Conv2D(16, 5, padding="same", activation="relu", name="first")(picture)
    x = conv(8, "grouped", groups=4, activation="relu")(x)
    y = conv(4, "skip")(picture)
    x = layers.Concatenate(name="join")([y, pointwise(6, "inner")(x)])
    x = pointwise(8, "outer", activation="relu")(x)
    return random_weights(tf_keras.Model(picture, conv(12, "last")(x)))


@pytest.fixture(scope="module")
def model(trunk):
    return attach_tail(trunk, "relu", scale=2)


def by_name(model):
    found = {}
    for rewrite in find_rewrites(model):
        found.setdefault(rewrite.layers, []).append(rewrite)
    return found


def test_every_form_computes_the_same_up_to_the_border(model):
    x = np.random.default_rng(1).random((2, 7, 9, 3), np.float32)
    rewrites = by_name(model)
    assert set(rewrites) == {("first", "skip"), ("inner",), ("grouped",)}
    for rewrite in find_rewrites(model):
        other = rewrite.apply(model)
        np.testing.assert_allclose(other(x), model(x), atol=1e-5)
    assert np.abs(model(x)).max() > 0.1


def test_the_forms_are_those_that_are_meant(model):
    rewrites = by_name(model)
    wide = rewrites[("first", "skip")][0].apply(model)
    shapes = {name: wide.get_layer(name).kernel.shape for name in ("first", "skip")}
    assert shapes == {"first": (5, 1, 15, 16), "skip": (3, 1, 9, 4)}
    assert [r.apply(model).get_layer("grouped").groups for r in rewrites[("grouped",)]] == [1, 2]
    folded = rewrites[("inner",)][0].apply(model)
    assert "inner" not in points(folded) and folded.get_layer("outer").kernel.shape[2] == 12


def test_neighbours_are_codes_of_the_picture_in_the_file_and_in_both_simulations(model, evidence):
    """Not a code differs from the file without them: they are moved, not computed.

    The simulation in floats adds products in another order and may round a tie the other way.
    """
    pictures, found = np.stack(evidence.pictures[:2]), []
    for form in (model, gathered(model, ["first", "skip"])):
        network = observe(form, evidence)
        ranges = evidence.pin(network.ranges, network.model)
        simulated = simulate(network.model, ranges)(pictures / np.float32(255.0)).numpy()
        content = convert_with_ranges(
            network.model, ranges, sample=evidence.pictures[0], height=32, width=32
        )
        runner = open_model(content, delegate="builtin")
        builtin = np.concatenate([runner.run(picture[None]) for picture in pictures])
        np.testing.assert_array_equal(simulate_builtin(network.model, ranges)(pictures), builtin)
        found.append((simulated, builtin))
    (simulated, builtin), (moved, moved_builtin) = found
    np.testing.assert_array_equal(builtin, moved_builtin)
    apart = np.abs(simulated - moved) * 255.0
    assert apart.max() < 1.01 and (apart > 0.01).mean() < 0.005
    assert builtin.std() > 10.0


@pytest.mark.parametrize(
    ("kernels", "groups", "gathers"),
    [("arm64-dotprod", 1, False), ("x86-avx2", 1, True)],
)
def test_a_form_stands_where_the_targets_model_says_so(
    kernels, groups, gathers, model, evidence, monkeypatch
):
    made = packed(observe(model, evidence), replace(evidence, packed_for=kernels)).model
    kinds = [type(layer) for layer in made.layers]
    assert (NeighboursToChannels in kinds) == gathers
    assert made.get_layer("grouped").groups == groups


def grouped_by_four():
    picture = tf_keras.Input((None, None, 16), name="input")
    x = conv(32, "wide")(picture)
    for k in range(3):
        x = pointwise(32, f"mix{k}", activation="relu")(conv(32, f"grouped{k}", groups=4)(x))
    return tf_keras.Model(picture, conv(12, "last")(x))


@pytest.mark.parametrize(
    ("kernels", "groups"), [("arm64-dotprod", 2), ("x86-avx2", 4), ("every", 4)]
)
def test_groups_of_eight_are_joined_where_tiles_hold_sixteen_and_nobody_loses(kernels, groups):
    """The three are alike, and are joined together."""
    made = pack(grouped_by_four(), packing_targets(kernels))
    assert [made.get_layer(f"grouped{k}").groups for k in range(3)] == [groups] * 3


def test_what_rounds_otherwise_stands_only_where_that_is_allowed():
    picture = tf_keras.Input((None, None, 32), name="input")
    x = pointwise(32, "outer")(pointwise(32, "inner")(picture))
    model, asked, said = tf_keras.Model(picture, x), [], []

    def never(before, after):
        asked.append((len(before.layers), len(after.layers)))
        return False

    targets = packing_targets("x86-avx2")
    assert pack(model, targets, allows=never, on_note=said.append) is model
    assert asked == [(3, 2)] and "inner stays" in said[0]
    assert "inner" not in points(pack(model, targets))


def test_layers_that_the_user_keeps_stay_as_they_are(model):
    kept = pack(model, packing_targets("x86-avx2"), kept=("first", "inner", "skip"))
    assert kept.get_layer("first").kernel_size == (5, 5) and "inner" in points(kept)


def test_a_grouped_convolution_that_is_not_taken_is_named():
    picture = tf_keras.Input((None, None, 8), name="input")
    far = conv(8, "far", groups=2, dilation_rate=2)
    fixed = conv(8, "fixed", groups=2, trainable=False)
    model, said = tf_keras.Model(picture, fixed(far(picture))), []
    assert pack(model, packing_targets("arm64-dotprod"), on_note=said.append) is model
    assert len(said) == 2 and "far stays in 2 groups" in said[0] and "fixed stays" in said[1]


@pytest.fixture(scope="module")
def enlarging():
    """A transposed convolution of 4x4 and stride 2, as a convolution of 3x3 onto four pixels."""
    rng = np.random.default_rng(3)
    transposed = rng.normal(size=(4, 4, 16, 16)).astype(np.float32)
    picture = tf_keras.Input((None, None, 16), name="input")
    plain = conv(64, "phases", activation="relu")
    model = tf_keras.Model(picture, layers.Conv2D(3, 1, name="last")(plain(picture)))
    plain.set_weights([as_convolution(transposed, stride=2, padding="same"), rng.normal(size=64)])
    return model


def test_zeros_around_kernels_are_left_out(enlarging):
    """Four of nine taps reach each pixel; kernels of 3x3, 3x2, 2x3 and 2x2 hold them."""
    made = pack(enlarging, packing_targets("every"))
    sizes = [made.get_layer(f"phases_group{k}").kernel_size for k in range(4)]
    assert sizes == [(3, 3), (3, 2), (2, 3), (2, 2)]
    x = np.random.default_rng(4).random((1, 5, 6, 16), np.float32)
    np.testing.assert_allclose(made(x), enlarging(x), rtol=1e-4, atol=1e-4)


def test_a_kernel_is_not_cut_where_a_single_weight_stands_outside(enlarging):
    layer = (whole := clone(enlarging)).get_layer("phases")
    kernel, bias = layer.get_weights()
    kernel[0, 0, 3, -1] = 1e-3
    layer.set_weights([kernel, bias])
    x = np.random.default_rng(5).random((1, 5, 6, 16), np.float32)
    made = parted(whole, "phases")
    assert made.get_layer("phases_group4").kernel_size == (3, 3)
    np.testing.assert_allclose(made(x), whole(x), rtol=1e-4, atol=1e-4)


def test_joined_groups_know_nothing_of_each_other():
    picture = tf_keras.Input((None, None, 8), name="input")
    model = random_weights(tf_keras.Model(picture, conv(12, "one", groups=4)(picture)))
    kernel = joined(model, ["one"], 1).get_layer("one").kernel.numpy()
    assert np.count_nonzero(np.abs(kernel).sum(axis=(0, 1))) == 8 * 12 / 4


def test_the_stage_stands_behind_those_that_decide_what_the_layers_are():
    with pytest.raises(OptionError, match=r"found cfqp\+pack\+groups; give cfqp\+groups\+pack"):
        parse_recipe("cfqp+pack+groups")
    with pytest.raises(OptionError, match=r"give cfqp\+pack\+equalize"):
        parse_recipe("cfqp+equalize+pack")
    assert str(parse_recipe("cfqp+groups+pack+equalize")) == "cfqp+groups+pack+equalize"
