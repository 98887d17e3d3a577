import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime_bench.android.profile import OperatorTime, left_to_cpu, parse_profile
from tests.runtime_bench.android.texts import CLASSIC, PROFILE_CSV, PROFILE_TEXT


def test_csv_is_read_without_the_initialization():
    found = parse_profile(PROFILE_CSV)
    assert found[:2] == (
        OperatorTime("QUANTIZE", 0.2, 4.0, 1, "serving_default_input:0"),
        OperatorTime("TfLiteNnapiDelegate", 4.8, 96.0, 1, "StatefulPartitionedCall:0"),
    )


def test_what_is_left_to_the_cpu_is_named():
    assert left_to_cpu(parse_profile(PROFILE_CSV)) == ("QUANTIZE",)
    assert left_to_cpu(parse_profile(PROFILE_TEXT)) == ("CONV_2D", "DEPTHWISE_CONV_2D")


def test_operators_inside_of_a_delegate_are_told_apart():
    (inside,) = [found for found in parse_profile(PROFILE_CSV) if found.inside]
    assert inside == OperatorTime(
        "Convolution (NHWC, QS8)", 4.0, 83.0, 1, "Delegate/Convolution:0", inside=True
    )


def test_text_with_a_start_column_is_read_by_its_heading():
    found = parse_profile(PROFILE_TEXT)
    assert [row.op for row in found] == ["CONV_2D", "DEPTHWISE_CONV_2D"]
    assert [row.mean_ms for row in found] == [60.957, 49.87]
    assert found[0].name == "[model/conv, first/Relu]:0"
    assert found[0].percent == pytest.approx(2.066)


def test_text_without_that_column_is_read_alike():
    lines = [
        "\t".join(cell for index, cell in enumerate(line.split("\t")) if index != 2)
        for line in PROFILE_TEXT.splitlines()
    ]
    found = parse_profile("\n".join(lines))
    assert found == parse_profile(PROFILE_TEXT)
    # A copy from a terminal, whose tabs are spaces.
    spaced = parse_profile("\n".join(line.replace("\t", "   ") for line in lines))
    assert [row.mean_ms for row in spaced] == [60.957, 49.87]


def test_no_table_is_no_profile():
    assert parse_profile("") == parse_profile(CLASSIC) == ()


@given(st.text())
def test_any_text_can_be_read(text):
    parse_profile(text)


@given(st.lists(st.sampled_from([*PROFILE_CSV.splitlines(), *PROFILE_TEXT.splitlines(), "\t,\t"])))
def test_any_order_of_known_lines_can_be_read(lines):
    for row in parse_profile("\n".join(lines)):
        assert row.op and row.mean_ms >= 0
