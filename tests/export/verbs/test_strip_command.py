import json

import pytest

from export.cli import app
from export.inspecting.audit import audit_model
from sr_models.ground.console import status_of_command
from tests.export.stripping.test_repair_io import DARK, WHITE, file_with
from tests.tiny_files import clipped_file, pixel_grid


def run(*arguments):
    return status_of_command(app, ("strip", *arguments))


@pytest.fixture
def clipped(tmp_path):
    path = tmp_path / "clipped.tflite"
    path.write_bytes(clipped_file("MINIMUM", "RELU", "DEPTH_TO_SPACE"))
    return path


def test_a_file_is_stripped_and_the_result_told(clipped, tmp_path, capsys):
    out = tmp_path / "out" / "free.tflite"
    assert run(clipped, "--out", out) == 0
    told = capsys.readouterr().out
    assert "MINIMUM at 4x6x12" in told and "retargeted" in told and "23 probes" in told
    assert audit_model(out).clip_ops == ()
    assert run(clipped, "--out", out) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert run(clipped, "--out", out, "--overwrite", "--json", "-") == 0
    data = json.loads(capsys.readouterr().out)
    assert data["proof"] == "retargeted" and data["sha256"] == audit_model(out).sha256


@pytest.mark.parametrize(
    ("content", "options", "said"),
    [
        (clipped_file("MINIMUM", top=0.5), (), "MINIMUM (operator 1) cannot go"),
        (clipped_file("RELU"), ("--max-difference", "0"), "could change by 1 where 0 is allowed"),
        (clipped_file("RELU", before=pixel_grid(white=2.2)), (), "by 2 where 1 is allowed"),
        (clipped_file(), (), "expected a file with a clip"),
        (clipped_file("RELU")[:200], (), "expected"),
        (b"not a model at all", (), "TFL3"),
        (clipped_file("RELU"), ("--max-difference", "-1"), "--max-difference"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_leaves_no_file(
    content, options, said, tmp_path, capsys
):
    path = tmp_path / "model.tflite"
    path.write_bytes(content)
    assert run(path, "--out", tmp_path / "out.tflite", *options) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1 and said in lines[0]
    assert [p.name for p in tmp_path.iterdir()] == ["model.tflite"]


def test_a_folder_is_never_replaced(clipped, tmp_path, capsys):
    (tmp_path / "folder").mkdir()
    assert run(clipped, "--out", tmp_path / "folder", "--overwrite") == 2
    assert (tmp_path / "folder").is_dir()


def test_scales_are_repaired_on_request(tmp_path, capsys):
    path, out = tmp_path / "dark.tflite", tmp_path / "out.tflite"
    path.write_bytes(file_with(DARK, WHITE))
    assert run(path, "--out", out) == 2
    assert "expected a file with a clip" in capsys.readouterr().err
    assert run(path, "--out", out, "--repair-io") == 0
    assert "input repaired" in capsys.readouterr().out
    assert audit_model(out).pixel_contract.holds
    assert run(out, "--out", tmp_path / "again.tflite", "--repair-io") == 2
    assert "its codes are pixels already" in capsys.readouterr().err


def test_a_clip_goes_although_a_scale_cannot_be_repaired(tmp_path, capsys):
    path, out = tmp_path / "clipped.tflite", tmp_path / "out.tflite"
    path.write_bytes(clipped_file("RELU", after=pixel_grid(white=1.1), before=pixel_grid(white=2)))
    assert run(path, "--out", out, "--repair-io", "--json", "-") == 0
    data = json.loads(capsys.readouterr().out)
    assert data["removed_ops"] and data["repair_io"]["repaired"]
    assert data["sha256"] == audit_model(out).sha256
