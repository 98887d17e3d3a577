"""What README.md tells people to type works as it stands."""

from __future__ import annotations

import importlib
import re
from functools import cache
from pathlib import Path

import pytest
from typer import Context
from typer.core import TyperGroup
from typer.main import get_command

from sr_models.ground.console import status_of_command

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = (README, *sorted((ROOT / "docs").glob("*.md")))
PACKAGES = ("sr_models", "representative_data", "export", "runtime_bench")


def python_blocks() -> list[str]:
    pages = (README, ROOT / "docs/questions.md")
    return [b for p in pages for b in re.findall(r"```python\n(.*?)```", p.read_text(), re.DOTALL)]


@pytest.mark.slow
def test_python_of_the_readme_runs(picture_folder, tmp_path, monkeypatch):
    """One block after the other, on a preset and a set that take a fraction of the time."""
    (tmp_path / "photos").symlink_to(picture_folder)
    monkeypatch.chdir(tmp_path)
    blocks = "\n".join(python_blocks())
    few = '"photos", pictures=12, tile_side=32)'
    assert blocks.count('"photos")') == 2
    exec(blocks.replace("xlsr_x3", "quicksrnet_s_x2").replace('"photos")', few), {})
    from export.inspecting.audit import audit_model

    files = sorted(tmp_path.glob("**/*.tflite"))
    assert len(files) == len(python_blocks())
    for audit in map(audit_model, files):
        assert audit.full_integer and audit.pixel_contract.holds and not audit.clip_ops


def test_files_that_the_readme_links_to_exist():
    links = re.findall(r"\]\(([^)#:]+)\)", README.read_text())
    missing = [link for link in links if not (README.parent / link).exists()]
    assert links and not missing


def test_python_of_the_readme_imports_packages_by_their_own_names():
    for block in python_blocks():
        assert not re.findall(
            rf"^\s*(?:from|import) (?:{'|'.join(PACKAGES)})\.", block, re.MULTILINE
        )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_places_that_a_page_names_exist(page):
    places = set(re.findall(rf"\b((?:{'|'.join(PACKAGES)}|tests)/[\w/.-]*\w)", page.read_text()))
    missing = sorted(place for place in places if not (ROOT / place).exists())
    assert missing == []


def test_every_word_of_the_glossary_has_a_line_and_one_sense():
    words = re.findall(r"^- \*\*(.+?)\*\*: ", (ROOT / "docs/glossary.md").read_text(), re.MULTILINE)
    assert len(words) == len(set(words)) == 12


def typed_commands(page: Path) -> list[list[str]]:
    """Every command of ours that a page shows, in a block or in a line; its words."""
    text = re.sub(r"\\\n\s*", " ", page.read_text())
    shown = re.findall(r"^(sr-\w+ [^#\n]*)", text, re.MULTILINE)
    shown += re.findall(r"`(sr-\w+ [^`]*)`", text)
    return [command.split() for command in shown]


@cache
def options_of(*words: str) -> set[str]:
    """Options that a command's verb takes; of a verb in the group that it stands in."""
    package = {"sr-models": "sr_models", "sr-export": "export", "sr-bench": "runtime_bench"}
    cli = importlib.import_module(f"{package.get(words[0], 'representative_data')}.cli")
    command = get_command(cli.app)
    for word in words[1:]:
        if not isinstance(command, TyperGroup):
            break
        command = command.get_command(Context(command), word)
        assert command is not None, words
    return {option for param in command.params for option in param.opts + param.secondary_opts}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_options_that_a_page_shows_are_taken(page):
    for words in typed_commands(page):
        asked = {word.split("=")[0].rstrip(",.;)") for word in words if word.startswith("--")}
        assert asked <= options_of(*words[:3]), words


def test_commands_of_the_readme_exist(capsys):
    shown = set(re.findall(r"^(sr-\w+) (\w+)", README.read_text(), re.MULTILINE))
    # sr-calibrate has no verbs.
    packages = {"sr-models": "sr_models", "sr-export": "export", "sr-bench": "runtime_bench"}
    assert {command for command, _ in shown} >= set(packages)
    for command, package in packages.items():
        app = importlib.import_module(f"{package}.cli").app
        for verb in sorted(verb for name, verb in shown if name == command):
            assert status_of_command(app, [verb, "--help"]) == 0, (command, verb)
            assert "Usage" in capsys.readouterr().out
