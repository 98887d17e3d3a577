import json
import re

import pytest
from PIL import Image

from runtime_bench.cli import app
from sr_models.command import status_of_command


@pytest.fixture
def call(capsys):
    """Run the command in this process: exit status, stdout, stderr."""

    def call(*arguments):
        capsys.readouterr()
        status = status_of_command(app, arguments)
        return status, *capsys.readouterr()

    return call


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


def test_a_page_is_made_from_what_the_others_wrote(files, ground_truth, tmp_path, call):
    latency, quality, compare = (tmp_path / f"{n}.json" for n in ("latency", "quality", "compare"))
    assert call("latency", files.clipped, files.clip_free, *QUICK, "--json", latency)[0] == 0
    assert call("quality", files.clip_free, "--data", ground_truth, "--json", quality)[0] == 0
    assert call("compare", files.clipped, files.clip_free, *QUICK, "--json", compare)[0] == 0
    page = tmp_path / "page.html"
    status, out, err = call(
        "report", latency, quality, compare, "--out", page, "--title", "A <b>title</b>"
    )
    assert (status, out) == (0, "") and f"wrote {page}" in err
    text = page.read_text(encoding="utf-8")
    assert "A &lt;b&gt;title&lt;/b&gt;" in text
    sources = re.findall(r"""(?:src|href)=["']([^"']*)""", text)
    assert sources and all(source.startswith("data:image/") for source in sources)


@pytest.fixture
def bad(files, tmp_path, monkeypatch):
    """A working folder with a file of every bad kind."""
    content = files.clip_free.read_bytes()
    (tmp_path / "good.tflite").write_bytes(content)
    (tmp_path / "empty.tflite").write_bytes(b"")
    (tmp_path / "truncated.tflite").write_bytes(content[: len(content) // 2])
    (tmp_path / "text.tflite").write_text("this is no model at all")
    (tmp_path / "garbage.json").write_text("{")
    (tmp_path / "other.json").write_text("{}")
    (tmp_path / "folder").mkdir()
    (tmp_path / "small").mkdir()
    Image.new("RGB", (9, 40)).save(tmp_path / "small" / "small.png")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno picture")
    monkeypatch.chdir(tmp_path)
    return tmp_path


GOOD = "good.tflite"
BAD_FILES = {
    "none.tflite": "no such file", "empty.tflite": "an empty one", "folder": "found a folder",
    "truncated.tflite": "expected to open", "text.tflite": "TFL3",
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_FILES)
@pytest.mark.parametrize("verb", ["latency", "quality", "compare", "compare to"])
def test_a_bad_file_is_one_line_and_status_two(verb, name, bad, picture_folder, call):
    arguments = {
        "latency": ("latency", GOOD, name),
        "quality": ("quality", name, "--data", picture_folder),
        "compare": ("compare", name, GOOD),
        "compare to": ("compare", GOOD, name),
    }[verb]
    check_mistake(call(*arguments, "--json", "result.json"), BAD_FILES[name], bad)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("latency", GOOD, "--threads", 0), "threads"),
        (("latency", GOOD, "--threads", 100000), "threads"),
        (("latency", GOOD, "--threads", "many"), "many"),
        (("latency", GOOD, "--delegate", "gpu"), "xnnpack, builtin, reference"),
        (("latency", GOOD, "--delegate", "xnnpak"), "did you mean xnnpack"),
        (("latency", GOOD, "--runs", 0), "--runs"),
        (("latency", GOOD, "--seconds", 0), "seconds"),
        (("latency", GOOD, "--warmup", -1), "warm-up"),
        (("latency", GOOD, "--height", 8), "only one of them"),
        (("latency", GOOD, "--height", 0, "--width", 8), "0x8"),
        (("latency", GOOD, "--height", 99999999, "--width", 99999999), "megapixels"),
        (("latency", GOOD, "--picture", "none.png"), "none.png"),
        (("latency",), "FILE"),
        (("latency", GOOD, "--magic"), "--magic"),
        (("quality", GOOD, "--data", "folder"), "folder"),
        (("quality", GOOD, "--data", "none"), "none"),
        (("quality", GOOD, "--data", "small"), "small.png"),
        (("quality", GOOD, "--data", "broken"), "broken.png"),
        (("quality", GOOD, "--data", "small", "--scale", 3), "found x2"),
        (("quality", GOOD, "--data", "small", "--scale", 0), "1 to 8"),
        (("quality", GOOD, "--data", "small", "--delegate", "gpu"), "xnnpack, builtin, reference"),
        (("quality", GOOD), "--data"),
        (("compare", GOOD, GOOD, "--max-psnr-drop-db", 0.1), "--data"),
        (("compare", GOOD, GOOD, "--min-speedup", 0), "speed-up above 0"),
        (("compare", GOOD, GOOD, "--max-code-difference", -1), "0 or more"),
        (("compare", GOOD, GOOD, "--threads", 0), "threads"),
        (("compare", GOOD, GOOD, "--data", "folder"), "folder"),
        (("compare", GOOD), "candidate"),
        (("report", "none.json", "--out", "page.html"), "none.json"),
        (("report", "garbage.json", "--out", "page.html"), "expected JSON"),
        (("report", "other.json", "--out", "page.html"), "other data"),
        (("report", "folder", "--out", "page.html"), "folder"),
        (("report", "other.json"), "--out"),
        (("measure", GOOD), "measure"),
    ],
)
def test_a_mistake_is_one_line_and_status_two(arguments, said, bad, call):
    check_mistake(call(*arguments), said, bad)


def check_mistake(result, said, folder):
    status, out, err = result
    assert (status, out) == (2, "")
    lines = [line for line in err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1 and said in lines[0], err
    assert "Traceback" not in err
    assert sorted(path.name for path in folder.iterdir()) == sorted([
        GOOD, "empty.tflite", "truncated.tflite", "text.tflite", "garbage.json", "other.json",
        "folder", "small", "broken",
    ])  # fmt: skip


def test_a_result_that_cannot_be_written_is_status_two(bad, call):
    status, _, err = call("latency", GOOD, *QUICK, "--json", "folder")
    assert status == 2 and "folder" in err


def test_help_is_instant(run_python):
    code = """
import sys
from runtime_bench.cli import app
from sr_models.command import status_of_command
verbs = ["latency", "quality", "compare", "report", "calibration", "forms", "demo"]
for words in ([], *([verb] for verb in verbs)):
    assert status_of_command(app, [*words, "--help"]) == 0
heavy = {"tensorflow", "tf_keras", "ai_edge_litert", "scipy", "skimage", "matplotlib"}
sys.exit(f"imported {heavy & set(sys.modules)}" if heavy & set(sys.modules) else 0)
"""
    result = run_python(code)
    assert result.returncode == 0, result.stderr
    assert "--max-psnr-drop-db" in result.stdout and "--delegate" in result.stdout


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
