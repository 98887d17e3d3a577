import itertools
import threading
from dataclasses import replace

import pytest

from runtime_bench.android.adb import PhoneError, Stopped
from runtime_bench.android.phone import NNAPI_NOTICE
from runtime_bench.android.run import measure_phones, plan_job
from runtime_bench.android.tool import ToolRun
from sr_models.ground.errors import ModelFileError, OptionError
from sr_models.tflite.files import read_model
from tests.runtime_bench.android import texts
from tests.runtime_bench.android.fakes import FakeAdb
from tests.runtime_bench.android.protos import results_pb, runtime_info_pb


@pytest.fixture
def job(files, program):
    def make(*names, threads=(1,), cpus="", **options):
        paths = [getattr(files, name) for name in names or ("clip_free",)]
        return plan_job(paths, threads=threads, run=ToolRun(**options), tool=program, cpus=cpus)

    return make


def test_every_file_runs_with_every_number_of_threads(job, files):
    adb, steps = FakeAdb(), []
    (outcome,) = measure_phones(
        adb, job("clip_free", "clipped", threads=(1, 4)), on_step=lambda *step: steps.append(step)
    )
    assert outcome.error == ""
    assert [(found.model.name, found.run.threads) for found in outcome.results] == [
        (str(files.clip_free), 1),
        (str(files.clip_free), 4),
        (str(files.clipped), 1),
        (str(files.clipped), 4),
    ]
    assert [step[:2] for step in steps] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert adb.files == {}


def test_what_is_pushed_is_the_file(job, files):
    pushed = []

    def look(adb, flags):
        pushed.append(adb.files[flags["graph"]])

    measure_phones(FakeAdb(on_run=look), job("clip_free", "clipped"))
    assert pushed == [files.clip_free.read_bytes(), files.clipped.read_bytes()]


def test_phones_work_at_the_same_time(job):
    # Each waits for the other: in turn they would wait for ever, and the barrier breaks.
    barrier = threading.Barrier(2, timeout=60)
    adb = FakeAdb(serials=("P1", "P2", "P3"), on_run=lambda *_: barrier.wait() and None)
    outcomes = measure_phones(adb, job(), serials=["P2", "P1"])
    assert [outcome.serial for outcome in outcomes] == ["P2", "P1"]
    assert all(len(outcome.results) == 1 and not outcome.error for outcome in outcomes)


def test_one_phones_trouble_does_not_touch_the_others(job):
    def break_second(adb, flags):
        if adb.serial == "P2" and flags["num_threads"] == "4":
            raise PhoneError("expected P2 to stay, found it gone")

    adb = FakeAdb(serials=("P1", "P2"), on_run=break_second)
    good, bad = measure_phones(adb, job(threads=(1, 4)), serials=["P1", "P2"])
    assert (len(good.results), good.error) == (2, "")
    # What was measured before is kept.
    assert len(bad.results) == 1 and "gone" in bad.error
    assert adb.files == {}


def test_an_interruption_ends_all_phones_and_cleans_up(job, monkeypatch):
    started = threading.Event()

    def hold(adb, flags):
        started.set()
        assert adb.stop.wait(60)
        raise Stopped

    def interrupted_wait(futures):
        assert started.wait(60)
        raise KeyboardInterrupt

    monkeypatch.setattr("runtime_bench.android.run.wait", interrupted_wait)
    adb = FakeAdb(serials=("P1", "P2"), on_run=hold)
    with pytest.raises(KeyboardInterrupt):
        measure_phones(adb, job(), serials=["P1", "P2"])
    assert adb.files == {}


def test_a_fall_back_is_in_the_row_with_the_notice_for_android_15(job):
    adb = FakeAdb(tool=(texts.FALLBACK, 0))
    (outcome,) = measure_phones(adb, job(delegate="nnapi", accelerator="google-edgetpu"))
    row = outcome.results[0].to_json()
    assert (row["placement"], row["fell_back"]) == ("fell back to CPU", True)
    assert (row["delegated_nodes"], row["total_nodes"]) == (0, 14)
    assert row["delegate"] == "nnapi:google-edgetpu"
    assert row["legacy"] == "legacy (deprecated in Android 15)"
    first, second = row["notices"]
    assert first == NNAPI_NOTICE and "the time is the CPU's" in second


def test_profiles_come_from_the_file_or_from_the_text(job):
    adb = FakeAdb(tool=(texts.NNAPI_PARTLY, 0))
    adb.state["profile"] = texts.PROFILE_CSV
    (outcome,) = measure_phones(adb, job(delegate="nnapi", profile=True))
    (found,) = outcome.results
    assert found.left_behind == ("QUANTIZE",)
    assert "longer" in found.notices[-1]
    adb = FakeAdb(tool=(texts.CLASSIC + texts.PROFILE_TEXT, 0))
    (outcome,) = measure_phones(adb, job(profile=True))
    assert [row.op for row in outcome.results[0].profile] == ["CONV_2D", "DEPTHWISE_CONV_2D"]
    (outcome,) = measure_phones(FakeAdb(), job(profile=True))
    assert outcome.results[0].left_behind is None
    assert "no times per operator" in outcome.results[0].notices[-1]


OPERATORS = ["QUANTIZE", "CONV_2D", "DEPTH_TO_SPACE"]


