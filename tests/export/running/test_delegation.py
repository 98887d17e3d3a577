import pytest

from export.exporting.conversion import convert_with_calibrator, convert_with_ranges
from export.running.interpreters import open_model
from export.running.runtimes import Delegation, read_delegation
from representative_data.observation import observe_ranges, pin_pixels
from tests.networks import sharpening_network


def node(name, inputs, outputs):
    return {"op_name": name, "inputs": inputs, "outputs": outputs}


# Tensor 0 is the input, odd tensors are weights: 0 -> CONV -> 2 -> RELU -> 4 -> CONV -> 6.
CHAIN = [
    node("CONV_2D", [0, 1], [2]),
    node("RELU", [2], [4]),
    node("CONV_2D", [4, 5], [6]),
]


@pytest.mark.parametrize(
    ("partitions", "expected"),
    [
        ([], Delegation(0, 3, 0, ("CONV_2D", "RELU", "CONV_2D"))),
        ([node("DELEGATE", [0, 1, 5], [6])], Delegation(3, 3, 1, ())),
        ([node("DELEGATE", [0, 1], [2])], Delegation(1, 3, 1, ("RELU", "CONV_2D"))),
        (
            [node("DELEGATE", [0, 1], [2]), node("DELEGATE", [4, 5], [6])],
            Delegation(2, 3, 2, ("RELU",)),
        ),
    ],
    ids=["none", "all", "first", "two partitions"],
)
def test_a_chain(partitions, expected):
    assert read_delegation(CHAIN + partitions) == expected


def test_no_operators_at_all():
    assert read_delegation([]) == Delegation(0, 0, 0, ())


def test_branches_that_meet_are_counted_once():
    nodes = [
        node("CONV_2D", [0], [1]),
        node("RELU", [1], [2]),
        node("LOGISTIC", [1], [3]),
        node("ADD", [2, 3], [4]),
    ]
    found = read_delegation([*nodes, node("DELEGATE", [0], [4])])
    assert (found.delegated_nodes, found.left_behind) == (4, ())


def test_a_partition_with_two_outputs_and_a_node_with_two():
    nodes = [
        node("SPLIT", [0], [1, 2]),
        node("RELU", [1], [3]),
        node("CUSTOM", [2], [4]),
        node("ADD", [3, 4], [5]),
    ]
    found = read_delegation(
        [
            *nodes,
            node("DELEGATE", [0], [3, 2]),
            node("DELEGATE", [3, 4], [5]),
        ]
    )
    assert found == Delegation(3, 4, 2, ("CUSTOM",))


def test_optional_inputs_are_passed_over():
    nodes = [node("CONV_2D", [0, 1, -1], [2])]
    assert read_delegation([*nodes, node("DELEGATE", [0, 1], [2])]).delegated_nodes == 1


def test_json_names_what_was_left_behind():
    assert Delegation(2, 3, 2, ("RELU",)).to_json() == {
        "delegated_nodes": 2,
        "total_nodes": 3,
        "partitions": 2,
        "left_behind": ["RELU"],
    }


@pytest.fixture(scope="module")
def clipped(natural):
    return convert_with_calibrator(sharpening_network(tail="clip"), natural, height=24, width=24)


@pytest.mark.parametrize(("io", "left_behind"), [("uint8", ("QUANTIZE",) * 2), ("int8", ())])
def test_xnnpack_leaves_nothing_of_a_clip_free_file_but_its_interface(
    io, left_behind, sharpening, natural
):
    ranges = pin_pixels(observe_ranges(sharpening, natural), sharpening)
    content = convert_with_ranges(
        sharpening, ranges, sample=natural.pictures[0], height=24, width=24, io=io
    )
    total = 2 + len(left_behind)
    assert open_model(content).delegation == Delegation(2, total, 1, left_behind)


def test_xnnpack_leaves_the_clip_behind(clipped):
    """Measured with ai-edge-litert 2.3: the reason why a clip at the end is slow."""
    assert open_model(clipped).delegation == Delegation(
        2, 6, 1, ("QUANTIZE", "MINIMUM", "RELU", "QUANTIZE")
    )


@pytest.mark.parametrize("delegate", ["builtin", "reference"])
def test_without_a_delegate_nothing_is_delegated(clipped, delegate):
    found = open_model(clipped, delegate=delegate).delegation
    assert (found.delegated_nodes, found.partitions) == (0, 0)
    assert len(found.left_behind) == found.total_nodes
