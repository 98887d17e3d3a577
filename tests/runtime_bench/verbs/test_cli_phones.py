import json

import pytest

from runtime_bench.android.adb import PhoneError
from tests.runtime_bench.android import texts
from tests.runtime_bench.android.fakes import FakeAdb
from tests.runtime_bench.android.protos import results_pb
from tests.runtime_bench.android.test_quality import runs_for_real


@pytest.fixture
def tool(tmp_path):
    path = tmp_path / "benchmark_model"
    path.write_text("#!/bin/sh\n")
    return path


@pytest.fixture
def plug_in(monkeypatch):
    """Put phones of a script in the place of adb."""

    def plug(**options):
        adb = FakeAdb(**options)
        monkeypatch.setattr("runtime_bench.android.adb.Adb", lambda program: adb)
        return adb

    return plug


def test_results_are_told_as_a_table_and_as_json(files, tool, plug_in, call, tmp_path):
    plug_in(serials=("P1", "P2"))
    path = tmp_path / "phones.json"
    status, out, err = call(
        "android",
        files.clip_free,
        files.clipped,
        "--serial",
        "P1",
        "--serial",
        "P2",
        "--threads",
        "1,4",
        "--cpus",
        "f0",
        "--benchmark-tool",
        tool,
        "--json",
        path,
    )
    assert status == 0, err
    assert "Latency on phones" in out and "partially, 12/14 nodes in 2" in out
    assert "scheduled in another way" in err
    found = json.loads(path.read_text())
    assert [row["serial"] for row in found["results"]] == ["P1"] * 4 + ["P2"] * 4
    assert found["failures"] == {}


def test_one_phone_that_fails_is_told_after_the_others_results(files, tool, plug_in, call):
    def fail(adb, flags):
        return ("ERROR: Failed to apply GPU delegate.", 1) if adb.serial == "P2" else None

    plug_in(serials=("P1", "P2"), on_run=fail)
    status, out, err = call(
        "android",
        files.clip_free,
        "--serial",
        "P1",
        "--serial",
        "P2",
        "--benchmark-tool",
        tool,
        "--json",
        "-",
    )
    assert status == 2 and "Failed to apply GPU delegate" in err
    found = json.loads(out)
    assert [row["serial"] for row in found["results"]] == ["P1"]
    assert list(found["failures"]) == ["P2"]


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (texts.FALLBACK, 1),
        (texts.NNAPI_PARTLY, 1),
        (
            texts.FALLBACK.replace(
                "Though NNAPI delegate is explicitly applied, the "
                "model graph will not be executed by the delegate",
                "Explicitly applied "
                "NNAPI delegate, and the model graph will be completely executed by the "
                "delegate",
            ),
            0,
        ),
    ],
)
def test_full_delegation_is_a_gate(files, tool, plug_in, call, text, status):
    plug_in(tool=(text, 0))
    found, out, err = call(
        "android",
        files.clip_free,
        "--delegate",
        "nnapi",
        "--require-full-delegation",
        "--benchmark-tool",
        tool,
    )
    assert found == status
    assert ("gate not met: require-full-delegation" in err) == (status == 1)
    assert "Latency on phones" in out
    without, _, _ = call(
        "android", files.clip_free, "--delegate", "nnapi", "--benchmark-tool", tool
    )
    assert without == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--delegate", "nnap"), "did you mean nnapi"),
        (("--accelerator", "x"), "--delegate nnapi"),
        (("--threads", "one"), "1,4"),
        (("--cpus", "big"), "mask"),
        (("--benchmark-tool", "none"), "no such file"),
        (("--serial", "P9"), "found --serial P9"),
        (("--data", "none"), "none"),
        (("--seconds", 0), "0 seconds"),
        (("--tool-flag", "gpu_backend"), "NAME=VALUE"),
        (("--tool-flag", "graph=x"), "no option of ours sets"),
        (("--leaderboard", "rows.jsonl", "--threads", "1,2"), "one number of threads"),
        (("--leaderboard", "rows.jsonl", "--delegate", "none"), "no rows of builtin kernels"),
        (("--against", "/dev/null/x"), "expected to write"),
        (("--save", "."), "expected a file for --save"),
    ],
)
def test_a_mistake_is_one_line_and_status_two(files, tool, plug_in, call, arguments, said):
    plug_in()
    status, out, err = call("android", files.clip_free, "--benchmark-tool", tool, *arguments)
    assert (status, out) == (2, "")
    assert said in err and err.count("error: ") == 1


