import pytest

from runtime_bench.pages.flame import BETWEEN, Box, flame, spans_of
from tests.sr_models.ground.test_plots import drawn


def timed(op, median_ms, *, partition=None, height=None):
    return {
        "op": op,
        "inside": partition is not None,
        "partition": partition,
        "median_ms": median_ms,
        "mean_ms": 99.0,
        "calls": 1,
        "height": height,
        "width": height,
    }


def row(*operators, between_ms=0.0):
    return {"delegate": "xnnpack", "profile": operators, "profiled": {"between_ms": between_ms}}


def boxes(spans):
    return [(span.level, span.start_ms, span.width_ms, span.label) for span in spans]


def test_operators_lie_in_their_partitions_in_the_order_in_which_they_ran():
    spans = spans_of(
        row(
            timed("QUANTIZE", 1.0),
            timed("CONV_2D", 4.0, partition=0, height=24),
            timed("ADD", 2.0, partition=0),
            timed("PRELU", 3.0),
            timed("CONV_2D", 5.0, partition=1),
            timed("ADD", 1.0, partition=2),
            between_ms=4.0,
        )
    )
    assert boxes(spans) == [
        (0, 0.0, 20.0, "inference, sum of medians 20 ms"),
        (1, 0.0, 1.0, "QUANTIZE 1 ms"),
        (2, 1.0, 4.0, "CONV_2D 24x24 4 ms"),
        (2, 5.0, 2.0, "ADD 2 ms"),
        (1, 1.0, 6.0, "xnnpack 0"),
        (1, 7.0, 3.0, "PRELU 3 ms"),
        (2, 10.0, 5.0, "CONV_2D 5 ms"),
        (1, 10.0, 5.0, "xnnpack 1"),
        (2, 15.0, 1.0, "ADD 1 ms"),
        (1, 15.0, 1.0, "xnnpack 2"),
        (1, 16.0, 4.0, BETWEEN),
    ]


def test_next_to_nothing_between_operators_is_left_out():
    assert len(spans_of(row(timed("ADD", 10.0), between_ms=0.01))) == 2


def told(op, mean_ms, *, inside=False, calls=1):
    return {"op": op, "inside": inside, "mean_ms": mean_ms, "calls": calls}


def test_a_phones_delegate_holds_what_it_is_made_of():
    profile = [
        told("QUANTIZE", 0.5),
        told("TfLiteNnapiDelegate", 8.0),
        told("ADD", 0.5, calls=2),
        told("Convolution", 5.0, inside=True),
        told("Clamp", 2.0, inside=True),
    ]
    spans = spans_of({"delegate": "nnapi", "profile": profile})
    assert boxes(spans) == [
        (0, 0.0, 9.5, "inference, sum of means 9.5 ms"),
        (1, 0.0, 0.5, "QUANTIZE 0.5 ms"),
        (1, 0.5, 8.0, "TfLiteNnapiDelegate 8 ms"),
        (1, 8.5, 1.0, "ADD 0.5 ms"),
        (2, 0.5, 5.0, "Convolution 5 ms"),
        (2, 5.5, 2.0, "Clamp 2 ms"),
    ]
    assert spans[2].kind == "" and spans[1].kind == "QUANTIZE"


def test_what_lies_in_which_of_several_kernels_is_not_guessed():
    profile = [
        told("Delegate", 3.0),
        told("ADD", 1.0),
        told("Delegate", 3.0),
        told("Convolution", 5.0, inside=True),
    ]
    spans = spans_of({"delegate": "gpu", "profile": profile})
    assert [span.label for span in spans if span.level == 2] == []


@pytest.mark.parametrize("label", ["CONV_2D 24x24 4 ms", "<script>", "$x^2$", "_hidden"])
def test_boxes_are_drawn_whatever_they_are_called(label):
    spans = [Box(0, 0.0, 10.0, "all"), Box(1, 0.0, 9.9, label, label), Box(1, 9.9, 0.1, label)]
    assert drawn(flame(spans)).tag.endswith("svg")


def test_a_file_without_operators_is_no_flame():
    with pytest.raises(ValueError):
        spans_of(row())
