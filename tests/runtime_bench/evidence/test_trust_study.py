import json

import pytest

from export.running.plan import Plan
from runtime_bench.evidence import twin_files
from runtime_bench.evidence.overhead import Overhead

QUICK = ("--runs", 9, "--warmup", 0, "--delegate", "builtin")


def test_verdicts_are_counted_and_gated(files, call, tmp_path):
    """A tenfold slowdown is found on any machine."""
    arguments = ("evidence", "trust", files.clip_free, *QUICK, "--comparisons", 2, "--slowdown", 9)
    status, out, err = call(*arguments, "--least-found", 2, "--json", tmp_path / "trust.json")
    found = json.loads((tmp_path / "trust.json").read_text())
    assert status == 0 and "Verdicts" in out and "4 comparisons in" in err
    assert (found["slowdowns_found"], len(found["same"])) == (2, 2)
    assert found["machine"]["cpu"] and found["protocol"]["runs_at_most"] == 9
    status, _, err = call(*arguments, "--least-found", 3)
    assert status == 1 and "gate not met: least-found 3 (found 2)" in err


def test_overheads_are_shown_and_gated(files, call, monkeypatch, tmp_path):
    asked = []

    def measure(file, plan, *, threads, rounds, on_step):
        asked.append((plan, threads, rounds))
        return Overhead(file, threads, (10.5,) * 3, (10.0,) * 3, 1.05, 1.05)

    monkeypatch.setattr("runtime_bench.evidence.overhead.measure_overhead", measure)
    arguments = (
        "evidence",
        "overhead",
        files.clip_free,
        "--threads",
        1,
        "--threads",
        2,
        "--rounds",
        3,
    )
    status, out, _ = call(*arguments, "--json", tmp_path / "overhead.json")
    assert status == 0 and "litert-benchmark, ms" in out and "1.0500" in out
    assert asked == [(Plan(warmup=5), 1, 3), (Plan(warmup=5), 2, 3)]
    results = json.loads((tmp_path / "overhead.json").read_text())["results"]
    assert [row["overhead"] for row in results] == [pytest.approx(0.05)] * 2
    assert call(*arguments, "--max-overhead", 0.06)[0] == 0
    status, _, err = call(*arguments, "--max-overhead", 0.02)
    assert status == 1 and "max-overhead 0.02 (+5.0% at 1 thread(s), +5.0% at 2" in err


@pytest.fixture
def ready_made(files, monkeypatch):
    """Exports that take no time: the small files stand for every preset's."""
    contents = {"clip": files.clipped.read_bytes(), "relu": files.clip_free.read_bytes()}
    made = []

    def exported(preset, settings):
        made.append((preset.name, settings.quantizing.recipe))
        return contents[settings.quantizing.tail]

    monkeypatch.setattr(twin_files, "_exported", exported)
    return made


def test_twins_are_exported_once_and_timed(ready_made, call, tmp_path):
    out = tmp_path / "files"
    arguments = ("evidence", "twins", "xlsr_x2", "etds_t_x3", "--out", out)
    status, shown, err = call(*arguments, "--only-export")
    assert (status, shown) == (0, "") and err.count("exporting") == 4 == len(ready_made)
    status, shown, err = call(
        *arguments,
        "--size",
        "16x20",
        "--runs",
        9,
        "--warmup",
        0,
        "--threads",
        1,
        "--json",
        tmp_path / "twins.json",
        "--markdown",
        tmp_path / "twins.md",
    )
    assert status == 0 and len(ready_made) == 4, err
    assert "xlsr_x2" in shown and "exporting" not in err and "of 2 networks" in err
    found = json.loads((tmp_path / "twins.json").read_text())
    assert [row["preset"] for row in found["results"]] == ["xlsr_x2", "etds_t_x3"]
    assert (found["height"], found["width"]) == (16, 20)
    page = (tmp_path / "twins.md").read_text()
    assert found["method"] == ready_made[1][1] and found["method"] in page
    assert "| `etds_t_x3` |" in page and "Input 16x20" in page and "of 2 networks" in page


def test_another_recipe_is_another_clip_free_file(ready_made, call, tmp_path):
    arguments = ("evidence", "twins", "etds_t_x3", "--out", tmp_path / "files", "--only-export")
    assert call(*arguments)[0] == call(*arguments, "--method", "cfqp")[0] == 0
    methods = [method for _, method in ready_made]
    assert methods[0] == "natural" and methods[2:] == ["cfqp"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("trust", "none.tflite"), "no such file"),
        (("trust", "GOOD", "--comparisons", 0), "at least 1 comparison"),
        (("trust", "GOOD", "--slowdown", 0), "slowdown above 0"),
        (("trust", "GOOD", "--runs", 0), "--runs"),
        (("overhead", "none.tflite"), "no such file"),
        (("overhead", "GOOD", "--rounds", 1), "at least 3 rounds"),
        (("twins", "xslr_x3", "--out", "files"), "did you mean xlsr_x3"),
        (("twins", "rdn_x2", "--out", "files"), "presets with weights"),
        (("twins", "xlsr_x3"), "--out"),
        (("twins", "xlsr_x3", "--out", "files", "--method", "cfpq"), "did you mean cfqp"),
        (("twins", "xlsr_x3", "--out", "files", "--data", "none"), "none"),
        (("twins", "xlsr_x3", "--out", "files", "--markdown", "GOOD/page.md"), "page.md"),
        (("twins", "xlsr_x3", "--out", "files", "--runs", 0), "--runs"),
    ],
)
def test_a_mistake_is_one_line_and_status_two(
    arguments, said, files, ready_made, call, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    words = [str(word).replace("GOOD", str(files.clip_free)) for word in arguments]
    status, out, err = call("evidence", *words)
    assert (status, out) == (2, "")
    assert said in err and err.count("\n") == 1 and "Traceback" not in err
    assert list(tmp_path.iterdir()) == []
