"""Each key of our JSON has one type in all outputs, and docs/json.md says which."""

from __future__ import annotations

import collections.abc
import dataclasses
import importlib
import pkgutil
import re
import types
import typing
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

DOCUMENTED = Path(__file__).parents[1] / "docs" / "json.md"
PACKAGES = ("sr_models", "representative_data", "export", "runtime_bench")
NAME = "<name>"
"""A key that is data: what `Mapping[str, ...]` holds."""
WORDS = {
    dict: "object",
    list: "list",
    tuple: "list",
    str: "text",
    bool: "true or false",
    int: "number",
    float: "number",
}
NAMED = ("counts", "result")
"""Objects whose keys are data too: statuses, or the row of another class."""
QUALITY = {"model": "m", "dataset": "d", "delegate": "xnnpack", "scale": 3}
OWN = {
    ("LayerComparison", "is_output"): False,
    ("Verification", "manifest"): {"network": {"name": "net"}, "models": [], "files": {}},
    ("PhoneLatency", "kind"): "classic",
    ("ToolRun", "delegate"): "nnapi",
    ("FileComparison", "quality"): (),
    ("Latency", "delegation"): None,
    ("Latency", "profile"): None,
    ("Trend", "kind"): "quality",
    ("HistoryEntry", "kind"): "quality",
    ("HistoryEntry", "result"): QUALITY,
}
"""Fields that a value of their type alone does not fill; by class and name."""


@pytest.fixture(scope="module")
def classes() -> dict[str, type]:
    """Every dataclass of the product, by its name."""
    found = {}
    for package in PACKAGES:
        folder = importlib.import_module(package).__path__
        for info in pkgutil.walk_packages(folder, f"{package}."):
            for name, value in vars(importlib.import_module(info.name)).items():
                if (
                    isinstance(value, type)
                    and dataclasses.is_dataclass(value)
                    and value.__module__ == info.name
                ):
                    found[name] = value
    return found


def made(kind: Any, known: dict[str, type]) -> Any:
    """Some value of an annotated type."""
    origin, inside = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return made(next(k for k in inside if k is not type(None)), known)
    if origin in (tuple, list, collections.abc.Sequence):
        inside = inside[:1] if inside[1:] == (...,) else inside
        return tuple(made(one, known) for one in inside)
    if origin in (dict, collections.abc.Mapping):
        return {NAME if inside[0] is str else 1: made(inside[1], known)}
    if dataclasses.is_dataclass(kind):
        return filled(kind, known)
    plain = {int: 1, float: 1.5, str: "text", bool: True, Path: Path("file")}
    if kind is np.ndarray:
        return np.zeros((4, 4, 3), np.uint8)
    return plain.get(kind, {})


def filled(kind: type, known: dict[str, type]) -> Any:
    """An object of a dataclass with a value in each field; no `__post_init__` judges them."""
    hints = typing.get_type_hints(kind, localns=known)
    found = object.__new__(kind)
    for field in dataclasses.fields(kind):
        own = (kind.__name__, field.name)
        value = OWN[own] if own in OWN else made(hints[field.name], known)
        object.__setattr__(found, field.name, value)
    return found


def types_in(data: Any, found: dict[str, set[str]]) -> None:
    """Add the types of all keys of some JSON; what is `None` or data itself has none."""
    if not isinstance(data, dict):
        for part in data:
            if isinstance(part, (dict, list, tuple)):
                types_in(part, found)
        return
    for key, value in data.items():
        if key != NAME and value is not None:
            found[key].add(WORDS[type(value)])
        if isinstance(value, (dict, list, tuple)) and key not in NAMED:
            types_in(value, found)


def documented() -> dict[str, set[str]]:
    """Key -> types, from the tables of the page."""
    found = defaultdict(set)
    for kind, keys in re.findall(r"^\| ([a-z ]+) \| (`.*`) \|$", DOCUMENTED.read_text(), re.M):
        for key in re.findall(r"`(\w+)`", keys):
            found[key].add(kind)
    return found


def test_every_key_has_the_type_that_is_documented(classes):
    found = defaultdict(set)
    for kind in classes.values():
        if hasattr(kind, "to_json"):
            types_in(filled(kind, classes).to_json(), found)
    assert len(found) > 300
    assert found == documented()


def test_one_meaning_for_each_key():
    assert {key for key, kinds in documented().items() if len(kinds) > 1} == {"protocol"}
