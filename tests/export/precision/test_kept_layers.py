import pytest

from export.inspecting.audit import audit_model
from export.precision.kept_layers import (
    operators_of_layers,
    raise_all,
    raise_layers,
    raised_layers,
    require_layers,
)
from sr_models.ground.errors import OptionError
from sr_models.tflite.flatbuffer import read_graph


def test_layers_are_found_by_what_the_converter_calls_their_tensors(int8_network):
    network = int8_network("xlsr")
    graph = read_graph(network.content)
    found = operators_of_layers(graph, network.model)
    assert list(found) == [
        "first",
        "mix",
        "block0_conv3",
        "block0_conv1",
        "skip",
        "concat",
        "merge",
        "last_relu",
    ]
    (concat,) = found["concat"]
    assert graph.operators[concat].name == "CONCATENATION"
    (grouped,) = found["block0_conv3"]
    kernel = graph.tensors[graph.operators[grouped].inputs[1]]
    assert kernel.shape[3] < graph.tensors[graph.operators[grouped].inputs[0]].shape[3]


@pytest.mark.parametrize("tail", ["relu", "none", "clip", "conv_clip"])
def test_behind_the_rearrangement_eight_bits_are_enough(int8_network, tail):
    network = int8_network("xlsr", tail=tail)
    content = raise_all(network.content)
    graph = read_graph(content)
    (end,) = [op.index for op in graph.operators if op.name == "DEPTH_TO_SPACE"]
    for op in graph.operators[end:]:
        assert {graph.tensors[i].dtype for i in op.outputs} <= {"int8", "uint8"}
    assert audit_model(content).pixel_contract.holds
    assert set(raised_layers(content, network.model).values()) == {"int16x8"}


@pytest.mark.parametrize("precision", ["int16x8", "float32"])
def test_what_was_kept_is_read_back_from_the_file(int8_network, precision):
    network = int8_network("xlsr")
    assert raised_layers(network.content, network.model) == {}
    content = raise_layers(
        network.content, network.model, ["concat", "last_relu"], precision=precision
    )
    assert raised_layers(content, network.model) == dict.fromkeys(
        ["concat", "last_relu"], precision
    )
    assert audit_model(content).full_integer == (precision == "int16x8")


def test_a_layer_that_is_not_there_is_named_with_the_nearest(int8_network):
    model = int8_network("xlsr").model
    require_layers(model, ["merge"])
    with pytest.raises(OptionError, match="'mrge'; did you mean merge"):
        require_layers(model, ["merge", "mrge"])


def test_a_layer_that_computes_nothing_cannot_be_kept(int8_network):
    network = int8_network("xlsr")
    with pytest.raises(OptionError, match="found depth_to_space; leave it out"):
        raise_layers(network.content, network.model, ["depth_to_space"], precision="int16x8")
