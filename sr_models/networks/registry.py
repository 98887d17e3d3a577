"""Network families by name: one decorator on the builder, one place to ask."""

from __future__ import annotations

import difflib
import fnmatch
import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from sr_models.ground.errors import UnknownModelError


@dataclass(frozen=True)
class Family:
    """A network family: how to build it and how its two forms relate.

    Attributes:
        name: Name of the family, the first part of its presets' names.
        build: `build(config, form=...)` returns the *trunk*: a float network from the picture
            (N, H, W, 3) in 0..1 to the channels that depth-to-space turns into the result,
            (N, H, W, 3 s^2), without any output tail.
        to_deploy_form: Maps the weights of the training form to those of the deployed form;
            both are dictionaries from variable name to array. `dict`, a copy, where the forms are
            one.
        to_training_form: The inverse, for resuming training from shipped weights; `None` where
            there is none.
        source: Where the architecture was published.
    """

    name: str
    build: Callable[..., Any]
    to_deploy_form: Callable[[dict], dict] | None
    to_training_form: Callable[[dict], dict] | None
    source: str


_MODULES = (
    "abpn",
    "ecbsr",
    "edsr",
    "espcn",
    "etds",
    "fsrcnn",
    "quicksrnet",
    "rdn",
    "sesr",
    "xlsr",
)
"""Modules of `sr_models.families`, each the family of its name; asking for it imports it."""

_MOST_NAMED = 40

_FAMILIES: dict[str, Family] = {}


def register_family(
    name: str,
    *,
    source: str,
    to_deploy_form: Callable[[dict], dict] | None = dict,
    to_training_form: Callable[[dict], dict] | None = dict,
):
    """Decorate a trunk builder; a name that is taken already is a programming error."""

    def decorate(build):
        if name in _FAMILIES:
            raise ValueError(f"the network family {name!r} is registered twice")
        _FAMILIES[name] = Family(name, build, to_deploy_form, to_training_form, source)
        return build

    return decorate


def get_family(name: str) -> Family:
    """The family of that name; raises `UnknownModelError` with the nearest names."""
    if name in _MODULES:
        importlib.import_module(f"sr_models.families.{name}")
    if name not in _FAMILIES:
        known = {*_MODULES, *_FAMILIES}
        raise UnknownModelError(unknown_name_message("network family", name, known))
    return _FAMILIES[name]


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
