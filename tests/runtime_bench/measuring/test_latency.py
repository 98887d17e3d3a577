import collections

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from export.running.interpreters import Runner, Tensor
from export.running.plan import LEAST_RUNS, Plan
from runtime_bench.measuring.latency import (
    Entry,
    latency_protocol,
    measure_latency,
    open_entries,
    picture_input,
    seeded_input,
    time_entries,
)
from sr_models.ground.errors import ModelFileError, OptionError
from sr_models.tflite.files import read_model

AGREED_KEYS = {
    "model",
    "delegate",
    "threads",
    "runs",
    "median_ms",
    "p5_ms",
    "p95_ms",
    "delegated_nodes",
    "total_nodes",
    "sha256",
}


def rounds_of(calls, *, entries, untimed):
    """The names called in each timed round, after the untimed calls at the beginning."""
    timed = calls[untimed:]
    return [tuple(timed[start : start + entries]) for start in range(0, len(timed), entries)]


@pytest.fixture
def entries(fake_runner):
    return [Entry(fake_runner(name), init_ms=0.5) for name in "abc"]


def test_rounds_are_interleaved_and_shuffled(entries, clock):
    time_entries(entries, Plan(runs=20, warmup=2), clock=clock)
    calls = entries[0].runner.calls
    # One cold run and two warm-up runs of each come first.
    rounds = rounds_of(calls, entries=3, untimed=9)
    assert len(rounds) == 20
    assert all(sorted(names) == ["a", "b", "c"] for names in rounds)
    assert len(set(rounds)) > 1
    assert {names[0] for names in rounds} == {"a", "b", "c"}


def test_the_order_is_reproduced_by_its_seed(fake_runner, clock):
    def order(seed):
        entries = [Entry(fake_runner(name), 0.0) for name in "abcd"]
        calls = entries[0].runner.calls
        before = len(calls)
        time_entries(entries, Plan(runs=10, warmup=0, seed=seed), clock=clock)
        return calls[before:]

    assert order(1) == order(1) != order(2)


def test_cold_and_warm_up_runs_stand_apart(fake_runner, clock):
    # Cold 100 ms, warm-up 50 and 40 ms, then 1 to 5 ms.
    entry = Entry(fake_runner("a", (100, 50, 40, 1, 2, 3, 4, 5)), init_ms=7.0)
    (found,) = time_entries([entry], Plan(runs=5, warmup=2), clock=clock)
    assert found.first_ms == pytest.approx(100)
    assert found.init_ms == 7.0
    assert found.samples_ms == pytest.approx((1, 2, 3, 4, 5))
    assert found.summary.median_ms == pytest.approx(3)


def test_samples_of_one_round_belong_together(fake_runner, clock):
    entries = [
        Entry(fake_runner("a", (0, *range(1, 9))), 0.0),
        Entry(fake_runner("b", (0, *range(10, 90, 10))), 0.0),
    ]
    first, second = time_entries(entries, Plan(runs=8, warmup=0), clock=clock)
    assert np.multiply(first.samples_ms, 10) == pytest.approx(second.samples_ms)


def test_the_budget_ends_the_rounds(fake_runner, clock):
    # 100 ms a round: the budget is over after the eleventh, the first beyond one second.
    entry = Entry(fake_runner("a", (100,)), 0.0)
    (found,) = time_entries([entry], Plan(runs=50, seconds=1.05, warmup=3), clock=clock)
    assert found.summary.runs == 11


def test_a_small_budget_still_leaves_enough_for_a_median(entries, clock):
    found = time_entries(entries, Plan(runs=50, seconds=1e-9), clock=clock)
    assert [result.summary.runs for result in found] == [LEAST_RUNS] * 3


def test_fewer_runs_than_that_can_be_asked_for(entries, clock):
    found = time_entries(entries, Plan(runs=1, warmup=0), clock=clock)
    assert [result.summary.runs for result in found] == [1, 1, 1]


@given(st.integers(1, 12), st.integers(0, 4), st.integers(0, 100))
def test_every_entry_runs_as_often_as_every_other(runs, warmup, seed):
    from tests.runtime_bench.conftest import FakeClock, FakeRunner

    clock, calls = FakeClock(), []
    entries = [Entry(FakeRunner(name, clock=clock, calls=calls), 0.0) for name in "ab"]
    time_entries(entries, Plan(runs=runs, warmup=warmup, seed=seed), clock=clock)
    assert collections.Counter(calls) == dict.fromkeys("ab", 1 + warmup + runs)


def test_progress_is_told(entries, clock):
    steps = []
    time_entries(entries, Plan(runs=3), clock=clock, on_step=lambda *step: steps.append(step))
    assert steps == [(1, 3), (2, 3), (3, 3)]


def test_json_has_the_agreed_keys(entries, clock):
    (row, *_) = (result.to_json() for result in time_entries(entries, Plan(runs=5), clock=clock))
    assert set(row) >= AGREED_KEYS
    assert (row["model"], row["delegate"], row["threads"], row["runs"]) == ("a", "xnnpack", 2, 5)
    assert (row["delegated_nodes"], row["total_nodes"]) == (3, 4)
    assert (row["partitions"], row["left_behind"]) == (1, ["RESHAPE"])
    assert (row["input_shape"], row["runtime"]) == ([1, 4, 6, 3], "fake 1.0")
    assert (row["size_bytes"], row["sha256"]) == (7, "0" * 64)


