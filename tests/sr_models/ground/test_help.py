from __future__ import annotations

from typing import Annotated

import pytest
import typer

from sr_models.ground.console import new_app, status_of_command
from sr_models.ground.help import HelpAll, headed


def app_with(**choices):
    app = new_app("For tests.")

    def work(
        out: Annotated[str, typer.Option(help="Where to.")] = "",
        rare: Annotated[int, typer.Option(help="Seldom wanted.")] = 3,
        stray: Annotated[int, typer.Option(help="Under no heading.")] = 4,
        help_all: HelpAll = False,
    ):
        """Do something."""
        print("out", out, "rare", rare)

    app.command(cls=headed({"Places": ["out"], "Details": ["rare"]}, usual=["out"]))(work)
    app.command()(lambda: None)
    return app


@pytest.fixture
def told(capsys):
    def told(*arguments):
        status = status_of_command(app_with(), ["work", *arguments])
        return status, capsys.readouterr().out

    return told


def test_help_shows_what_is_usual_and_help_all_everything(told):
    status, usual = told("--help")
    assert status == 0 and "Places" in usual and "--out" in usual and "--stray" in usual
    assert "--rare" not in usual and "Details" not in usual
    status, every = told("--help-all")
    assert status == 0 and all(option in every for option in ("--out", "--rare", "--stray"))
    assert every.index("Places") < every.index("Details")


def test_what_is_hidden_can_be_given_all_the_same(told):
    assert told("--rare", "5") == (0, "out  rare 5\n")


def test_a_usual_option_without_a_heading_is_a_programming_error():
    with pytest.raises(ValueError, match="none for \\['in'\\]"):
        headed({"Places": ["out"]}, usual=["in"])
