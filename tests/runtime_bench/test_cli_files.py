import json
import os

QUICK = ("--runs", 5, "--warmup", 0)


def test_latency_is_told_as_json(files, call):
    status, out, err = call(
        "latency", files.clipped, files.clip_free, "--delegate", "xnnpack", "--delegate", "builtin",
        "--threads", 1, "--threads", 2, *QUICK, "--json", "-",
    )  # fmt: skip
    assert status == 0
    found = json.loads(out)
    assert len(found["results"]) == 8
    assert {
        "model", "delegate", "threads", "runs", "median_ms", "p5_ms", "p95_ms", "delegated_nodes",
        "total_nodes", "sha256",
    } <= set(found["results"][0])  # fmt: skip
    assert found["machine"]["versions"]["ai-edge-litert"]
    assert found["protocol"]["runs_at_most"] == 5
    assert "ran on ai-edge-litert" in err


def test_latency_is_told_as_a_table(files, call, ground_truth):
    picture = ground_truth / "second" / "coffee.png"
    status, out, _ = call(
        "latency", files.clip_free, *QUICK, "--height", 6, "--width", 9, "--picture", picture
    )
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


def test_quality_is_told_as_json(files, ground_truth, call):
    status, out, err = call(
        "quality", files.clip_free, files.natural, "--data", ground_truth, "--scale", 2,
        "--delegate", "builtin", "--json", "-",
    )  # fmt: skip
    assert status == 0
    found = json.loads(out)
    assert [row["dataset"] for row in found["results"]] == ["first", "second"] * 2
    assert len(found["per_image"]) == 6
    assert "x2, ground truth" in err
    status, out, _ = call("quality", files.clip_free, "--data", ground_truth / "second")
    assert status == 0 and "PSNR RGB dB" in out


def test_compare_is_told_as_json_and_its_gates_pass(files, ground_truth, call):
    status, out, _ = call(
        "compare", files.clipped, files.clip_free, "--data", ground_truth, *QUICK,
        "--delegate", "builtin", "--no-clip-ops", "--pixel-contract", "--max-psnr-drop-db", 0.2,
        "--max-code-difference", 5, "--json", "-",
    )  # fmt: skip
    assert status == 0
    found = json.loads(out)
    assert found["gates"] == dict.fromkeys(found["gates_asked"], True)
    assert {
        "speedup", "speedup_low", "speedup_high", "significant", "psnr_drop_db", "gates",
    } <= set(found)  # fmt: skip
    assert found["verdict"] == "no difference shown"


def test_a_gate_that_is_not_met_is_status_one_after_the_result(files, tmp_path, call):
    path = tmp_path / "compare.json"
    status, out, err = call(
        "compare", files.clip_free, files.clipped, *QUICK, "--no-clip-ops",
        "--min-speedup", 1000, "--json", path,
    )  # fmt: skip
    assert status == 1
    assert "gate not met: min-speedup, no-clip-ops" in err and "MINIMUM" in err
    assert "error" not in err and "Traceback" not in err
    assert "NOT MET" in out
    assert json.loads(path.read_text())["gates"] == {"min_speedup": False, "no_clip_ops": False}


def test_a_gate_of_zero_is_asked_for(files, call):
    status, out, _ = call(
        "compare", files.clip_free, files.clip_free_int8, *QUICK, "--max-code-difference", 0,
        "--delegate", "builtin", "--json", "-",
    )  # fmt: skip
    assert status == 0
    found = json.loads(out)
    assert found["gates_asked"] == {"max_code_difference": 0}
    assert found["gates"] == {"max_code_difference": True}


def test_figures_of_files_need_no_tensorflow(files, ground_truth, run_python):
    """`latency`, `quality` and `compare` read `.tflite` files alone."""
    code = """
import sys
from runtime_bench.cli import app
from sr_models.command import status_of_command
clipped, clip_free, data = sys.argv[1:]
quick = ["--runs", "5", "--warmup", "0"]
assert status_of_command(app, ["latency", clip_free, *quick]) == 0
assert status_of_command(app, ["quality", clip_free, "--data", data]) == 0
assert status_of_command(app, ["compare", clipped, clip_free, "--no-clip-ops", *quick]) == 0
sys.exit("tensorflow was imported" if "tensorflow" in sys.modules else 0)
"""
    result = run_python(code, files.clipped, files.clip_free, ground_truth)
    assert result.returncode == 0, result.stderr
