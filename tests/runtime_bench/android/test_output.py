import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime_bench.android.output import Applied, Replacement, Times, parse_output, times_of_count
from tests.runtime_bench.android import texts


def test_the_classic_text_is_read_whole():
    found = parse_output(texts.CLASSIC)
    assert found.inference == pytest.approx(found.inference)
    assert found.inference.runs == 50
    assert found.inference.first_ms == pytest.approx(71.9)
    assert found.inference.mean_ms == pytest.approx(71.9904)
    assert found.inference.std_ms == pytest.approx(1.009)
    assert (found.inference.min_ms, found.inference.max_ms) == pytest.approx((70.99, 77.95))
    times = (found.inference.p5_ms, found.inference.median_ms, found.inference.p95_ms)
    assert times == pytest.approx((71.18, 71.951, 75.61))
    assert (found.warmup.runs, found.warmup.first_ms) == (7, pytest.approx(83.45))
    assert found.init_ms == pytest.approx(3.21)
    assert (found.init_mb, found.overall_mb, found.peak_mb) == (3.75, 12.1914, 15.5)
    assert found.replacements == (Replacement("TfLiteXNNPackDelegate", 12, 14, 3),)
    assert found.applied == (Applied("XNNPACK", "partially", 2),)
    assert (found.refused, found.errors, found.unknown_flags) == ((), (), "")


def test_a_fall_back_is_read():
    found = parse_output(texts.FALLBACK)
    assert found.applied == (Applied("NNAPI", "not", 0),)
    assert found.accelerators == ("google-edgetpu", "nnapi-reference")
    assert found.warmup == Times(1, 30.0, 30.0, 0.0, 30.0, 30.0, 30.0, 30.0, 30.0)
    assert found.inference.median_ms == pytest.approx(21.1)


def test_a_refusal_is_read():
    found = parse_output(texts.REFUSED)
    assert found.inference is None
    assert found.refused == ("NNAPI",)
    assert found.errors[0].startswith("Could not find the specified NNAPI accelerator")
    unsupported = "WARN: NNAPI acceleration is unsupported on this platform."
    assert parse_output(unsupported).refused == ("NNAPI",)


def test_the_same_time_in_each_run_stands_for_all_statistics():
    found = parse_output(texts.NNAPI_PARTLY).inference
    assert found == Times(50, 12.0, 12.0, 0.0, 12.0, 12.0, 12.0, 12.0, 12.0)


def test_old_programs_tell_neither_median_nor_percentiles():
    found = parse_output(texts.OLD)
    assert found.inference.runs == 1000
    # A C++ double at six digits.
    assert found.inference.mean_ms == pytest.approx(1060.66)
    assert (found.inference.median_ms, found.inference.p5_ms) == (None, None)
    assert found.init_ms == pytest.approx(17.851)
    assert found.warmup.first_ms == pytest.approx(2.104)


def test_the_litert_text_is_read():
    found = parse_output(texts.LITERT)
    assert found.init_ms == pytest.approx(1.57)
    assert (found.warmup.runs, found.warmup.first_ms, found.warmup.mean_ms) == (2, 83.45, 77.85)
    assert found.inference == Times(10, mean_ms=72.49, std_ms=1.25, min_ms=70.1, max_ms=75.2)
    assert found.peak_mb == 21.5


def test_litert_with_a_statistics_line_has_the_median_too():
    found = parse_output("INFO: count=9 first=9 curr=7 avg=8 median=8 p5=7 p95=9\n" + texts.LITERT)
    assert found.inference.median_ms == pytest.approx(0.008)
    assert found.init_ms == pytest.approx(1.57)


def test_the_apps_line_in_the_log_is_read():
    found = parse_output(texts.LOGCAT)
    assert found.inference == Times(mean_ms=pytest.approx(14.5752))
    assert found.warmup == Times(first_ms=18.535, mean_ms=pytest.approx(14.4623))


def test_counts_of_profiles_are_no_runs():
    assert parse_output(texts.PROFILE_CSV).inference is None
    assert parse_output(texts.CLASSIC + texts.PROFILE_CSV).inference.runs == 50


def test_windows_line_ends_change_nothing():
    assert parse_output(texts.CLASSIC.replace("\n", "\r\n")) == parse_output(texts.CLASSIC)


def test_no_run_is_no_time():
    assert times_of_count("count=0") == Times(0)


def test_unknown_flags_are_told():
    text = "WARN: Unconsumed cmdline flags: --use_nnapi=true --x=1\n"
    assert parse_output(text).unknown_flags == "--use_nnapi=true --x=1"


@given(st.text())
def test_any_text_can_be_read(text):
    parse_output(text)


PIECES = st.sampled_from(
    [
        *texts.CLASSIC.splitlines(),
        *texts.FALLBACK.splitlines(),
        *texts.LITERT.splitlines(),
        "count=",
        "count=9999999999999999999999999",
        "curr=1e999",
        "avg=nan",
        "=",
        "\n",
        "Inference timings in us: Init: 1e999",
    ]
)


@given(st.lists(PIECES, max_size=12), st.integers(0, 40))
def test_any_order_and_any_cut_of_known_lines_can_be_read(pieces, cut):
    text = "\n".join(pieces)
    found = parse_output(text[: len(text) - cut])
    for times in (found.inference, found.warmup):
        assert times is None or times.runs is None or times.runs >= 0
