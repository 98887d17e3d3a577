import numpy as np
import pytest

from runtime_bench.history.drift import DRIFT, drift_of
from runtime_bench.history.history import HistoryEntry
from runtime_bench.history.trend import machine_key, slowed_down, trends

MACHINE = {"cpu": "A", "cpu_features": ["avx2", "fma"], "cores": 2, "warning": None}


def timed(median_ms=10.0, *, day=1, runs=30, machine=None, protocol=None, host="h", **changed):
    """One latency entry whose samples lie within a percent of their median."""
    rng = np.random.default_rng([day, int(median_ms * 1e3)])
    samples = median_ms * rng.uniform(0.99, 1.01, runs)
    row = {
        "model": "a.tflite",
        "delegate": "xnnpack",
        "threads": 1,
        "input_shape": [1, 4, 4, 3],
        "sha256": "0" * 64,
        "runtime": "r 1",
        "median_ms": float(np.median(samples)),
        "p5_ms": 0.99 * median_ms,
        "p95_ms": 1.01 * median_ms,
        "samples_ms": samples.tolist(),
        **changed,
    }
    date = f"2026-01-{day:02}T00:00:00Z"
    return HistoryEntry("latency", date, host, machine or MACHINE, protocol or {}, row)


def judged(now, *past):
    (found,) = trends([now], past)
    return found


def test_a_history_without_the_file_says_so():
    found = judged(timed(), timed(model="b.tflite"))
    assert found.verdict == "nothing earlier" and found.change is None and not found.skipped


@pytest.mark.parametrize(
    ("median_ms", "verdict"),
    [
        (10.0, "no difference shown"),
        (10.3, "no difference shown"),
        (9.7, "no difference shown"),
        (11.0, "slower"),
        (9.0, "faster"),
        (20.0, "slower"),
    ],
)
def test_the_last_result_is_what_counts(median_ms, verdict):
    # 3 % is plain in the samples, and less than what sessions may drift.
    found = judged(timed(median_ms), timed(99.0, day=1), timed(10.0, day=2))
    assert found.verdict == verdict
    assert found.change == pytest.approx(median_ms / 10.0, rel=0.01)
    assert found.low <= found.change <= found.high
    assert len(found.earlier) == 2


def test_few_rounds_show_nothing():
    assert judged(timed(20.0, runs=8), timed(10.0)).verdict == "no difference shown"
    assert judged(timed(20.0), timed(10.0, runs=8)).verdict == "no difference shown"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"machine": {**MACHINE, "cpu": "B"}}, "another machine"),
        ({"machine": {**MACHINE, "cores": 4}}, "another machine"),
        ({"machine": {**MACHINE, "cpu_features": ["avx2"]}}, "another machine"),
        ({"delegate": "builtin"}, "another delegate"),
        ({"threads": 2}, "other threads"),
        ({"input_shape": [1, 8, 8, 3]}, "another input size"),
        ({"protocol": {"cpus": "3"}}, "other cores"),
        ({"protocol": {"input": "cat.png"}}, "another input"),
    ],
)
def test_other_work_is_said_and_not_compared(changed, reason):
    found = judged(timed(20.0), timed(10.0, **changed), timed(10.0, **changed))
    assert (found.verdict, found.skipped) == ("nothing earlier", {reason: 2})
    assert found.to_json()["not_compared"] == {reason: 2}
    beside = judged(timed(20.0), timed(10.0), timed(1.0, **changed))
    assert (beside.verdict, len(beside.earlier)) == ("slower", 1)


def test_load_and_the_order_of_features_do_not_make_another_machine():
    other = {**MACHINE, "cpu_features": ["fma", "avx2"], "load_average": 3.0, "governor": "x"}
    assert machine_key(other) == machine_key(MACHINE)


def test_what_else_differs_is_noted():
    last = timed(sha256="1" * 64, host="other", machine={**MACHINE, "warning": "noisy"})
    notes = judged(timed(runtime="r 2"), last).notes
    assert notes == (
        "another file",
        "then with r 1",
        "then on host other",
        "the machine was noisy then",
    )
    assert judged(timed(), timed()).notes == ("the same file",)


def test_a_machine_that_drifts_needs_a_larger_difference():
    quiet = [timed(ms, day=day) for day, ms in enumerate((10.0, 10.1, 9.9, 10.0), 1)]
    wild = [timed(ms, day=day) for day, ms in enumerate((8.0, 12.0, 9.0, 10.0), 1)]
    assert drift_of(quiet) == DRIFT < drift_of(wild)
    assert judged(timed(11.0), *quiet).verdict == "slower"
    assert judged(timed(11.0), *wild).verdict == "no difference shown"
    # Logarithms of 8, 12, 9, 10 over their median 9.49: MAD of 0.171, 0.235, 0.053, 0.053.
    assert drift_of(wild) == pytest.approx(np.expm1(2 * 1.4826 * 0.1115), rel=0.05)


