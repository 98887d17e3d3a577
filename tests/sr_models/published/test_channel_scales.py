import numpy as np
import pytest
import tf_keras

from sr_models.ground.errors import CalibrationError
from sr_models.networks.graph import tensors_of
from sr_models.networks.network import build_trunk, named_weights
from sr_models.networks.presets import Preset
from sr_models.published.channel_scales import (
    ScaleGroup,
    channel_scales,
    fold_scales,
    scale_groups,
    with_static_scales,
)
from tests.families import random_weights

BATCHES = np.random.default_rng(1).random((2, 2, 12, 10, 3), np.float32)
CONFIGS = {
    "edsr": {"scale": 2, "blocks": 2, "width": 6},
    "abpn": {"scale": 3, "blocks": 2},
    "xlsr": {"scale": 3, "width": 8, "blocks": 2, "skip_width": 4, "merge_width": 8},
    "fsrcnn": {"scale": 3},
    "rdn": {"scale": 2, "width": 6, "growth": 4, "blocks": 2, "layers": 2},
}


def network(family):
    return random_weights(build_trunk(Preset("test", family, CONFIGS[family], "for tests")))


@pytest.fixture(scope="module")
def edsr():
    return network("edsr")


def test_a_residual_trunk_shares_one_vector_and_each_block_has_its_own(edsr):
    groups = {group.tensors[0]: group for group in scale_groups(edsr)}
    assert set(groups) == {"first", "block0_conv0", "block1_conv0"}
    assert groups["first"] == ScaleGroup(
        (
            "first",
            "block0_conv1",
            "block0_add",
            "block1_conv1",
            "block1_add",
            "body_last",
            "long_skip",
        ),
        ("first", "block0_conv1", "block1_conv1", "body_last"),
        ("block0_conv0", "block1_conv0", "body_last", "last"),
    )
    assert groups["block0_conv0"].readers == ("block0_conv1",)


def test_channels_that_are_joined_or_pixels_keep_their_scale():
    tensors = {name for group in scale_groups(network("xlsr")) for name in group.tensors}
    assert tensors == {
        "first",
        "mix",
        "block0_conv3",
        "block0_conv1",
        "block1_conv3",
        "merge",
    }


@pytest.mark.parametrize("family", CONFIGS)
def test_folding_leaves_the_function_as_it_was(family):
    model = network(family)
    before = named_weights(model)
    folded = with_static_scales(model, batches=BATCHES)
    expected = model(BATCHES[0]).numpy()
    error = np.abs(folded(BATCHES[0]).numpy() - expected).max()
    assert error < 1e-5 * max(1.0, np.abs(expected).max())
    after = named_weights(folded)
    assert any(not np.allclose(after[name], array) for name, array in before.items())
    for name, array in named_weights(model).items():
        np.testing.assert_array_equal(array, before[name])


@pytest.mark.parametrize("family", ["edsr", "xlsr"])
def test_powers_of_two_fold_to_the_very_same_numbers(family):
    model = network(family)
    groups = scale_groups(model)
    rng = np.random.default_rng(0)
    counts = {layer.name: getattr(layer, "groups", 1) for layer in model.layers}
    widths = [model.get_layer(group.producers[0]).filters for group in groups]
    scales = [2.0 ** rng.integers(-3, 4, width) for width in widths]
    before = model(BATCHES[0]).numpy()
    weights = fold_scales(named_weights(model), groups, scales=scales, convolution_groups=counts)
    for layer in model.layers:
        layer.set_weights([weights[v.name.removesuffix(":0")] for v in layer.weights])
    # Sums are taken in another order by other kernels at most.
    np.testing.assert_allclose(model(BATCHES[0]).numpy(), before, rtol=1e-6, atol=1e-6)


def test_folded_tensors_have_channels_of_magnitude_one(edsr):
    folded = with_static_scales(edsr, batches=BATCHES)
    (inner,) = (g for g in scale_groups(edsr) if g.tensors == ("block0_conv0",))
    seen = [t for (t,) in tensors_of(folded, ["block0_conv0"], batches=BATCHES)]
    largest = np.abs(np.concatenate(seen)).max(axis=(0, 1, 2))
    alive = channel_scales(edsr, [inner], batches=BATCHES)[0] != 1.0
    np.testing.assert_allclose(largest[alive], 1.0, rtol=1e-5)
    assert alive.any()


def test_a_channel_that_is_always_zero_is_left_as_it_is():
    model = network("edsr")
    layer = model.get_layer("block0_conv0")
    kernel, bias = layer.get_weights()
    kernel[..., 2], bias[2] = 0.0, -1.0
    layer.set_weights([kernel, bias])
    (inner,) = (g for g in scale_groups(model) if g.tensors == ("block0_conv0",))
    assert channel_scales(model, [inner], batches=BATCHES)[0][2] == 1.0
    folded = with_static_scales(model, batches=BATCHES)
    assert all(np.isfinite(array).all() for array in named_weights(folded).values())


def test_layers_that_are_not_homogeneous_or_called_twice_are_left_alone():
    picture = tf_keras.Input((None, None, 3), name="input")
    twice = tf_keras.layers.Conv2D(3, 1, name="twice")
    x = tf_keras.layers.Conv2D(3, 1, activation="tanh", name="curved")(twice(twice(picture)))
    x = tf_keras.layers.ReLU(max_value=6.0, name="six")(tf_keras.layers.Conv2D(4, 1, name="a")(x))
    model = tf_keras.Model(picture, tf_keras.layers.Conv2D(3, 1, name="last")(x))
    assert scale_groups(model) == []
    found = with_static_scales(model, batches=BATCHES)
    np.testing.assert_array_equal(found(BATCHES[0]), model(BATCHES[0]))


def test_no_pictures_are_refused(edsr):
    with pytest.raises(CalibrationError, match="expected pictures to freeze scales on"):
        with_static_scales(edsr, batches=[])


def test_a_leaky_relu_between_convolutions_is_no_end_of_a_group():
    layers = tf_keras.layers
    picture = tf_keras.Input((None, None, 3), name="input")
    y = layers.LeakyReLU(0.1, name="bent")(layers.Conv2D(4, 3, padding="same", name="a")(picture))
    model = tf_keras.Model(picture, layers.Conv2D(3, 3, padding="same", name="last")(y))
    assert scale_groups(model) == [ScaleGroup(("a", "bent"), ("a",), ("last",))]