def writes(results=None, info=None, *, only=lambda run: True):
    """A program that writes these files, in the runs whose number `only` accepts."""
    count = itertools.count()

    def write(adb, flags):
        if only(next(count)):
            for flag, data in (
                ("result_file_path", results),
                ("model_runtime_info_output_file", info),
            ):
                if data is not None:
                    adb.files[flags[flag]] = data

    return write


def test_files_of_the_program_go_before_its_text(job):
    info = runtime_info_pb(OPERATORS, {"LITERT_CL": [[1]], "TfLiteXNNPackDelegate": [[0], [2]]})
    adb = FakeAdb(
        tool=(texts.LITERT, 0),
        help_text=texts.help_text(texts.LITERT_FLAGS),
        on_run=writes(results_pb(median_ms=33.5, avg_ms=34, runs=20), info),
    )
    (outcome,) = measure_phones(adb, job(delegate="gpu", extra=(("gpu_backend", "opengl"),)))
    row = outcome.results[0].to_json()
    assert (row["median_ms"], row["mean_ms"], row["runs"], row["p95_ms"]) == (33.5, 34, 20, 74.9)
    assert (row["source"], row["placement_source"]) == ("results.pb", "runtime_info.pb")
    assert row["placement"] == "partially"
    assert row["left_behind"] == ["QUANTIZE", "DEPTH_TO_SPACE"]
    assert (row["memory_mb"], row["peak_memory_mb"]) == (21.5, 21.5)
    assert (row["tool"], row["tool_flags"]) == ("benchmark_model", ["gpu_backend=opengl"])
    assert adb.files == {}


def test_a_run_that_writes_nothing_is_not_taken_for_the_one_before(job):
    adb = FakeAdb(on_run=writes(results_pb(), only=lambda run: run == 0))
    (outcome,) = measure_phones(adb, job("clip_free", "clipped"))
    assert [row.source for row in outcome.results] == ["results.pb", "text"]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (writes(results_pb()[:-3]), "whole results.pb from benchmark_model, found it cut"),
        (writes(results_pb(), runtime_info_pb(OPERATORS, {}, plan=[9])), "found a node 9"),
        (writes(b""), "found an empty file"),
        (writes(bytes(9 << 20)), "found 9437184 bytes, more than any has"),
        (writes(results_pb(avg_ms=float("nan"))), "found a figure of nan"),
    ],
)
def test_a_file_that_cannot_be_ends_the_phones_work(job, written, said):
    adb = FakeAdb(on_run=written)
    (outcome,) = measure_phones(adb, job())
    assert outcome.results == () and said in outcome.error and "\n" not in outcome.error
    assert adb.files == {}


def test_xnnpack_where_nothing_was_asked_for_is_told(job):
    info = runtime_info_pb(OPERATORS, {"TfLiteXNNPackDelegate": [[0, 1, 2]]})
    (outcome,) = measure_phones(FakeAdb(on_run=writes(None, info)), job(delegate="none"))
    (found,) = outcome.results
    assert found.placement.verdict == "not delegated"
    assert "TfLiteXNNPackDelegate took 3 of 3 nodes though no" in found.notices[-1]


def test_pictures_for_a_program_without_are_refused_before_any_timing(job, files):
    adb = FakeAdb(help_text=texts.help_text(texts.LITERT_FLAGS))
    asked = replace(job(), datasets=("some",))
    (outcome,) = measure_phones(adb, asked)
    assert "--output_filepath for pictures" in outcome.error
    assert not any("--graph" in command for _, command in adb.calls)


def test_heat_is_told_before_and_after(job):
    (outcome,) = measure_phones(FakeAdb(thermal=(0, 3)), job())
    (found,) = outcome.results
    assert (found.before.state, found.after.state) == ("none", "severe")
    assert "let it cool" in found.notices[0]


def test_text_without_times_is_an_error(job):
    (outcome,) = measure_phones(FakeAdb(tool=("INFO: STARTING!\nINFO: bye\n", 0)), job())
    assert outcome.results == () and "found: INFO: bye" in outcome.error


def test_a_program_of_the_other_kind_says_what_to_take(job):
    adb = FakeAdb(help_text=texts.help_text(texts.LITERT_FLAGS))
    (outcome,) = measure_phones(adb, job(delegate="nnapi"))
    assert "--delegate npu" in outcome.error


def test_no_phone_is_an_error_before_any_work(job):
    adb = FakeAdb(serials=())
    with pytest.raises(OptionError, match="none connected"):
        measure_phones(adb, job())
    assert adb.calls == []


def test_a_plan_is_checked_without_a_phone(files, program, tmp_path):
    good = {"threads": (1,), "run": ToolRun(), "tool": program}
    assert plan_job([files.clip_free], **good).models == (read_model(files.clip_free),)
    with pytest.raises(OptionError, match="--benchmark-tool"):
        plan_job([files.clip_free], **{**good, "tool": None})
    with pytest.raises(OptionError, match="no such file"):
        plan_job([files.clip_free], **{**good, "tool": tmp_path / "none"})
    with pytest.raises(OptionError, match="threads"):
        plan_job([files.clip_free], **{**good, "threads": (1, 0)})
    with pytest.raises(OptionError, match="mask"):
        plan_job([files.clip_free], **good, cpus="all")
    with pytest.raises(ModelFileError, match="no such file"):
        plan_job([tmp_path / "none.tflite"], **good)
