from __future__ import annotations

import inspect

from export.cli import app
from export.verbs.model import HEADINGS, USUAL, model
from sr_models.ground.console import status_of_command


def test_the_help_fits_one_screen(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    assert status_of_command(app, ["model", "--help"]) == 0
    text = capsys.readouterr().out
    assert len(text.rstrip("\n").splitlines()) <= 50
    assert all(f"--{name.replace('_', '-')}" in text for name in USUAL)


def test_every_option_has_its_heading():
    named = [name for names in HEADINGS.values() for name in names]
    assert len(named) == len(set(named))
    assert {*named, "context", "name", "help_all"} == set(inspect.signature(model).parameters)
