import json
import subprocess
import sys

import pytest

from export.running.plan import Plan
from runtime_bench.evidence import overhead
from runtime_bench.evidence.overhead import (
    Overhead,
    measure_overhead,
    our_median_ms,
    their_median_ms,
)
from sr_models.ground.errors import ModelFileError, OptionError


def test_the_ratio_is_that_of_the_medians_of_medians():
    found = Overhead("file", 1, (10.2, 99.0, 10.0), (10.0, 9.0, 11.0), 1.0, 1.1)
    assert found.ratio == pytest.approx(1.02) and found.overhead == pytest.approx(0.02)
    row = found.to_json()
    assert row["ours_ms"] == [10.2, 99.0, 10.0] and row["ratio_high"] == 1.1
    assert row["delegate"] == "xnnpack"


def test_both_are_measured_in_turn_and_the_first_changes(files):
    calls, steps = [], []

    def measure(name, ms):
        def measured(file, threads, plan):
            assert (file, threads, plan.runs) == (files.clip_free, 2, 7)
            calls.append(name)
            return ms

        return measured

    found = measure_overhead(
        files.clip_free,
        Plan(runs=7),
        threads=2,
        rounds=3,
        measures=(measure("ours", 10.1), measure("theirs", 10.0)),
        on_step=lambda done, total: steps.append((done, total)),
    )
    assert calls == ["ours", "theirs", "theirs", "ours", "ours", "theirs"]
    assert steps == [(1, 3), (2, 3), (3, 3)]
    assert found.ratio == found.low == found.high == pytest.approx(1.01)


@pytest.mark.slow
def test_two_real_programs_time_one_file(files):
    found = measure_overhead(files.clip_free, Plan(runs=5, warmup=1), rounds=3)
    assert len(found.ours_ms) == len(found.theirs_ms) == 3
    assert all(ms > 0 for ms in found.ours_ms) and found.low <= found.ratio <= found.high
    # Their figures are rounded to 0.01 ms, ours are not.
    assert all(round(ms, 2) == ms for ms in found.theirs_ms)
    assert any(round(ms, 2) != ms for ms in found.ours_ms)


def test_the_programs_are_asked_for_the_same(files, monkeypatch):
    """What both are given, read from a stand-in for the process."""
    asked = []

    def run(command, **options):
        asked.append(command)
        with open(command[-1], "w") as file:
            json.dump({"results": [{"median_ms": 3.5}], "latency": {"median_ms": 4.5}}, file)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(overhead.subprocess, "run", run)
    plan = Plan(runs=21, warmup=4)
    assert our_median_ms(files.clip_free, 2, plan) == 3.5
    assert their_median_ms(files.clip_free, 2, plan) == 4.5
    ours, theirs = (" ".join(command) for command in asked)
    assert str(files.clip_free) in ours and str(files.clip_free) in theirs
    assert "--threads 2 --runs 21 --warmup 4" in ours
    assert "--num_threads 2 --num_runs 21 --warmup_runs 4" in theirs
    assert asked[0][0] == asked[1][0] == sys.executable


def test_what_a_program_refuses_is_one_line(files, monkeypatch):
    def run(command, **options):
        return subprocess.CompletedProcess(command, 3, "", "first\nthe reason\n")

    monkeypatch.setattr(overhead.subprocess, "run", run)
    with pytest.raises(ModelFileError, match="found status 3: the reason; give a file"):
        our_median_ms(files.clip_free, 1, Plan())


def test_an_interpreter_without_a_benchmark_is_said(files, monkeypatch):
    monkeypatch.setattr(overhead, "TOOL", "ai_edge_litert_of_old.tools.none")
    with pytest.raises(OptionError, match="pip install -U ai-edge-litert"):
        measure_overhead(files.clip_free)
    monkeypatch.setattr(overhead, "TOOL", "ai_edge_litert.tools.none")
    with pytest.raises(OptionError, match="found none"):
        measure_overhead(files.clip_free)


def test_too_few_rounds_are_refused(files):
    with pytest.raises(OptionError, match="at least 3 rounds, found 2"):
        measure_overhead(files.clip_free, rounds=2)
