import json
import os

QUICK = ("--runs", 5, "--warmup", 0)


def test_latency_is_told_as_json(files, call):
    status, out, err = call(
        "latency",
        files.clipped,
        files.clip_free,
        "--delegate",
        "xnnpack",
        "--delegate",
        "builtin",
        "--threads",
        1,
        "--threads",
        2,
        *QUICK,
        "--json",
        "-",
    )
    assert status == 0
    found = json.loads(out)
    assert len(found["results"]) == 8
    assert {
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
    } <= set(found["results"][0])
    assert found["machine"]["versions"]["ai-edge-litert"]
    assert found["protocol"]["runs_at_most"] == 5
    assert "ran on ai-edge-litert" in err


def test_latency_is_told_as_a_table(files, call, ground_truth):
    picture = ground_truth / "second" / "coffee.png"
    status, out, _ = call("latency", files.clip_free, *QUICK, "--size", "6x9", "--picture", picture)
    assert status == 0
    assert "clip_free.tflite" in out and "median ms" in out


def test_full_delegation_is_a_gate_of_latency(files, call):
    # XNNPACK has no uint8 QUANTIZE; with int8 codes it takes the whole file (docs/models.md).
    whole, left = files.clip_free_int8, files.clip_free
    status, _, err = call("latency", whole, *QUICK, "--require-full-delegation")
    assert status == 0, err
    status, out, err = call("latency", whole, left, *QUICK, "--require-full-delegation")
    assert status == 1
    assert f"gate not met: require-full-delegation ({left} with xnnpack)" in err
    assert "2 QUANTIZE" in out
    status, _, _ = call(
        "latency", whole, *QUICK, "--delegate", "builtin", "--require-full-delegation"
    )
    assert status == 1


def test_cores_and_memory_are_told(files, call):
    core = max(os.sched_getaffinity(0))
    status, out, err = call(
        "latency", files.clip_free, *QUICK, "--cpus", f"{2**core:x}", "--memory", "--json", "-"
    )
    assert status == 0, err
    found = json.loads(out)
    assert found["protocol"]["cpus"] == f"{2**core:x}"
    assert found["results"][0]["peak_memory_mb"] >= 0


def test_operators_are_told_as_a_table_and_as_json(files, tmp_path, call):
    path = tmp_path / "profile.json"
    status, out, err = call(
        "latency",
        files.clipped,
        *QUICK,
        "--profile",
        "--delegate",
        "xnnpack",
        "--delegate",
        "builtin",
        "--size",
        "10x12",
        "--json",
        path,
    )
    assert status == 0, err
    assert "5 profiled runs" in out and "DEPTH_TO_SPACE" in out and "20x24" in out
    delegated, builtin = json.loads(path.read_text())["results"]
    assert [row["op"] for row in builtin["profile"]] == [row["op"] for row in delegated["profile"]]
    assert not any(row["inside"] for row in builtin["profile"])
    outside = [row["op"] for row in delegated["profile"] if not row["inside"]]
    assert outside == delegated["left_behind"]


def test_only_kernels_with_a_profiler_are_profiled(files, call):
    status, _, err = call("latency", files.clip_free, "--profile", "--delegate", "reference")
    assert status == 2 and "with --profile, found 'reference'" in err


def test_results_are_kept_and_compared_with_the_next(files, tmp_path, call):
    history, path = tmp_path / "speed.jsonl", tmp_path / "latency.json"
    asked = ("latency", files.clip_free, *QUICK, "--against", history, "--save", history)
    status, out, err = call(*asked)
    assert status == 0 and "nothing earlier" in out and f"added 1 result(s) to {history}" in err
    status, out, _ = call(*asked, "--json", path)
    # Five rounds show nothing, whatever they are.
    assert status == 0 and "no difference shown" in out and "the same file" in out
    (row,) = json.loads(path.read_text())["trend"]
    assert len(row["entries"]) == 2 and row["verdict"] == "no difference shown"
    assert len(history.read_text().splitlines()) == 2


def faster_past(history):
    """Another file's history: every duration a thousandth of what it was."""
    entry = json.loads(history.read_text())
    row = entry["result"]
    row["samples_ms"] = [sample / 1000 for sample in row["samples_ms"]]
    for name in ("median_ms", "p5_ms", "p95_ms"):
        row[name] /= 1000
    row["sha256"] = "0" * 64
    history.write_text(json.dumps(entry) + "\n")


def test_a_slowdown_is_a_gate_and_is_not_kept(files, tmp_path, call):
    history = tmp_path / "speed.jsonl"
    asked = ("latency", files.clip_free, "--runs", 20, "--against", history, "--save", history)
    assert call(*asked, "--max-slowdown", 1.1)[0] == 0
    faster_past(history)
    status, out, err = call(*asked, "--max-slowdown", 1.1)
    assert status == 1 and "slower" in out
    assert "gate not met: max-slowdown" in err and "times as long as on" in err
    assert "nothing added" in err and len(history.read_text().splitlines()) == 1
    assert call(*asked)[0] == 0


def test_unusable_histories_are_told_before_anything_is_timed(files, tmp_path, call):
    foreign = tmp_path / "foreign.jsonl"
    foreign.write_text('{"other": 1}\n')
    for option in ("--save", "--against"):
        status, out, err = call("latency", files.clip_free, option, foreign)
        assert status == 2 and out == "" and "other data in line 1" in err
    assert foreign.read_text() == '{"other": 1}\n'
    status, _, err = call("latency", files.clip_free, "--save", tmp_path)
    assert status == 2 and "found a folder" in err
    for options in (("--max-slowdown", 1.1), ("--max-slowdown", 0.9, "--against", foreign)):
        status, _, err = call("latency", files.clip_free, *options)
        assert status == 2 and "--max-slowdown" in err
