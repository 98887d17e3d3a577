"""What the help of every verb says of its options."""

from __future__ import annotations

import functools

import pytest
import typer

import export.cli
import representative_data.cli
import runtime_bench.cli
import sr_models.cli
from sr_models.ground.console import status_of_command

APPS = {
    "sr-models": sr_models.cli.app,
    "sr-calibrate": representative_data.cli.app,
    "sr-export": export.cli.app,
    "sr-bench": runtime_bench.cli.app,
}


def verbs(command, words=()):
    """Every verb of a command, with the words that call it."""
    if not hasattr(command, "list_commands"):
        return {words: command}
    found = [verbs(command.get_command(None, v), (*words, v)) for v in command.list_commands(None)]
    return functools.reduce(dict.__or__, found)


VERBS = {
    (name, *words): verb
    for name, app in APPS.items()
    for words, verb in verbs(typer.main.get_command(app)).items()
}


def has_default(option) -> bool:
    """Whether an option has a value of its own that is no switch turned off."""
    return not option.required and option.default not in (None, False)


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_help_prints_each_default(words, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "400")
    name, *verb = words
    everything = "--help-all" if ("--help-all" in _options(words)) else "--help"
    assert status_of_command(APPS[name], [*verb, everything]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("│")]
    for option in VERBS[words].params:
        line = next((line for line in lines if option.help in line), None)
        # What rich takes for markup is not printed, so no default may be written by hand.
        assert line, f"{option.name}: {option.help}"
        assert "default" not in option.help
        if has_default(option) or isinstance(option.show_default, str):
            assert "[default: " in line


def _options(words) -> set[str]:
    return {name for option in VERBS[words].params for name in option.opts}
