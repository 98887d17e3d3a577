import json

import pytest

from export.cli import app
from sr_models.ground.console import status_of_command


def run(*arguments):
    return status_of_command(app, arguments)


@pytest.fixture
def small(export_small, monkeypatch):
    from export.bundle import writing

    def export_bundle(*arguments, **keywords):
        return writing.export_bundle_as_is(*arguments, export=export_small, **keywords)

    monkeypatch.setattr(writing, "export_bundle_as_is", writing.export_bundle, raising=False)
    monkeypatch.setattr(writing, "export_bundle", export_bundle)


def test_a_bundle_is_written_and_told_about(small, tmp_path, capsys):
    out = tmp_path / "phone"
    assert run("bundle", "xlsr_x3", "--out", out, "--size", "8x8", "--no-twin", "--json", "-") == 0
    manifest = json.loads(capsys.readouterr().out)
    assert manifest == json.loads((out / "manifest.json").read_text())
    assert run("verify", out, "--json", "-") == 0
    assert run("bundle", "xlsr_x3", "--out", out, "--size", "8x8", "--no-twin", "--overwrite") == 0
    assert "model.tflite" in capsys.readouterr().out


def test_a_model_is_written_as_a_bundle(small, tmp_path, capsys):
    out = tmp_path / "phone"
    sizes = ("--size", "8x12")
    assert run("model", "xlsr_x3", "--out", out, *sizes, "--bundle") == 0
    assert "model.tflite │ int8  │ 8x12" in capsys.readouterr().out
    assert run("verify", out, "--delegate", "xnnpack") == 0
    assert (
        run("model", "xlsr_x3", "--out", out, *sizes, "--bundle", "--io", "uint8", "--overwrite")
        == 0
    )
    assert "model.tflite │ uint8 │ 8x12" in capsys.readouterr().out


def test_bad_options_are_named_before_any_work(tmp_path, capsys):
    for arguments, words in (
        (("xlsr_x3", "--size", "8"), "expected a size such as"),
        (("no_such", "--size", "8x8"), "no_such"),
        (("xlsr_x3", "--io", "float32"), "expected a type of codes of auto, uint8, int8"),
        (("xlsr_x3", "--latency", tmp_path / "none.json"), "sr-bench latency --json"),
    ):
        assert run("bundle", *arguments, "--out", tmp_path / "out") == 2
        assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
