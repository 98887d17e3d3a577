"""Things that extend this project, each known by a name: refused twice, and found or suggested."""

from __future__ import annotations

import ast
import difflib
import fnmatch
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Generic, TypeVar

from sr_models.ground.errors import OptionError, SrError

T = TypeVar("T")

_MOST_NAMED = 40


class Registry(Generic[T]):
    """Entries by name, in the order they were registered.

    Attributes:
        noun: What an entry is called in messages: `network family`.
    """

    def __init__(
        self,
        noun: str,
        *,
        load: Callable[[str | None], Iterable[str]] = lambda name: (),
        error: type[SrError] = OptionError,
    ):
        """An empty registry.

        Args:
            noun: What an entry is called in messages.
            load: Called before an entry is looked up, with its name, and with `None` before all
                are listed: imports the modules that register them. Returns the names that it could
                still import.
            error: What an unknown name raises.
        """
        self.noun, self._load, self._error = noun, load, error
        self._entries: dict[str, T] = {}

    def add(self, name: str, entry: T) -> T:
        """Register an entry; a name that is taken already is a programming error (`ValueError`)."""
        if name in self._entries:
            raise ValueError(f"the {self.noun} {name!r} is registered twice")
        self._entries[name] = entry
        return entry

    def get(self, name: str) -> T:
        """The entry of that name; for an unknown one, raises the error with the nearest names."""
        more = self._load(name)
        if name not in self._entries:
            known = {*more, *self._entries}
            raise self._error(unknown_name_message(self.noun, name, known))
        return self._entries[name]

    def registered(self) -> dict[str, T]:
        """Those that are there already, by name; nothing is imported for it."""
        return dict(self._entries)

    def entries(self) -> dict[str, T]:
        """All of them by name, in the order they were registered."""
        self._load(None)
        return dict(self._entries)


def marked_functions(
    folder: Path, decorator: str
) -> Iterator[tuple[str, ast.FunctionDef, ast.Call]]:
    """The functions of a folder's modules under a decorator, read from their text.

    None is imported, so a name can be looked up before the libraries behind it are loaded.

    Args:
        folder: Where the modules lie.
        decorator: Name of the decorator, which is called: `@decorator(...)`.

    Yields:
        Name of the module in its folder, the function, and the call of its decorator.
    """
    for path in sorted(folder.glob("*.py")):
        text = path.read_text(encoding="utf-8")
        if f"@{decorator}(" not in text:
            continue
        for node in ast.parse(text).body:
            for mark in getattr(node, "decorator_list", ()):
                if isinstance(mark, ast.Call) and getattr(mark.func, "id", "") == decorator:
                    yield path.stem, node, mark


def unknown_name_message(noun: str, name: str, known: Iterable[str]) -> str:
    """One line that names what is known and lies nearest to `name`, or all where nothing does."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.4)
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    every = f"{', '.join(names[:_MOST_NAMED])}{more}"
    hint = f"did you mean {', '.join(near)}?" if near else f"give one of {every}"
    return f"expected a known {noun}, found {name!r}; {hint}"


def matching(names: Iterable[str], pattern: str) -> list[str]:
    """The names that a shell pattern (`abpn*`) selects, sorted."""
    return sorted(name for name in names if fnmatch.fnmatchcase(name, pattern))
