import typer

from export.verbs.options import JsonOption
from sr_models.ground.console import status_of_command


def test_a_place_that_cannot_take_json_is_known_before_the_work(tmp_path, capsys):
    app = typer.Typer()

    @app.command()
    def work(json: JsonOption = None):
        raise AssertionError("started")

    assert status_of_command(app, ["--json", tmp_path]) == 2
    assert "expected a file for JSON" in capsys.readouterr().err
