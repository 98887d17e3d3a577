from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime_bench.android.output import parse_output
from runtime_bench.android.placement import FELL_BACK, PhonePlacement, judge_placement
from runtime_bench.android.runtime_info import read_runtime_info
from runtime_bench.android.tool import DELEGATES
from tests.runtime_bench.android import texts
from tests.runtime_bench.android.protos import runtime_info_pb


def judged(text, delegate):
    """The placement without its names, which have a test of their own."""
    return replace(judge_placement(parse_output(text), delegate), name="", parts=None)


NO_GPU = "WARNING: [auto.cc:266] GPU accelerator could not be loaded and registered.\n"
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
        (texts.LITERT + NO_GPU, "gpu", PhonePlacement(FELL_BACK, 0, None, 0)),
        (texts.LITERT + NO_GPU, "npu", PhonePlacement("unknown")),
        # Whatever was not found, something took the graph.
        (NO_GPU + WHOLE, "gpu", PhonePlacement("completely", 14, 14, 1)),
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


SIX = ["QUANTIZE", "CONV_2D", "CONV_2D", "ADD", "DEPTH_TO_SPACE", "QUANTIZE"]
GPU_PARTLY = {"LITERT_CL": [[1, 2, 3]], "TfLiteXNNPackDelegate": [[0], [4, 5]]}


def told(taken, delegate, text="", operators=6, plan=None):
    info = read_runtime_info(runtime_info_pb(SIX[:operators], taken, plan=plan))
    return judge_placement(parse_output(text), delegate, info, operators=6)


@pytest.mark.parametrize(
    ("taken", "delegate", "verdict", "nodes", "kernels", "left"),
    [
        (GPU_PARTLY, "gpu", "partially", 3, 1, ("QUANTIZE", "DEPTH_TO_SPACE", "QUANTIZE")),
        (GPU_PARTLY, "xnnpack", "partially", 3, 2, ("CONV_2D", "CONV_2D", "ADD")),
        ({"LITERT_CL": [range(6)]}, "gpu", "completely", 6, 1, ()),
        ({"TfLiteNnapiDelegate": [range(6)]}, "nnapi", "completely", 6, 1, ()),
        ({"TfLiteXNNPackDelegate": [range(6)]}, "gpu", FELL_BACK, 0, 0, tuple(SIX)),
        ({}, "gpu", FELL_BACK, 0, 0, tuple(SIX)),
        ({}, "none", "not delegated", 0, 0, None),
    ],
)
def test_the_graph_as_it_ran_goes_before_any_text(taken, delegate, verdict, nodes, kernels, left):
    # The text claims that the GPU took everything.
    found = told(taken, delegate, WHOLE)
    assert (found.verdict, found.delegated_nodes, found.total_nodes) == (verdict, nodes, 6)
    assert (found.partitions, found.left, found.source) == (kernels, left, "runtime_info.pb")


def test_what_an_npus_compiler_put_together_counts_as_the_files_operators():
    """Six operators became one of the NPU and two that it left."""
    found = told({"DispatchDelegate": [[1]]}, "npu", operators=3)
    assert (found.verdict, found.delegated_nodes, found.total_nodes) == ("partially", 4, 6)
    found = told({"DispatchDelegate": [[0]]}, "npu", operators=1)
    assert (found.verdict, found.delegated_nodes, found.total_nodes) == ("completely", 6, 6)


def test_names_and_pieces_come_from_either():
    found = told(GPU_PARTLY, "gpu", plan=[7, 6, 8])
    assert (found.name, found.parts) == ("LITERT_CL", 3)
    found = judge_placement(parse_output(texts.CLASSIC), "xnnpack")
    assert (found.name, found.parts, found.source) == ("TfLiteXNNPackDelegate", 3, "text")
