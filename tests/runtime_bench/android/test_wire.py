"""Files of the program, whole, cut, and made to harm."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime_bench.android.output import Times, parse_output
from runtime_bench.android.results_file import read_results
from runtime_bench.android.runtime_info import read_runtime_info
from runtime_bench.android.wire import MOST_BYTES, Message, WireError
from tests.runtime_bench.android import texts
from tests.runtime_bench.android.protos import Result, results_pb, runtime_info_pb

OPERATORS = ["QUANTIZE", "CONV_2D", "CONV_2D", "DEPTH_TO_SPACE", "QUANTIZE"]
PARTLY = runtime_info_pb(OPERATORS, {"LITERT_CL": [[1, 2], [4]]}, plan=[0, 5, 3, 6])


def test_results_are_read_as_protobuf_wrote_them():
    found = read_results(results_pb())
    assert found.inference == Times(50, None, 72.49, 1.25, 70.1, 75.2, 70.25, 72.4, 74.9)
    assert found.warmup == Times(3, 83.45, 77.85)
    assert (found.init_ms, found.init_mb, found.overall_mb) == (1.57, 4.0, 21.5)
    assert (found.peak_mb, found.size_mb, found.throughput_mb_s) == (None, 0.0547, 12.5)
    # What the file does not hold stays the text's.
    merged = found.over(parse_output(texts.LITERT))
    assert (merged.inference.p95_ms, merged.peak_mb) == (74.9, 21.5)


def test_what_did_not_run_has_no_times():
    assert read_results(results_pb(runs=0)).inference is None
    assert read_results(results_pb(warmups=0)).warmup is None
    assert read_results(Result(name="x").SerializeToString()).inference is None
    assert read_results(None) is None and read_runtime_info(None) is None


@given(st.floats(0, 1e9, width=32))
def test_floats_come_back_with_the_fewest_digits(value):
    (found,) = [read_results(results_pb(avg_ms=value)).inference.mean_ms]
    assert np.float32(found) == np.float32(value)
    assert len(f"{found!r}".replace(".", "").lstrip("0").rstrip("0").split("e")[0]) <= 9


def test_a_delegates_share_is_what_the_graph_says():
    info = read_runtime_info(PARTLY)
    share = info.share_of(lambda name: "CL" in name)
    assert (share.name, share.nodes, share.total, share.kernels) == ("LITERT_CL", 3, 5, 2)
    assert (share.parts, share.left) == (4, ("QUANTIZE", "DEPTH_TO_SPACE"))
    nobody = info.share_of(lambda name: "XNN" in name)
    assert (nobody.name, nobody.nodes, nobody.parts, len(nobody.left)) == ("", 0, 1, 5)


def test_a_kernel_that_was_taken_back_does_not_count():
    data = runtime_info_pb(OPERATORS, {"LITERT_CL": [[1, 2]]}, plan=[0, 1, 2, 3, 4])
    assert read_runtime_info(data).share_of(lambda name: True).nodes == 0


def key(number, kind):
    return bytes([number << 3 | kind])


# A kernel that stands for a node that is not there.
STRAY = runtime_info_pb(["ADD"], {"A": [[0]]}).replace(key(2, 2) + b"\1\0", key(2, 2) + b"\1\5")


@pytest.mark.parametrize(
    ("read", "data", "said"),
    [
        (read_results, b"", "results.pb from benchmark_model, found an empty file"),
        (read_results, results_pb()[:-1], "found it cut at byte"),
        (read_results, key(2, 2) + b"\xff" * 10, "found no message at byte 1"),
        (read_results, key(2, 2) + b"\xff\xff\xff\xff\x0f", "found it cut at byte 6"),
        (read_results, key(2, 3), "found no message"),
        (read_results, b"\x00\x00", "found no message"),
        (read_results, key(2, 0) + b"\x05", "found a field 2 of another type"),
        (read_results, results_pb(avg_ms=float("nan")), "found a figure of nan"),
        (read_results, results_pb(p95_ms=-1), "found a figure of -1"),
        (read_results, results_pb(init_ms=float("inf")), "found a figure of inf"),
        (read_results, results_pb(runs=-7), "found -7 runs"),
        (read_results, bytes(MOST_BYTES + 1), "more than any has"),
        (read_results, (key(7, 0) + b"\0") * (1 << 18 | 1), "found no message"),
        (read_runtime_info, b"", "runtime_info.pb from benchmark_model, found an empty file"),
        (read_runtime_info, PARTLY[:-40], "found it cut"),
        (read_runtime_info, key(1, 2) + b"\0", "found no graph in it"),
        (read_runtime_info, runtime_info_pb([], {}), "found a graph without nodes"),
        (read_runtime_info, runtime_info_pb(["ADD"], {}, plan=[7]), "found a node 7"),
        (
            read_runtime_info,
            runtime_info_pb(["ADD"], {"A": [[0]]}).replace(
                key(2, 2) + b"\1\0", key(2, 2) + b"\1\5"
            ),
            "found a node 5 that it does not list",
        ),
        (
            read_runtime_info,
            runtime_info_pb(["ADD", "ADD"], {}).replace(key(1, 0) + b"\1", key(1, 0) + b"\0"),
            "found two nodes of number 0",
        ),
    ],
)
def test_a_file_that_cannot_be_is_one_line(read, data, said):
    with pytest.raises(WireError, match=r"expected a whole .* run it again") as caught:
        read(data)
    assert said in str(caught.value) and "\n" not in str(caught.value)


@given(st.binary(max_size=200), st.sampled_from([read_results, read_runtime_info]))
def test_any_bytes_are_read_or_refused(data, read):
    try:
        read(data)
    except WireError as error:
        assert len(str(error)) < 300


@given(st.data())
def test_a_changed_byte_is_read_or_refused(data):
    whole = bytearray(data.draw(st.sampled_from([results_pb(), PARTLY])))
    whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    for read in (read_results, read_runtime_info):
        try:
            read(bytes(whole))
        except WireError:
            continue


def test_texts_are_short_and_printable():
    name = "TfLite\x1b[31m" + "x" * 500
    info = read_runtime_info(runtime_info_pb(["ADD"], {name: [[0]]}))
    (kernel,) = info.kernels
    assert kernel.delegate == "TfLite?[31m" + "x" * 69
    assert Message(b"", "x").text(1) == ""