def test_unknown_node_counts_are_null(fake_runner, clock):
    runner = fake_runner("a")
    runner.delegation = None
    (found,) = time_entries([Entry(runner, 0.0)], Plan(runs=1), clock=clock)
    row = found.to_json()
    assert row["delegated_nodes"] is row["total_nodes"] is row["left_behind"] is None


@pytest.mark.parametrize(
    "options",
    [
        {"runs": 0},
        {"seconds": 0.0},
        {"seconds": -1.0},
        {"seconds": float("nan")},
        {"warmup": -1},
        {"seed": -1},
    ],
)
def test_impossible_plans_are_refused(options):
    with pytest.raises(OptionError, match="expected"):
        Plan(**options)


def test_the_protocol_says_how_to_repeat_it():
    plan = Plan(runs=7, seconds=2.0, warmup=1, seed=5)
    found = latency_protocol(plan)
    assert (found["runs_at_most"], found["seconds_at_most"]) == (7, 2.0)
    assert (found["warmup"], found["seed"]) == (1, 5)
    assert "random" in found["input"]
    assert latency_protocol(plan, picture="cat.png")["input"] == "cat.png"


def tensor(dtype, scale=None, zero_point=None, shape=(1, 5, 6, 3)):
    return Tensor("input", shape, dtype, scale, zero_point)


UINT8, INT8 = tensor("uint8", 1 / 255, 0), tensor("int8", 1 / 255, -128)
FLOAT, INT16 = tensor("float32"), tensor("int16", 1 / 32767, 0)


@pytest.mark.parametrize("t", [UINT8, INT8, FLOAT, INT16], ids=lambda t: t.dtype)
def test_random_input_is_the_same_for_the_same_seed(t):
    array = seeded_input(t, seed=4)
    assert (array.shape, array.dtype.name) == (t.shape, t.dtype)
    np.testing.assert_array_equal(array, seeded_input(t, seed=4))
    assert not np.array_equal(array, seeded_input(t, seed=5))


def test_random_input_is_the_same_picture_in_every_type():
    pixels = seeded_input(UINT8).astype(int)
    np.testing.assert_array_equal(seeded_input(INT8).astype(int) + 128, pixels)
    np.testing.assert_allclose(seeded_input(FLOAT) * 255, pixels, atol=1e-4)


def test_a_picture_is_resized_to_the_input(photographs):
    fed = picture_input(tensor("uint8", 1 / 255, 0, (2, 8, 12, 3)), photographs["coffee"])
    assert (fed.shape, fed.dtype) == ((2, 8, 12, 3), np.uint8)
    np.testing.assert_array_equal(fed[0], fed[1])
    assert fed.mean() == pytest.approx(photographs["coffee"].mean(), abs=3)
    assert fed.flags.c_contiguous
    with pytest.raises(OptionError, match="leave the picture out"):
        picture_input(tensor("float32", shape=(1, 10)), photographs["coffee"])


def test_every_file_delegate_and_number_of_threads_is_opened_once(files):
    entries = open_entries(
        [files.clip_free, str(files.clipped)],
        delegates=["xnnpack", "builtin", "xnnpack"],
        threads=[1, 2, 1],
        height=6,
        width=8,
    )
    found = [(e.runner.model.name, e.runner.delegate, e.runner.threads) for e in entries]
    assert found == [
        (str(path), delegate, threads)
        for path in (files.clip_free, files.clipped)
        for delegate in ("xnnpack", "builtin")
        for threads in (1, 2)
    ]
    assert all(entry.runner.inputs[0].shape == (1, 6, 8, 3) for entry in entries)


def test_files_of_any_size_need_one(files, monkeypatch):
    monkeypatch.setattr(Runner, "any_size", True)
    with pytest.raises(OptionError, match=r"expected --size for .*clip_free"):
        open_entries([files.clip_free])
    (entry,) = open_entries([files.clip_free], height=6, width=8)
    assert entry.runner.inputs[0].shape == (1, 6, 8, 3)


def test_opening_is_timed_by_the_clock(files):
    ticks = iter([1.0, 1.5])
    (entry,) = open_entries([files.clip_free], clock=lambda: next(ticks))
    assert entry.init_ms == pytest.approx(500)


def test_files_are_measured(files, photographs):
    plan = Plan(runs=5, warmup=1)
    found = measure_latency(
        [files.clip_free, files.floating],
        plan,
        delegates=["xnnpack", "builtin"],
        picture=photographs["coffee"],
    )
    assert len(found) == 4
    for result in found:
        row = result.to_json()
        assert row["sha256"] == read_model(row["model"]).sha256
        assert row["runs"] == len(result.samples_ms) == 5
        assert 0 < row["p5_ms"] <= row["median_ms"] <= row["p95_ms"]
        assert row["first_ms"] > 0 and row["init_ms"] > 0
        assert row["runtime"].startswith("ai-edge-litert")
        assert (row["delegated_nodes"] == 0) == (row["delegate"] == "builtin")


def test_nothing_is_timed_where_one_file_is_bad(files, tmp_path):
    with pytest.raises(ModelFileError, match=r"none\.tflite"):
        measure_latency([files.clip_free, tmp_path / "none.tflite"])
    with pytest.raises(OptionError, match="delegate"):
        measure_latency([files.clip_free], delegates=["gpu"])
