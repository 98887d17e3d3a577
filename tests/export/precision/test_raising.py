import numpy as np
import pytest
import tf_keras

from export.exporting.conversion import convert_with_ranges
from export.inspecting.audit import audit_model
from export.precision.kept_layers import raisable_operators
from export.precision.raising import raise_operators
from export.running.interpreters import open_model
from export.running.pixels import upscale
from export.running.runtimes import find_runtime
from sr_models.ground.errors import ConversionError
from sr_models.networks.graph import rebuild
from sr_models.quantization.simulator import SimulatedPrelu, quantized_kernel
from sr_models.tflite.flatbuffer import read_graph

FAMILIES = ("xlsr", "abpn", "fsrcnn", "espcn", "sesr")


def codes(content, picture, **options):
    return open_model(content, **options).run(picture[None]).astype(float)


def with_int8_weights(model):
    """The Keras network with rounded kernels, activations in float: what int16x8 comes near to."""

    def rounded(layer):
        if isinstance(layer, tf_keras.layers.PReLU):
            return SimulatedPrelu(layer)
        if type(layer) is not tf_keras.layers.Conv2D:
            return layer
        copy = tf_keras.layers.Conv2D.from_config(layer.get_config())
        kernel, *bias = layer.get_weights()
        copy.build((None, None, None, kernel.shape[2] * layer.groups))
        copy.set_weights([quantized_kernel(kernel).numpy(), *bias])
        return copy

    return rebuild(model, lambda _, tensor: tensor, replace_layer=rounded)


@pytest.mark.parametrize("delegate", ["xnnpack", "builtin", "reference"])
@pytest.mark.parametrize("family", FAMILIES)
def test_16_bit_activations_lose_nothing_beside_the_weights(int8_network, family, delegate):
    network = int8_network(family)
    wanted = dict.fromkeys(raisable_operators(read_graph(network.content)), "int16")
    content = raise_operators(network.content, wanted)
    audit = audit_model(content)
    assert audit.full_integer and audit.pixel_contract.holds and not audit.clip_ops

    y = with_int8_weights(network.model)(network.picture[None] / np.float32(255.0)).numpy()
    expected = np.rint(255.0 * np.clip(y, 0.0, 1.0))
    difference = np.abs(codes(content, network.picture, delegate=delegate) - expected)
    assert expected.std() > 20.0
    assert difference.max() <= 1.0
    assert np.mean(difference > 0.0) < 0.06


@pytest.mark.parametrize("family", FAMILIES)
def test_an_island_of_the_whole_network_is_the_float_network(int8_network, family):
    from export.precision.kept_layers import operators_of_layers, raise_layers

    network = int8_network(family)
    layers = list(operators_of_layers(read_graph(network.content), network.model))
    content = raise_layers(network.content, network.model, layers, precision="float32")
    audit = audit_model(content)
    assert audit.pixel_contract.holds and not audit.full_integer
    difference = np.abs(codes(content, network.picture) - np.rint(network.expected))
    assert difference.max() <= 1.0
    assert np.mean(difference > 0.0) < 0.005


@pytest.mark.parametrize("kind", ["int16", "float32"])
def test_operators_that_no_shipped_network_has_are_raised_too(int8_network, kind):
    network = int8_network("rare", tail="none")
    wanted = dict.fromkeys(raisable_operators(read_graph(network.content)), kind)
    kinds = {read_graph(network.content).operators[index].name for index in wanted}
    assert {"DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "LEAKY_RELU"} <= kinds
    found = codes(raise_operators(network.content, wanted), network.picture)
    plain = codes(network.content, network.picture)

    def error(codes):
        # Rounding to a pixel alone costs 1/12; below black and above white there is none.
        inside = (network.expected > 1.0) & (network.expected < 254.0)
        return np.square(codes - network.expected)[inside].mean() - 1 / 12

    # The file's own weights stay rounded: what is left is what they cost.
    assert error(found) < 0.6 * error(plain)


def test_each_operator_raised_alone_still_runs_and_loses_nothing(int8_network):
    network = int8_network("sesr")
    plain = np.square(codes(network.content, network.picture) - network.expected).mean()
    for index in raisable_operators(read_graph(network.content)):
        for kind in ("int16", "float32"):
            content = raise_operators(network.content, {index: kind})
            assert audit_model(content).pixel_contract.holds
            found = np.square(codes(content, network.picture) - network.expected).mean()
            # Errors of layers are not independent; none may become a gross one.
            assert found < 1.5 * plain


def test_16_bits_inside_run_in_tensorflows_own_interpreter(int8_network):
    network = int8_network("abpn")
    wanted = dict.fromkeys(raisable_operators(read_graph(network.content)), "int16")
    content = raise_operators(network.content, wanted)
    own = open_model(content, delegate="builtin", runtime=find_runtime(["tensorflow"]))
    np.testing.assert_array_equal(
        own.run(network.picture[None]), codes(content, network.picture, delegate="builtin")
    )


@pytest.mark.parametrize("io", ["int8", "float32"])
def test_every_interface_stays_as_it_was(int8_network, io):
    network = int8_network("xlsr", io=io)
    before = audit_model(network.content)
    wanted = dict.fromkeys(raisable_operators(read_graph(network.content)), "int16")
    content = raise_operators(network.content, wanted)
    after = audit_model(content)
    assert (after.inputs, after.outputs) == (before.inputs, before.outputs)
    fed = {
        "int8": (network.picture.astype(np.int16) - 128).astype(np.int8),
        "float32": network.picture / np.float32(255.0),
    }[io]
    found = open_model(content).run(fed[None]).astype(float)
    found = found + 128.0 if io == "int8" else found * 255.0
    assert np.abs(found - network.expected).mean() < 2.0


def test_nothing_that_is_no_longer_needed_stays_in_the_file(int8_network):
    network = int8_network("xlsr")
    graph = read_graph(network.content)
    content = raise_operators(network.content, dict.fromkeys(raisable_operators(graph), "float32"))
    after = read_graph(content)
    read = {i for op in after.operators for i in (*op.inputs, *op.outputs)}
    assert {i for i, tensor in enumerate(after.tensors)} == read
    assert [op.name for op in after.operators].count("QUANTIZE") == 2


def test_what_only_moves_pixels_cannot_be_raised(int8_network):
    network = int8_network("xlsr")
    (index,) = [
        op.index for op in read_graph(network.content).operators if op.name == "DEPTH_TO_SPACE"
    ]
    with pytest.raises(ConversionError, match=r"found DEPTH_TO_SPACE .*leave it in int8"):
        raise_operators(network.content, {index: "int16"})


@pytest.mark.parametrize("kind", ["int16", "float32"])
def test_a_file_of_any_size_stays_one(int8_network, kind):
    network = int8_network("abpn")
    free = convert_with_ranges(
        network.model, network.ranges, sample=network.picture, height=None, width=None
    )
    found = []
    for content in (network.content, free):
        wanted = dict.fromkeys(raisable_operators(read_graph(content)), kind)
        found.append(upscale(open_model(raise_operators(content, wanted)), network.picture).raw)
    np.testing.assert_array_equal(*found)