def test_results_are_kept_and_held_against_earlier_ones(
    files, tool, plug_in, call, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    times = iter([20.0, 26.0, 26.0])

    def write(adb, flags):
        mean = next(times)
        near = {"p5_ms": mean - 1, "p95_ms": mean + 1, "median_ms": mean}
        adb.files[flags["result_file_path"]] = results_pb(avg_ms=mean, **near)

    plug_in(on_run=write)
    arguments = ("android", files.clip_free, "--benchmark-tool", tool, "--delegate", "nnapi")
    kept = ("--save", "phones.jsonl", "--against", "phones.jsonl", "--leaderboard", "board.jsonl")
    status, out, err = call(*arguments, *kept)
    assert status == 0, err
    assert "nnapi: legacy (deprecated in Android 15)" in out and "nothing earlier" in out
    assert "times read from results.pb, nodes from the program's text" in err
    assert "added 1 result(s) to phones.jsonl" in err and "put 1 row(s) into board.jsonl" in err
    status, out, err = call(*arguments, *kept, "--json", "now.json")
    assert status == 0 and "Against phones.jsonl" in out and "1.300" in out and "slower" in out
    (trend,) = json.loads((tmp_path / "now.json").read_text())["trend"]
    assert (trend["phone"], trend["verdict"], trend["change"]) == ("Acme Phone 9", "slower", 1.3)
    assert len((tmp_path / "board.jsonl").read_text().splitlines()) == 1
    lines = (tmp_path / "phones.jsonl").read_text()
    assert len(lines.splitlines()) == 2
    # A gate that is not met: neither file changes.
    board = (tmp_path / "board.jsonl").read_text()
    status, _, err = call(*arguments, *kept, "--require-full-delegation")
    assert status == 1 and "nothing added to phones.jsonl, for a gate is not met" in err
    assert (tmp_path / "phones.jsonl").read_text() == lines
    assert (tmp_path / "board.jsonl").read_text() == board
    status, _, err = call("report", "phones.jsonl", "now.json", "--out", "page.html")
    assert status == 0, err
    page = (tmp_path / "page.html").read_text()
    assert "legacy (deprecated in Android 15)" in page and "Over time" in page


def test_a_phone_that_vanishes_leaves_histories_as_they_were(files, tool, plug_in, call, tmp_path):
    plug_in(on_run=lambda adb, flags: PhoneError("expected phone P1 to answer, found it gone"))
    history, board = tmp_path / "phones.jsonl", tmp_path / "board.jsonl"
    status, _, err = call(
        "android",
        files.clip_free,
        "--benchmark-tool",
        tool,
        "--save",
        history,
        "--leaderboard",
        board,
    )
    assert status == 2 and "nothing added" in err and err.strip().endswith("found it gone")
    assert not history.exists() and not board.exists()


def test_a_bundle_is_measured_with_its_golden_pairs(made_bundle, tool, plug_in, call):
    plug_in(on_run=runs_for_real())
    arguments = ("android", "--bundle", made_bundle, "--benchmark-tool", tool)
    status, out, err = call(*arguments, "--json", "-")
    assert status == 0, err
    found = json.loads(out)
    assert len(found["results"]) == 2 and [row["passed"] for row in found["golden"]] == [True] * 2
    assert "model_12x20.tflite with xnnpack on P1 differs from its golden output by up to 0" in err
    plug_in(on_run=runs_for_real(planted=64))
    status, _, err = call(*arguments)
    assert status == 1 and "gate not met: golden (model_16x24.tflite" in err


def test_files_and_a_bundle_exclude_each_other(files, made_bundle, tool, call):
    for arguments in ((), (files.clip_free, "--bundle", made_bundle)):
        status, _, err = call("android", *arguments, "--benchmark-tool", tool)
        assert status == 2 and "expected files or --bundle" in err
