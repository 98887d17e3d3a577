import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime_bench.android.measurement import FELL_BACK, PhonePlacement, judge_placement
from runtime_bench.android.output import parse_output
from runtime_bench.android.tool import DELEGATES
from tests.runtime_bench.android import texts


def judged(text, delegate):
    return judge_placement(parse_output(text), delegate)


WHOLE = (
    "VERBOSE: Replacing 14 out of 14 node(s) with delegate (TfLiteGpuDelegateV2) node, yielding 1 "
    "partitions for subgraph 0.\nINFO: Explicitly applied GPU delegate, and the model graph will "
    "be completely executed by the delegate.\n"
)


@pytest.mark.parametrize(
    ("text", "delegate", "expected"),
    [
        (texts.CLASSIC, "xnnpack", PhonePlacement("partially", 12, 14, 2)),
        (texts.NNAPI_PARTLY, "nnapi", PhonePlacement("partially", 11, 14, 1)),
        (WHOLE, "gpu", PhonePlacement("completely", 14, 14, 1)),
        (texts.FALLBACK, "nnapi", PhonePlacement(FELL_BACK, 0, 14, 0)),
        # The CPU took everything and of the GPU there is no word.
        (
            texts.FALLBACK.replace("Though NNAPI", "Thus"),
            "gpu",
            PhonePlacement(FELL_BACK, 0, 14, 0),
        ),
        (
            "NNAPI acceleration is unsupported on this platform.",
            "nnapi",
            PhonePlacement(FELL_BACK, 0, None, 0),
        ),
        (texts.REFUSED, "nnapi", PhonePlacement(FELL_BACK, 0, None, 0)),
        (texts.LITERT, "gpu", PhonePlacement("unknown")),
        (texts.CLASSIC, "none", PhonePlacement("not delegated")),
    ],
)
def test_placements_are_judged(text, delegate, expected):
    assert judged(text, delegate) == expected


def test_what_a_release_build_tells_is_enough():
    """Without the VERBOSE line the extent is known, and the number of nodes is not."""
    text = "\n".join(line for line in texts.CLASSIC.splitlines() if "Replacing" not in line)
    assert judged(text, "xnnpack") == PhonePlacement("partially", None, None, 2)


def test_nodes_alone_are_enough():
    text = next(line for line in WHOLE.splitlines() if "Replacing" in line)
    assert judged(text, "gpu") == PhonePlacement("completely", 14, 14, 1)
    partly = text.replace("14 out", "13 out")
    assert judged(partly, "gpu") == PhonePlacement("partially", 13, 14, None)


def test_litert_names_its_accelerators_in_its_own_way():
    text = WHOLE.splitlines()[0].replace("TfLiteGpuDelegateV2", "LITERT_CL")
    assert judged(text, "gpu").whole
    assert judged(text.replace("LITERT_CL", "DispatchDelegate"), "npu").whole


def test_a_fall_back_is_never_whole():
    assert judged(texts.FALLBACK, "nnapi").fell_back
    assert not judged(texts.FALLBACK, "nnapi").whole
    assert not judged("", "nnapi").fell_back and not judged("", "nnapi").whole


@given(st.text(), st.sampled_from(DELEGATES))
def test_any_text_is_judged(text, delegate):
    judged(text, delegate)
