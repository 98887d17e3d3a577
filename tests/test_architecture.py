"""The house rules that a machine can check: imports point to the left, Keras is tf_keras."""

from __future__ import annotations

import ast
import configparser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("sr_models", "representative_data", "export", "runtime_bench")
MODULES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def imported(path: Path) -> set[str]:
    """Every module that a file imports, at the top or inside of a function."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            names.add(node.module)
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_package_imports_to_its_left_only(path):
    own = PACKAGES.index(path.relative_to(ROOT).parts[0])
    to_the_right = {name for name in imported(path) if name.split(".")[0] in PACKAGES[own + 1 :]}
    assert not to_the_right


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_keras_is_tf_keras(path):
    assert not {name for name in imported(path) if name.split(".")[0] == "keras"}
    assert "tf.keras" not in path.read_text().replace("never `tf.keras`", "")


def test_every_package_has_its_command():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    scripts = dict(
        line.split(" = ")
        for line in setup["options.entry_points"]["console_scripts"].strip().splitlines()
    )
    assert scripts == {
        "sr-models": "sr_models.cli:main",
        "sr-calibrate": "representative_data.cli:main",
        "sr-export": "export.cli:main",
        "sr-bench": "runtime_bench.cli:main",
    }


def test_every_dependency_has_a_tested_version():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    wanted = "".join(
        [setup["options"]["install_requires"], *setup["options.extras_require"].values()]
    )
    names = {line.split(">")[0].strip().replace("_", "-") for line in wanted.strip().splitlines()}
    pinned = {
        line.split("==")[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line
    }
    assert {name for name in names if name} <= pinned


def test_tests_mirror_the_packages():
    missing = [
        str(path.relative_to(ROOT))
        for path in MODULES
        if path.name != "__init__.py"
        and not (ROOT / "tests" / path.parent.relative_to(ROOT) / f"test_{path.name}").is_file()
    ]
    assert missing == []
