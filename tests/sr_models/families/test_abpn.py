import numpy as np
import pytest
import tf_keras

from export.exporting.conversion import convert_with_calibrator
from representative_data.dataset import RepresentativeDataset
from representative_data.observation import observe_ranges
from sr_models.families.abpn import AbpnConfig, build_abpn
from sr_models.ground.errors import OptionError
from sr_models.networks.graph import points, quantized_points
from sr_models.networks.layers import RepeatChannels
from sr_models.networks.network import named_weights, set_named_weights
from sr_models.networks.tails import attach_tail
from sr_models.tflite.flatbuffer import read_graph
from tests.families import check_int8_file, random_weights


def by_hand(scale, width=28):
    """Kernel height x width x inputs x outputs + biases, layer by layer."""
    pixels = 3 * scale**2
    first = 3 * 3 * 3 * width + width  # 784
    block = 3 * 3 * width * width + width  # 7084
    to_pixels = 3 * 3 * width * pixels + pixels  # 6831 at x3
    last = 3 * 3 * pixels * pixels + pixels  # 6588 at x3
    return first + 4 * block + to_pixels + last


def test_the_number_of_parameters():
    # 42.54 K is published for D4C28 at x3.
    assert build_abpn(AbpnConfig(scale=3)).count_params() == by_hand(3) == 42_539
    assert build_abpn(AbpnConfig(scale=2)).count_params() == by_hand(2)
    assert build_abpn(AbpnConfig(scale=4)).count_params() == by_hand(4)


def test_the_number_of_parameters_of_ncnet():
    trunk = build_abpn(AbpnConfig(scale=3, width=32, anchor="conv"))
    trained = sum(int(np.prod(variable.shape)) for variable in trunk.trainable_variables)
    # 52,279 is published; the 3 x 27 weights of the anchor are never trained.
    assert trained == by_hand(3, width=32) == 52_279
    assert trunk.count_params() == trained + 81


@pytest.mark.parametrize("anchor", ["concat", "conv"])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_without_a_residual_it_is_the_nearest_neighbour(anchor, scale):
    trunk = build_abpn(AbpnConfig(scale=scale, width=4, blocks=1, anchor=anchor))
    last = trunk.get_layer("last")
    last.set_weights([np.zeros_like(array) for array in last.get_weights()])
    low = np.random.default_rng(0).random((1, 5, 7, 3), np.float32)
    found = attach_tail(trunk, "none", scale=scale)(low).numpy()
    np.testing.assert_array_equal(found, low.repeat(scale, axis=1).repeat(scale, axis=2))


def test_it_starts_near_the_nearest_neighbour(photographs):
    low = photographs["coffee"][None, 200:240, 300:340].astype(np.float32) / 255.0
    found = attach_tail(build_abpn(AbpnConfig(scale=3)), "none", scale=3)(low).numpy()
    repeated = low.repeat(3, axis=1).repeat(3, axis=2)
    assert 0.0 < np.abs(found - repeated).mean() < 0.1


def test_both_anchors_are_one_function_and_none_is_without():
    models = [
        build_abpn(AbpnConfig(scale=3, width=4, blocks=1, anchor=anchor))
        for anchor in ("concat", "conv", "none")
    ]
    weights = named_weights(random_weights(models[0]))
    for model in models[1:]:
        set_named_weights(model, {**named_weights(model), **weights})
    low = np.random.default_rng(1).random((2, 6, 5, 3), np.float32)
    concat, conv, none = (model(low).numpy() for model in models)
    np.testing.assert_allclose(conv, concat, atol=1e-6)
    np.testing.assert_allclose(none + np.tile(low, 9), concat, atol=1e-6)


def test_the_residual_is_the_first_operand_of_the_addition():
    add = build_abpn(AbpnConfig(scale=2, width=4)).get_layer("add")
    assert [tensor.node.layer.name for tensor in add.input] == ["last", "anchor"]


def test_the_calibrators_in_place_fault_spares_the_picture():
    trunk = random_weights(build_abpn(AbpnConfig(scale=2, width=4, blocks=0)))
    picture = np.random.default_rng(3).integers(30, 220, (8, 8, 3), dtype=np.uint8)
    natural = RepresentativeDataset([picture], [], "natural", "test", "", 2)
    model = attach_tail(trunk, "none", scale=2)
    graph = read_graph(convert_with_calibrator(model, natural, height=8, width=8, io="int8"))
    (addition,) = (op for op in graph.operators if op.name == "ADD")
    residual, anchor = (graph.tensors[index] for index in addition.inputs)
    assert anchor.scale == graph.tensors[graph.inputs[0]].scale
    assert anchor.scale == pytest.approx(picture.max() / 255 / 255, rel=1e-4)
    # The operand that is spoilt has at least the range it should have.
    found = observe_ranges(model, natural)["last"]
    assert (-128 - residual.zero_point) * residual.scale <= found.minimum + residual.scale
    assert (127 - residual.zero_point) * residual.scale >= found.maximum - residual.scale


def test_an_unknown_anchor():
    with pytest.raises(OptionError, match="concat, conv, none, found 'bilinear'"):
        AbpnConfig(scale=2, anchor="bilinear")


@pytest.mark.parametrize("times", [1, 2, 4, 7, 9, 16])
def test_repeated_channels(times):
    x = np.random.default_rng(0).random((2, 3, 4, 3), np.float32)
    np.testing.assert_array_equal(RepeatChannels(times)(x).numpy(), np.tile(x, times))


def test_repeated_channels_survive_saving(tmp_path):
    picture = tf_keras.Input((None, None, 3))
    tf_keras.Model(picture, RepeatChannels(4)(picture)).save(tmp_path / "model.keras")
    loaded = tf_keras.models.load_model(tmp_path / "model.keras")
    x = np.random.default_rng(0).random((1, 3, 4, 3), np.float32)
    np.testing.assert_array_equal(loaded(x).numpy(), np.tile(x, 4))


def test_the_repeated_picture_has_the_range_of_the_picture():
    trunk = build_abpn(AbpnConfig(scale=2, width=4, blocks=0))
    assert points(trunk)["anchor"].passes_through
    assert quantized_points(trunk) == ["input", "first", "to_pixels", "last", "add"]


@pytest.mark.parametrize(
    ("name", "tail", "operators"),
    [
        ("abpn_x2", "relu", {"CONCATENATION": 1, "ADD": 1, "CONV_2D": 5}),
        ("abpn", "relu", {"CONCATENATION": 2, "ADD": 1, "CONV_2D": 5}),
        ("abpn", "none", {"CONCATENATION": 2, "ADD": 1, "CONV_2D": 5}),
        ("abpn_conv", "relu", {"ADD": 1, "CONV_2D": 6}),
        ("abpn_none", "relu", {"CONV_2D": 5}),
    ],
)
def test_the_int8_file(name, tail, operators, small_file):
    check_int8_file(small_file(name, tail), operators={**operators, "DEPTH_TO_SPACE": 1})
