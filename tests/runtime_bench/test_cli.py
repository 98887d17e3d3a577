import pytest
from PIL import Image

QUICK = ("--runs", 5, "--warmup", 0)


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
    "none.tflite": "no such file",
    "empty.tflite": "an empty one",
    "folder": "found a folder",
    "truncated.tflite": "expected to open",
    "text.tflite": "TFL3",
}


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
        (("latency", GOOD, "--delegate", "external:none.so"), "external:PATH"),
        (("latency", GOOD, "--delegate", "external:"), "external:PATH"),
        (("latency", GOOD, "--cpus", "big"), "mask of cores"),
        (("latency", GOOD, "--runs", 0), "--runs"),
        (("latency", GOOD, "--seconds", 0), "seconds"),
        (("latency", GOOD, "--warmup", -1), "warm-up"),
        (("latency", GOOD, "--size", "8"), "360x640"),
        (("latency", GOOD, "--size", "0x8"), "0x8"),
        (("latency", GOOD, "--size", "dynamic"), "change --size"),
        (("compare", GOOD, GOOD, "--size", "8"), "360x640"),
        (("latency", GOOD, "--size", "99999999x99999999"), "1..8192"),
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
        (("compare", GOOD, GOOD, "--max-partitions", 0), "at least 1 partition"),
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
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        [
            GOOD,
            "empty.tflite",
            "truncated.tflite",
            "text.tflite",
            "garbage.json",
            "other.json",
            "folder",
            "small",
            "broken",
        ]
    )


def test_a_result_that_cannot_be_written_is_status_two(bad, call):
    status, _, err = call("latency", GOOD, *QUICK, "--json", "folder")
    assert status == 2 and "folder" in err


def test_help_is_instant(run_python):
    code = """
import sys
from runtime_bench.cli import app
from sr_models.ground.console import status_of_command
from runtime_bench.evidence.studies import studies
verbs = "latency quality compare drop upscale android report demo evidence".split()
named = [["evidence", name] for name in studies()]
for words in ([], *([verb] for verb in verbs), *named):
    assert status_of_command(app, [*words, "--help"]) == 0
assert status_of_command(app, ["evidence"]) == 0
heavy = {"tensorflow", "tf_keras", "ai_edge_litert", "scipy", "skimage", "matplotlib"}
sys.exit(f"imported {heavy & set(sys.modules)}" if heavy & set(sys.modules) else 0)
"""
    result = run_python(code)
    assert result.returncode == 0, result.stderr
    assert "--max-psnr-drop-db" in result.stdout and "--delegate" in result.stdout
