"""The house rules that a machine can check: imports point one way, Keras is tf_keras."""

from __future__ import annotations

import ast
import configparser
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("sr_models", "representative_data", "export", "runtime_bench")
FOLDERS = {
    "sr_models": (
        "ground",
        "networks",
        "families",
        "quantization",
        "tflite",
        "observing",
        "importing",
        "published",
        "training",
        "verbs",
    ),
    "representative_data": (),
    "export": (
        "tflite",
        "running",
        "quantizing",
        "methods",
        "inspecting",
        "stripping",
        "precision",
        "exporting",
        "bundle",
        "verbs",
    ),
    "runtime_bench": (
        "measuring",
        "comparing",
        "history",
        "upscaling",
        "android",
        "targets",
        "pages",
        "evidence",
        "verbs",
    ),
}
"""Folders of each package; one imports only from itself and from those before it."""
LONGEST_FILE = 350

MODULES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def module_of(path: Path) -> str:
    """The name by which a file is imported."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


BY_NAME = {module_of(path): path for path in MODULES}


@cache
def tree_of(module: str) -> ast.Module:
    return ast.parse(BY_NAME[module].read_text())


@cache
def imported(module: str) -> frozenset[str]:
    """Every module that a file imports, at the top or inside of a function."""
    names: set[str] = set()
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            names.add(node.module)
    return frozenset(names)


def at_fault(of_module) -> dict[str, object]:
    """What a check says of each module, where it finds anything: what a failure shows."""
    return {module: found for module in BY_NAME if (found := of_module(module))}


def test_a_package_imports_to_its_left_only():
    def to_the_right(module):
        own = PACKAGES.index(module.split(".")[0])
        return {name for name in imported(module) if name.split(".")[0] in PACKAGES[own + 1 :]}

    assert at_fault(to_the_right) == {}


@cache
def modules_imported(module: str) -> frozenset[str]:
    """The modules of the four packages that a module imports, at the top or inside of a function.

    What a package's front names by a string and imports when it is asked for is no import here.
    """
    found: set[str] = set()
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            # `from a.b import c` imports the module `a.b.c` where there is one.
            found |= {
                name if (name := f"{node.module}.{alias.name}") in BY_NAME else node.module
                for alias in node.names
            }
    return frozenset(found & BY_NAME.keys())


def folder_of(module: str) -> tuple[str, str | None]:
    """Package and folder that a module lies in; no folder for what lies beside the folders."""
    parts = BY_NAME[module].relative_to(ROOT).parts
    return parts[0], parts[1] if len(parts) > 2 else None


def test_every_folder_has_its_place():
    found = {folder_of(module) for module in BY_NAME}
    assert {(package, folder) for package, folder in found if folder} == {
        (package, folder) for package, folders in FOLDERS.items() for folder in folders
    }


def test_a_folder_imports_only_folders_before_it():
    def later(module):
        package, folder = folder_of(module)
        if folder is None:
            return None  # A front, which may import all of its house.
        places = FOLDERS[package]
        return {
            other
            for other in modules_imported(module)
            if folder_of(other)[0] == package
            and folder_of(other)[1] not in places[: places.index(folder) + 1]
        }

    assert at_fault(later) == {}


def test_no_import_leads_back_to_its_own_file():
    def leads_back(module):
        reached, waiting = set(), list(modules_imported(module))
        while waiting:
            other = waiting.pop()
            if other not in reached:
                reached.add(other)
                waiting += modules_imported(other)
        return module in reached

    assert at_fault(leads_back) == {}


def test_a_file_can_be_understood_in_one_sitting():
    def too_long(module):
        lines = len(BY_NAME[module].read_text().splitlines())
        return lines if lines > LONGEST_FILE else None

    assert at_fault(too_long) == {}


def test_every_folder_has_a_folder_of_tests():
    folders = {path.parent.relative_to(ROOT) for path in MODULES}
    assert {str(f) for f in folders if not any((ROOT / "tests" / f).glob("test_*.py"))} == set()


def test_keras_is_tf_keras():
    def other_keras(module):
        text = BY_NAME[module].read_text().replace("never `tf.keras`", "")
        return {name for name in imported(module) if name.split(".")[0] == "keras"} | (
            {"tf.keras"} if "tf.keras" in text else set()
        )

    assert at_fault(other_keras) == {}


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
