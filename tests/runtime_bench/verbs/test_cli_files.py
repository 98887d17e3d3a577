import json

from tests.enlarging_files import enlarging_file
from tests.networks import luma_file_content

QUICK = ("--runs", 5, "--warmup", 0)


def test_quality_is_told_as_json(files, ground_truth, call):
    status, out, err = call(
        "quality",
        files.clip_free,
        files.natural,
        "--data",
        ground_truth,
        "--scale",
        2,
        "--delegate",
        "builtin",
        "--json",
        "-",
    )
    assert status == 0
    found = json.loads(out)
    assert [row["dataset"] for row in found["results"]] == ["first", "second"] * 2
    assert len(found["per_image"]) == 6
    assert "x2, ground truth" in err
    status, out, _ = call("quality", files.clip_free, "--data", ground_truth / "second")
    assert status == 0 and "PSNR RGB dB" in out


def test_files_of_luma_are_measured_and_compared_on_luma(tmp_path, ground_truth, call):
    luma_file = tmp_path / "luma.tflite"
    luma_file.write_bytes(luma_file_content())
    status, out, err = call("quality", luma_file, "--data", ground_truth, "--json", "-")
    (row, _) = json.loads(out)["results"]
    assert status == 0 and row["psnr_rgb_db"] is None and row["psnr_y_db"] > 20.0
    assert "of its luma in pixels" in err
    status, out, _ = call("quality", luma_file, "--data", ground_truth)
    assert status == 0 and " - " in out
    status, out, _ = call(
        "compare",
        luma_file,
        luma_file,
        "--data",
        ground_truth,
        *QUICK,
        "--max-psnr-drop-db",
        0,
        "--json",
        "-",
    )
    found = json.loads(out)
    assert status == 0 and found["gates"] == {"max_psnr_drop_db": True}
    assert (found["psnr_drop_db"], found["psnr_y_drop_db"]) == (0.0, 0.0)
    status, _, err = call("quality", luma_file, "--data", ground_truth, "--crops", 1)
    assert status == 2 and "expected an RGB picture in" in err


def test_quality_and_compare_find_black_and_white_of_each_file(ground_truth, tmp_path, call):
    """The same function behind an interface of 0..255, of 0..1 and of bytes to 0..1."""
    made = {
        "bytes": enlarging_file(lift=4.0),
        "unit": enlarging_file(lift=4 / 255, after=[("MAXIMUM", 0.0), ("MINIMUM", 1.0)]),
        "mixed": enlarging_file(low="uint8", lift=4.0, after=[("MUL", 1 / 255)]),
    }
    for name, content in made.items():
        (tmp_path / name).write_bytes(content)
    paths = [tmp_path / name for name in made]
    status, out, err = call("quality", *paths, "--data", ground_truth, "--json", "-")
    rows = json.loads(out)["results"]
    assert status == 0 and err.count("inputs of ") == 3
    assert len({round(row["psnr_rgb_db"], 3) for row in rows if row["dataset"] == "first"}) == 1
    words = ("--max-code-difference", 0, "--json", "-", *QUICK)
    status, out, err = call("compare", *paths[:2], *words)
    assert status == 0, err
    assert call("compare", *paths[:2], *words, "--pixels", "0..1")[0] == 1


def test_compare_is_told_as_json_and_its_gates_pass(files, ground_truth, call):
    status, out, _ = call(
        "compare",
        files.clipped,
        files.clip_free,
        "--data",
        ground_truth,
        *QUICK,
        "--delegate",
        "builtin",
        "--no-clip-ops",
        "--pixel-contract",
        "--max-psnr-drop-db",
        0.2,
        "--max-code-difference",
        5,
        "--json",
        "-",
    )
    assert status == 0
    found = json.loads(out)
    assert found["gates"] == dict.fromkeys(found["gates_asked"], True)
    assert {
        "speedup",
        "speedup_low",
        "speedup_high",
        "significant",
        "psnr_drop_db",
        "gates",
    } <= set(found)
    assert found["verdict"] == "no difference shown"


def test_a_gate_that_is_not_met_is_status_one_after_the_result(files, tmp_path, call):
    path = tmp_path / "compare.json"
    status, out, err = call(
        "compare",
        files.clip_free,
        files.clipped,
        *QUICK,
        "--no-clip-ops",
        "--min-speedup",
        1000,
        "--json",
        path,
    )
    assert status == 1
    assert "gate not met: min-speedup, no-clip-ops" in err and "MINIMUM" in err
    assert "error" not in err and "Traceback" not in err
    assert "NOT MET" in out
    assert json.loads(path.read_text())["gates"] == {"min_speedup": False, "no_clip_ops": False}


def test_a_gate_of_zero_is_asked_for(files, call):
    status, out, _ = call(
        "compare",
        files.clip_free,
        files.clip_free_int8,
        *QUICK,
        "--max-code-difference",
        0,
        "--delegate",
        "builtin",
        "--json",
        "-",
    )
    assert status == 0
    found = json.loads(out)
    assert found["gates_asked"] == {"max_code_difference": 0}
    assert found["gates"] == {"max_code_difference": True}


def test_figures_of_files_need_no_tensorflow(files, ground_truth, run_python):
    """`latency`, `quality` and `compare` read `.tflite` files alone."""
    code = """
import sys
from runtime_bench.cli import app
from sr_models.ground.console import status_of_command
clipped, clip_free, data = sys.argv[1:]
quick = ["--runs", "5", "--warmup", "0"]
assert status_of_command(app, ["latency", clip_free, *quick]) == 0
assert status_of_command(app, ["quality", clip_free, "--data", data]) == 0
assert status_of_command(app, ["compare", clipped, clip_free, "--no-clip-ops", *quick]) == 0
sys.exit("tensorflow was imported" if "tensorflow" in sys.modules else 0)
"""
    result = run_python(code, files.clipped, files.clip_free, ground_truth)
    assert result.returncode == 0, result.stderr


def test_quality_is_kept_and_compared(files, ground_truth, tmp_path, call):
    history = tmp_path / "psnr.jsonl"
    asked = ("quality", files.clip_free, "--data", ground_truth / "second")
    asked = (*asked, "--against", history, "--save", history, "--json", "-")
    verdicts = [json.loads(call(*asked)[1])["trend"][0]["verdict"] for _ in range(2)]
    assert verdicts == ["nothing earlier", "no difference shown"]
    assert len(history.read_text().splitlines()) == 2


def test_comparisons_are_kept_unless_a_gate_is_not_met(files, tmp_path, call):
    history = tmp_path / "compare.jsonl"
    asked = ("compare", files.clipped, files.clip_free, *QUICK, "--delegate", "builtin")
    asked = (*asked, "--against", history, "--save", history)
    assert call(*asked)[0] == 0
    status, out, err = call(*asked, "--min-speedup", 1000)
    assert status == 1 and "last speed-up" in out
    assert "nothing added" in err and "gate not met: min-speedup" in err
    assert len(history.read_text().splitlines()) == 1


def test_crops_stand_in_the_results(files, ground_truth, tmp_path, call):
    path = tmp_path / "compare.json"
    status, _, err = call(
        "compare",
        files.clipped,
        files.clip_free,
        *QUICK,
        "--data",
        ground_truth,
        "--crops",
        1,
        "--json",
        path,
    )
    assert status == 0, err
    crops = json.loads(path.read_text())["crops"]
    assert [crop["image"] for crop in crops] == ["astronaut.png", "coffee.png"]
    assert all(len(crop["files"]) == 2 for crop in crops)
    status, _, err = call("compare", files.clipped, files.clip_free, "--crops", 1)
    assert status == 2 and "give --data" in err
