import pytest

from export.inspecting.work import work_of
from export.running.targets import Target, find_target
from sr_models.tflite.flatbuffer import FileGraph, OperatorInfo, TensorInfo


def tensor(shape, dtype="int8", constant=False):
    return TensorInfo("t", shape, dtype, 0.1, 0, (0.1,), constant)


@pytest.fixture(scope="module")
def graph():
    """3x3 in two groups, a transposed 4x4 of stride 2, a fully connected layer and others."""
    tensors = (
        tensor((1, 6, 8, 8), "uint8"),
        tensor((1, 6, 8, 8)),
        tensor((12, 3, 3, 4), constant=True),
        tensor((1, 6, 8, 12)),
        tensor((5, 4, 4, 12), constant=True),
        tensor((4,), "int32", constant=True),
        tensor((1, 12, 16, 5)),
        tensor((7, 5), constant=True),
        tensor((1, 12, 16, 7)),
        tensor((1, 12, 16, 7)),
        tensor((1, 12, 16, 42)),
        tensor((7, 1, 1, 7), "float32", constant=True),
    )
    operators = (
        OperatorInfo(0, "QUANTIZE", (0,), (1,)),
        OperatorInfo(1, "CONV_2D", (1, 2, -1), (3,)),
        OperatorInfo(2, "TRANSPOSE_CONV", (5, 4, 3), (6,)),
        OperatorInfo(3, "FULLY_CONNECTED", (6, 7, -1), (8,)),
        OperatorInfo(4, "PRELU", (8, 7), (9,)),
        OperatorInfo(5, "CONCATENATION", (9,) * 6, (10,)),
        OperatorInfo(6, "CONV_2D", (9, 11, -1), (9,)),
    )
    return FileGraph(tensors, operators, (0,), (10,), 1, "0" * 64, 1)


def test_each_operator_says_what_it_asks_for_and_what_is_computed(graph):
    found = work_of(graph, find_target("arm64-dotprod"))
    pixels = 6 * 8
    expected = {
        # Six outputs of each group fill sixteen.
        1: (pixels * 9 * 4 * 12, pixels * 9 * 4 * 32),
        # Four of its sixteen taps reach each pixel.
        2: (4 * pixels * 4 * 12 * 5, 4 * pixels * 4 * 12 * 16),
        3: (4 * pixels * 5 * 7, 4 * pixels * 8 * 16),
    }
    numbers = {op.index: (op.useful, op.computed) for op in found.operators if op.useful}
    assert numbers == expected
    assert found.useful == sum(useful for useful, _ in expected.values())
    assert found.waste_fraction == pytest.approx(1.0 - found.useful / found.computed)
    assert found.operators[3].waste_fraction == pytest.approx(1.0 - 35 / 128)


def test_what_the_delegate_leaves_is_told_apart(graph):
    found = work_of(graph, find_target("x86-avx2")).operators
    # Uint8 codes, a slope of each channel, and six tensors joined at once.
    assert [op.index for op in found if not op.taken] == [0, 4, 5]


def test_shares_of_time_sum_up(graph):
    found = work_of(graph, find_target("x86-avx2"))
    assert sum(map(found.percent, found.operators)) == pytest.approx(100.0)


def test_a_target_of_unknown_kernels_tells_its_operators_apart_all_the_same(graph):
    npu = Target("npu", "some", None, frozenset({"TRANSPOSE_CONV"}), "a table", signed_only=False)
    found = work_of(graph, npu)
    assert [op.index for op in found.operators if not op.taken] == [2, 5]
    assert found.computed is None and found.waste_fraction is None and found.useful > 0
    assert found.to_json()["operators"][2]["percent"] is None
