"""Quantization methods by name, each in a module of its own."""

from __future__ import annotations

import ast
import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sr_models.ground.registry import Registry, marked_functions

if TYPE_CHECKING:
    from export.quantizing.quantized_network import Evidence, QuantizedNetwork

STAGES = ("layers", "packing", "network", "ranges", "weights", "tuning")
"""In the order in which methods can follow one another in a recipe."""

_FOLDER = "export.methods"
"""Package with a method, or a few of one kind, in each module."""

Apply = Callable[["QuantizedNetwork", "Evidence"], "QuantizedNetwork"]


@dataclass(frozen=True)
class Outline:
    """What a method's decorator says of it; see `Method`."""

    name: str
    stage: str
    alone: bool = False


@dataclass(frozen=True)
class Method:
    """One method that a recipe can name.

    Attributes:
        name: What recipes call it.
        stage: One of `STAGES`: `"layers"` decides what the layers are, `"packing"` what form they
            have for the kernels, `"network"` changes weights but not the function, `"ranges"` finds
            tensor ranges, `"weights"` rounds or corrects weights layer by layer, `"tuning"` trains
            all of it together.
        source: Where it was published.
        summary: First line of its docstring.
        apply: From a network with ranges to a better one.
        alone: Whether its name is a recipe by itself: it brings what pictures would decide, or
            takes them as they are in nature.
        changes_layers: Whether it may put other layers in the place of the network's own, which
            decides how a file runs; the others change weights and ranges.
    """

    name: str
    stage: str
    source: str
    summary: str
    apply: Apply
    alone: bool = False
    changes_layers: bool = False


def _load(name: str | None) -> tuple[str, ...]:
    for module in pkgutil.iter_modules(importlib.import_module(_FOLDER).__path__):
        importlib.import_module(f"{_FOLDER}.{module.name}")
    return ()


_METHODS: Registry[Method] = Registry("method", load=_load)


def register_method(
    name: str, *, stage: str, source: str, alone: bool = False, changes_layers: bool = False
):
    """Decorate a method; a name that is taken already is a programming error."""
    if stage not in STAGES:
        raise ValueError(f"expected a stage of {', '.join(STAGES)}, found {stage!r}")

    def decorate(apply: Apply) -> Apply:
        summary = (apply.__doc__ or "").strip().partition("\n")[0]
        _METHODS.add(name, Method(name, stage, source, summary, apply, alone, changes_layers))
        return apply

    return decorate


def outlines() -> dict[str, Outline]:
    """All methods by name, as their decorators describe them; none of them is imported."""
    found = dict(_written())
    for name, method in _METHODS.registered().items():
        found[name] = Outline(name, method.stage, method.alone)
    return found


@cache
def _written() -> dict[str, Outline]:
    found: dict[str, Outline] = {}
    folder = Path(__file__).parents[1] / "methods"
    for _, _, mark in marked_functions(folder, register_method.__name__):
        name = ast.literal_eval(mark.args[0])
        said = {k.arg: k.value for k in mark.keywords if k.arg in ("stage", "alone")}
        found[name] = Outline(name, **{key: ast.literal_eval(v) for key, v in said.items()})
    return found


def list_methods() -> list[Method]:
    """All methods, by stage and then by name."""
    return sorted(_METHODS.entries().values(), key=lambda m: (STAGES.index(m.stage), m.name))


def get_method(name: str) -> Method:
    """The method of that name; raises `OptionError` with the nearest names."""
    return _METHODS.get(name)
