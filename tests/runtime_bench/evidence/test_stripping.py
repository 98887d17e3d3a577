import json

import numpy as np
import pytest

from export.running.statistics import compare_samples
from runtime_bench.cli import app
from runtime_bench.evidence.stripping import StrippedRow, failures, medians, stripped_cells
from sr_models.ground.console import status_of_command
from tests.tiny_files import clipped_file


def row(file: str, *milliseconds: float) -> StrippedRow:
    """One that took 10 ms before, by numbers of threads."""
    speed = {
        count: compare_samples(np.linspace(10.0, 10.1, 25), np.linspace(ms, ms + 0.1, 25))
        for count, ms in enumerate(milliseconds, 1)
    }
    return StrippedRow(file, "MINIMUM went", 1, speed)


ROWS = [
    row("a", 9.0, 7.0),
    row("b", 7.9, 6.0),
    row("c", 7.0, 10.5),
    StrippedRow("d", "none", 0, {}),
]


def test_medians_are_of_files_that_were_timed():
    assert medians(ROWS) == pytest.approx({1: 0.79, 2: 0.70}, abs=0.01)
    assert medians(ROWS[3:]) == {}
    columns, cells = stripped_cells(ROWS)
    assert columns == ["file", "1 thread", "2 threads", "what was done"]
    assert cells[0][1].startswith("0.90 [") and cells[3][1] == "not timed"
    assert cells[4][0] == "median" and cells[4][2] == "0.70"


def test_the_gate_names_what_is_not_as_it_should_be():
    assert failures(ROWS) == ["c takes 1.05 of its time"]
    assert failures([row("a", 9.0)]) == ["a median of 0.90 at 1 thread(s)"]
    assert failures(ROWS[:2][1:]) == []


def test_files_are_stripped_and_timed(tmp_path, capsys):
    path, plain = tmp_path / "clipped.tflite", tmp_path / "plain.tflite"
    path.write_bytes(clipped_file("MINIMUM", "RELU"))
    plain.write_bytes(clipped_file())
    out, table = tmp_path / "out.json", tmp_path / "table.md"
    options = ("--threads", "1", "--runs", "5", "--json", out, "--markdown", table)
    assert status_of_command(app, ("evidence", "stripping", path, plain, *options)) == 0
    first, second = json.loads(out.read_text())["results"]
    assert first["what"].startswith("MINIMUM, RELU went") and first["bound"] == 1
    assert [found["threads"] for found in first["comparisons"]] == [1]
    assert second["comparisons"] == [] and "found none" in second["what"]
    assert "| plain.tflite | not timed |" in table.read_text()
    assert "clipped.tflite" in capsys.readouterr().out
