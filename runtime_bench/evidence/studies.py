"""The studies of `sr-bench evidence`: what this project's own figures rest on.

A study is one function of a file in this folder under `@study("name")`, as typer takes it. Its
options are the function's, its line in the list is the first of the function's docstring. Nothing
else names it: the list is read from the text of the files, so that none but the asked one is
imported.
"""

from __future__ import annotations

import ast
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TypeVar

import runtime_bench.evidence
from sr_models.ground.errors import OptionError
from sr_models.ground.registry import unknown_name_message

Command = TypeVar("Command", bound=Callable)


@dataclass(frozen=True)
class Study:
    """One study, not yet imported.

    Attributes:
        name: What it is called on the command line.
        line: What it does, in one line.
        module: The module that holds it.
        function: Its function there.
    """

    name: str
    line: str
    module: str
    function: str

    def load(self) -> Callable:
        """The function itself, which typer makes a command of."""
        return getattr(import_module(self.module), self.function)


def study(name: str) -> Callable[[Command], Command]:
    """Mark a function as a study; `name` must be a literal, for it is read from the text."""
    return lambda function: function


@cache
def studies() -> dict[str, Study]:
    """All studies by name, in the order of the alphabet.

    Raises:
        ValueError: Two functions of one name, or one without a docstring.
    """
    found: dict[str, Study] = {}
    folder = runtime_bench.evidence
    for module in pkgutil.iter_modules(folder.__path__, f"{folder.__name__}."):
        path = Path(module.module_finder.path, f"{module.name.rpartition('.')[2]}.py")
        for one in _studies_in(path.read_text(encoding="utf-8"), module.name):
            if one.name in found:
                raise ValueError(
                    f"expected one study {one.name}, found it in {found[one.name].module} and "
                    f"{one.module}; rename one"
                )
            found[one.name] = one
    return dict(sorted(found.items()))


def find_study(name: str) -> Study:
    """A study by name; raises `OptionError`, naming the nearest, for an unknown one."""
    if name not in studies():
        raise OptionError(unknown_name_message("study", name, studies()))
    return studies()[name]


def _studies_in(text: str, module: str) -> list[Study]:
    if "@study(" not in text:
        return []
    found = []
    for node in ast.parse(text).body:
        for mark in getattr(node, "decorator_list", ()):
            if isinstance(mark, ast.Call) and getattr(mark.func, "id", "") == study.__name__:
                said = ast.get_docstring(node)
                if not said:
                    raise ValueError(f"expected a docstring on {node.name} in {module}, found none")
                name = ast.literal_eval(mark.args[0])
                found.append(Study(name, said.splitlines()[0], module, node.name))
    return found
