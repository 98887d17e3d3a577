import pytest

from runtime_bench.evidence.placements import LeftBehind, explain, measure_placement, placement_of
from sr_models.networks.presets import Preset
from sr_models.tflite.flatbuffer import FileGraph, OperatorInfo, TensorInfo


def graph_of(*operators, dtypes="int8"):
    """A file of operators (name, number of inputs) that read and write tensors of one type."""
    tensors = (TensorInfo("t", (1, 4, 4, 3), dtypes, 1 / 255, 0, (1 / 255,), False),)
    infos = tuple(
        OperatorInfo(index, name, (0,) * inputs, (0,))
        for index, (name, inputs) in enumerate(operators)
    )
    return FileGraph(tensors, infos, (0,), (0,), 1, "0" * 64, 1000)


def test_int8_prelu_is_explained():
    graph = graph_of(("CONV_2D", 3), ("PRELU", 2), ("PRELU", 2))
    assert explain(graph, ["PRELU", "PRELU"]) == (LeftBehind("PRELU", 2, "prelu"),)


def test_a_reason_must_explain_every_operator_of_the_kind_that_is_left():
    graph = graph_of(("CONCATENATION", 6), ("CONCATENATION", 5), ("CONCATENATION", 2))
    assert explain(graph, ["CONCATENATION"]) == (LeftBehind("CONCATENATION", 1, "concatenation"),)
    # Of two left behind, six inputs explain one.
    two = explain(graph, ["CONCATENATION"] * 2)
    assert two == (LeftBehind("CONCATENATION", 2, "unknown"),)


def test_an_absent_input_has_no_type():
    tensors = graph_of().tensors
    graph = FileGraph(tensors, (OperatorInfo(0, "PRELU", (0, -1), (0,)),), (0,), (0,), 1, "", 1)
    assert explain(graph, ["PRELU"]) == (LeftBehind("PRELU", 1, "prelu"),)


def test_what_no_rule_knows_is_unknown():
    assert explain(graph_of(("GATHER", 2)), ["GATHER"]) == (LeftBehind("GATHER", 1, "unknown"),)
    floating = graph_of(("PRELU", 2), dtypes="float32")
    assert explain(floating, ["PRELU"]) == (LeftBehind("PRELU", 1, "unknown"),)


def test_only_the_uint8_interface_is_left_behind(files):
    found = placement_of(files.clip_free.read_bytes(), name="sharpening", trained=True)
    assert found.left_behind == (LeftBehind("QUANTIZE", 2, "interface"),)
    assert (found.partitions, found.total_nodes - found.delegated_nodes) == (1, 2)
    found = placement_of(files.clip_free_int8.read_bytes(), name="sharpening", trained=True)
    assert found.left_behind == () and found.delegated_nodes == found.total_nodes
    assert found.to_json()["left_behind"] == []


@pytest.mark.slow
@pytest.mark.parametrize(("activation", "partitions"), [("prelu", 3), ("relu", 1)])
def test_a_network_is_measured_by_its_file(activation, partitions):
    """Two PReLU cut the convolutions of an ECBSR with one block into three runs."""
    config = {"scale": 2, "width": 4, "blocks": 1, "activation": activation}
    found = measure_placement(Preset("small_x2", "ecbsr", config, "for tests"))
    assert (found.name, found.trained, found.partitions) == ("small_x2", False, partitions)
    left = {one.op: (one.count, one.reason) for one in found.left_behind}
    prelu = {"PRELU": (2, "prelu")} if activation == "prelu" else {}
    assert left == {"QUANTIZE": (2, "interface"), **prelu}
    assert found.to_json()["left_behind"][-1] == {
        "op": "QUANTIZE",
        "count": 2,
        "reason": "interface",
    }
