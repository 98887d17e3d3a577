"""What results hold, gathered for the sections of a page, and the sections there are.

A section is one function under `@section` in `sections.py` or `phone_sections.py`: what it draws
from is named there, and the page takes it up by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from runtime_bench.pages.report import Page

Rows = Sequence[Mapping[str, Any]]
Draw = TypeVar("Draw", bound=Callable[..., None])


@dataclass
class Gathered:
    """Rows of any number of results, by what they are about.

    Attributes:
        parts: The results as they were read.
        compared: Those of `compare`.
        timed: Rows of latency on this machine.
        rated: Rows of quality on this machine.
        phones: Rows of latency on phones.
        made: Rows of quality of pictures that phones made.
        pairs: Golden pairs on phones.
        failures: Serial numbers of phones that failed, and why.
    """

    parts: Rows
    compared: list[Mapping[str, Any]] = field(default_factory=list)
    timed: list[Mapping[str, Any]] = field(default_factory=list)
    rated: list[Mapping[str, Any]] = field(default_factory=list)
    phones: list[Mapping[str, Any]] = field(default_factory=list)
    made: list[Mapping[str, Any]] = field(default_factory=list)
    pairs: list[Mapping[str, Any]] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)

    @property
    def timed_anywhere(self) -> Rows:
        """Rows of latency on this machine and on phones."""
        return [*self.timed, *self.phones]

    @property
    def rated_anywhere(self) -> Rows:
        """Rows of quality on this machine and on phones."""
        return [*self.rated, *self.made]

    def all_of(self, key: str) -> list[Any]:
        """What every result holds under a key, in one list."""
        return [one for part in self.parts for one in part.get(key, ())]

    @property
    def history(self) -> list[Any]:
        """Entries of histories."""
        return self.all_of("history")

    @property
    def trend(self) -> list[Any]:
        """Rows of `--against`."""
        return self.all_of("trend")

    @property
    def crops(self) -> list[Any]:
        """Cut-outs with difference maps."""
        return self.all_of("crops")


@dataclass(frozen=True)
class Section:
    """One section of a page.

    Attributes:
        place: Sections stand by rising numbers.
        takes: Attributes of `Gathered` that `draw` is given after the page, in order.
        draw: Adds the section, or nothing where there are no rows.
    """

    place: int
    takes: tuple[str, ...]
    draw: Callable[..., None]


_SECTIONS: dict[int, Section] = {}


def section(place: int, *takes: str) -> Callable[[Draw], Draw]:
    """Register a function as a section, see `Section`; raises `ValueError` for a place taken."""

    def register(draw: Draw) -> Draw:
        if place in _SECTIONS:
            raise ValueError(f"expected a free place, found {_SECTIONS[place].draw} at {place}")
        _SECTIONS[place] = Section(place, takes, draw)
        return draw

    return register


def draw_sections(page: Page, gathered: Gathered) -> None:
    """Add every section that has something to show, in order."""
    for place in sorted(_SECTIONS):
        one = _SECTIONS[place]
        one.draw(page, *(getattr(gathered, name) for name in one.takes))