def test_other_files_say_nothing_about_drift():
    others = [timed(ms, sha256=str(ms)) for ms in (5.0, 50.0, 500.0)]
    assert drift_of([*others, timed()]) == DRIFT


def test_sessions_that_scatter_widely_show_nothing():
    # The medians are 60 % apart, but runs of the first session took up to 17 ms.
    wide = timed(10.0, p95_ms=17.0)
    assert judged(timed(16.0), wide).verdict == "no difference shown"
    assert judged(timed(16.0, p5_ms=9.5), timed(10.0)).verdict == "no difference shown"
    assert judged(timed(18.0), wide).verdict == "slower"


def test_the_same_file_in_the_same_interpreter_is_never_to_blame():
    found = trends([timed(20.0)], [timed(10.0)])
    assert found[0].verdict == "slower"
    assert found[0].notes == ("the same file", "so the difference is the machine's")
    assert slowed_down(found, 1.1) == []
    assert slowed_down(trends([timed(20.0, runtime="r 2")], [timed(10.0)]), 1.1)


def test_a_slowdown_beyond_the_gate_is_named():
    found = trends([timed(12.0, sha256="1")], [timed(10.0)])
    assert slowed_down(found, 1.25) == []
    (text,) = slowed_down(found, 1.1)
    assert "a.tflite with xnnpack, 1 thread(s)" in text and "2026-01-01" in text
    assert slowed_down(trends([timed(9.0, sha256="1")], [timed(10.0)]), 1.1) == []
    assert slowed_down(trends([timed(12.0, sha256="1")], []), 1.1) == []


def rated(psnr_db, **changed):
    row = {
        "model": "a",
        "dataset": "d",
        "scale": 2,
        "images": 3,
        "protocol": "p",
        "delegate": "xnnpack",
        "psnr_rgb_db": psnr_db,
        "psnr_y_db": psnr_db,
        "sha256": "0",
        **changed,
    }
    return HistoryEntry("quality", "2026-01-01T00:00:00Z", "h", MACHINE, {}, row)


@pytest.mark.parametrize(
    ("now", "then", "verdict"),
    [
        (30.0, 30.0, "no difference shown"),
        (30.1, 30.0, "better"),
        (29.9, 30.0, "worse"),
        (None, 30.0, "better"),
        (30.0, None, "worse"),
        (None, None, "no difference shown"),
    ],
)
def test_quality_has_no_chance_in_it(now, then, verdict):
    assert judged(rated(now), rated(then)).verdict == verdict


def test_files_of_luma_are_compared_by_it():
    found = judged(rated(None, psnr_y_db=30.5), rated(None, psnr_y_db=30.0))
    assert (found.verdict, found.change) == ("better", 0.5)


def test_quality_of_other_pictures_is_not_compared():
    assert judged(rated(30.0), rated(29.0, images=2)).skipped == {"other pictures": 1}
    assert judged(rated(30.0), rated(29.0, dataset="e")).verdict == "nothing earlier"


def compared(low, speedup, high, **changed):
    rows = {
        name: {
            "model": name,
            "delegate": "xnnpack",
            "threads": 1,
            "sha256": "0",
            "input_shape": [1],
            **changed,
        }
        for name in ("baseline", "candidate")
    }
    row = {**rows, "speedup_low": low, "speedup": speedup, "speedup_high": high}
    return HistoryEntry("compare", "2026-01-01T00:00:00Z", "h", MACHINE, {}, row)


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [
        ((1.1, 1.3, 1.5), "no difference shown"),
        ((1.5, 1.6, 1.7), "better"),
        ((0.8, 0.9, 1.0), "worse"),
        ((1.39, 1.6, 1.7), "no difference shown"),
    ],
)
def test_speedups_differ_where_their_intervals_do_not_touch(interval, verdict):
    found = judged(compared(*interval), compared(1.1, 1.2, 1.4))
    assert found.verdict == verdict
    assert found.change == pytest.approx(interval[1] / 1.2)
    other = judged(compared(*interval), compared(1.1, 1.2, 1.4, threads=2))
    assert other.skipped == {"other threads": 1}


def test_json_holds_every_entry():
    found = judged(timed(11.0), timed(9.0), timed(10.0)).to_json()
    assert [round(entry["median_ms"]) for entry in found["entries"]] == [9, 10, 11]
    assert (found["model"], found["delegate"], found["threads"]) == ("a.tflite", "xnnpack", 1)
    assert all("samples_ms" not in entry for entry in found["entries"])
    assert judged(compared(1, 2, 3)).to_json()["baseline"] == "baseline"
    assert judged(rated(30.0)).to_json()["dataset"] == "d"
