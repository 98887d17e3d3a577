import json

from export.cli import app
from sr_models.ground.console import status_of_command
from tests.export.bundle.test_verification import spoil_output


def run(*arguments):
    return status_of_command(app, arguments)


def test_a_whole_bundle_passes(made_bundle, capsys):
    assert run("verify", made_bundle, "--delegate", "xnnpack", "--json", "-") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["failures"] == [] and len(told["golden"]) == 2
    assert run("verify", made_bundle, "--delegate", "xnnpack") == 0
    assert "files unchanged" in capsys.readouterr().out


def test_a_changed_bundle_is_unusable_and_the_file_named(bundle, capsys):
    with (bundle / "android" / "README.md").open("a") as file:
        file.write(" ")
    assert run("verify", bundle) == 2
    assert "android/README.md" in capsys.readouterr().err


def test_a_pair_that_is_not_reproduced_fails_the_gate(bundle, capsys):
    spoil_output(bundle)
    assert run("verify", bundle, "--delegate", "xnnpack") == 1
    assert "gate not met: model_16x24.tflite by xnnpack" in capsys.readouterr().err


def test_no_bundle_at_all(tmp_path, capsys):
    assert run("verify", tmp_path / "none") == 2
    assert "no such path" in capsys.readouterr().err
