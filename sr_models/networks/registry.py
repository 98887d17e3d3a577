"""Network families by name: one decorator on the builder, one place to ask."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sr_models.ground.errors import UnknownModelError
from sr_models.ground.registry import Registry


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


_FOLDER = "sr_models.families"
"""Package with a family in each module, which has the family's name; asking for it imports it."""


def _load(name: str | None) -> tuple[str, ...]:
    modules = pkgutil.iter_modules(importlib.import_module(_FOLDER).__path__)
    names = tuple(module.name for module in modules)
    if name in names:
        importlib.import_module(f"{_FOLDER}.{name}")
    return names


_FAMILIES: Registry[Family] = Registry("network family", load=_load, error=UnknownModelError)


def register_family(
    name: str,
    *,
    source: str,
    to_deploy_form: Callable[[dict], dict] | None = dict,
    to_training_form: Callable[[dict], dict] | None = dict,
):
    """Decorate a trunk builder; a name that is taken already is a programming error."""

    def decorate(build):
        _FAMILIES.add(name, Family(name, build, to_deploy_form, to_training_form, source))
        return build

    return decorate


def get_family(name: str) -> Family:
    """The family of that name; raises `UnknownModelError` with the nearest names."""
    return _FAMILIES.get(name)
