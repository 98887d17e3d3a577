"""The studies of `sr-bench evidence`: what this project's own figures rest on.

A study is one function of a file in this folder under `@study("name")`, as typer takes it. Its
options are the function's, its line in the list is the first of the function's docstring. Nothing
else names it: the list is read from the text of the files, so that none but the asked one is
imported.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, wraps
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

from runtime_bench.evidence.signatures import signature_of
from sr_models.ground.errors import OptionError
from sr_models.ground.registry import marked_functions, unknown_name_message

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
        """The function itself."""
        return getattr(import_module(self.module), self.function)

    def command(self) -> Callable:
        """What typer makes a command of: it takes what the function does, and loads it when called.

        A wrong option is thus told before the libraries that the study works with are loaded.
        """
        text = (Path(__file__).parent / f"{self.module.rpartition('.')[2]}.py").read_text("utf-8")
        try:
            signature = signature_of(text, self.function)
        except LookupError:
            return self.load()

        @wraps(signature)
        def command(*arguments: Any, **options: Any) -> Any:
            signature(*arguments, **options)  # Of which decorators may refuse what it is given.
            return self.load()(*arguments, **options)

        return command


def study(name: str) -> Callable[[Command], Command]:
    """Mark a function as a study; `name` must be a literal, for it is read from the text."""
    return lambda function: function


@cache
def studies() -> dict[str, Study]:
    """All studies by name, in the order of the alphabet.

    Raises:
        ValueError: Two functions of one name, or one without a docstring.
    """
    return _studies_of(Path(__file__).parent, __package__)


def _studies_of(folder: Path, package: str) -> dict[str, Study]:
    found: dict[str, Study] = {}
    for stem, function, mark in marked_functions(folder, study.__name__):
        module, said = f"{package}.{stem}", ast.get_docstring(function)
        if not said:
            raise ValueError(f"expected a docstring on {function.name} in {module}, found none")
        name = ast.literal_eval(mark.args[0])
        if name in found:
            raise ValueError(
                f"expected one study {name}, found it in {found[name].module} and "
                f"{module}; rename one"
            )
        found[name] = Study(name, said.splitlines()[0], module, function.name)
    return dict(sorted(found.items()))


def find_study(name: str) -> Study:
    """A study by name; raises `OptionError`, naming the nearest, for an unknown one."""
    if name not in studies():
        raise OptionError(unknown_name_message("study", name, studies()))
    return studies()[name]
