import json
from types import SimpleNamespace

import pytest

from runtime_bench.cli import app
from runtime_bench.evidence import sources
from runtime_bench.evidence.sources import SourceRow, source_cells
from sr_models.ground.console import status_of_command
from sr_models.ground.errors import ConversionError

ROW = SourceRow("rfdn", "onnx-dynamo", True, "", 0.0123, 0.0301, 61.7)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (ROW, None),
        (SourceRow("rfdn", "frozen", False, "an operator"), "rfdn as frozen is refused"),
        (SourceRow("rfdn", "keras", True, "", 0.2, 0.0), "rfdn as keras is not shown"),
        (SourceRow("rfdn", "keras", True, "", None, 0.0), "rfdn as keras is not shown"),
        (SourceRow("rfdn", "keras", True, "", 0.0, 0.081), "rfdn as keras loses 0.081 dB"),
        (SourceRow("rfdn", "keras", True, "", 0.0, None), "rfdn as keras loses nan dB"),
    ],
)
def test_what_fails_the_gate(row, said):
    assert row.failure() is None if said is None else row.failure().startswith(said)


def test_a_row_says_what_came_of_it():
    columns, (cells, refused) = source_cells([ROW, SourceRow("edsr", "frozen", False, "no way")])
    assert dict(zip(columns, cells)) == {
        "network": "rfdn",
        "format": "onnx-dynamo",
        "taken": "yes",
        "difference, of 255": "0.012",
        "INT8 drop, dB": "0.030",
        "export, s": "62",
    }
    assert refused == ["edsr", "frozen", "no way", "", "", ""]


@pytest.fixture
def exports(monkeypatch):
    """Stands in for fitting and exporting; what was exported."""
    done = []

    def export(source, out, *, size):
        done.append(source.name)
        if "dynamo" in source.name:
            raise ConversionError("expected another file")
        check = {"check": {"largest_difference_of_255": 0.01}}
        manifest = {"drop": {"y_db": 0.01, "rgb_db": 0.02}, "network": {"origin": check}}
        return SimpleNamespace(manifest=manifest, seconds=3.0)

    monkeypatch.setattr(sources, "export_file", export)
    monkeypatch.setattr("runtime_bench.evidence.fitting.fit", lambda *given, **how: None)
    return done


@pytest.mark.slow
def test_what_is_done_is_not_done_again(exports, tmp_path):
    command = ["evidence", "sources", "vdsr", "--format", "onnx-torchscript", "--width", "8"]
    command += ["--format", "onnx-dynamo", "--out", str(tmp_path), "--json", str(tmp_path / "j")]
    assert status_of_command(app, command) == 0
    assert exports == ["vdsr_torchscript.onnx", "vdsr_dynamo.onnx"]
    first, second = json.loads((tmp_path / "j").read_text())["results"]
    assert (first["taken"], first["drop_db"], first["source_format"]) == (
        True,
        0.02,
        "onnx-torchscript",
    )
    assert not second["taken"] and second["reason"] == "expected another file"
    assert status_of_command(app, [*command, "--require"]) == 1
    assert len(exports) == 2


@pytest.mark.parametrize(
    "wrong", [["vdssr"], ["--format", "onxx"], ["--width", "6"], ["--fit-seconds", "0"]]
)
def test_wrong_options(wrong, tmp_path, capsys):
    command = ["evidence", "sources", *wrong, "--out", str(tmp_path / "none")]
    assert status_of_command(app, command) == 2
    assert capsys.readouterr().err.startswith("error: expected ")
    assert not (tmp_path / "none").exists()
