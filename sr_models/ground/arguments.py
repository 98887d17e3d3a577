"""What public functions ask of their arguments, said in one line where they get something else.

`takes` decorates a function; each of its keywords names an argument and what it must be. A missing
or unknown argument is Python's own `TypeError`.
"""

from __future__ import annotations

import inspect
import math
import numbers
import os
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import Any, TypeVar

from sr_models.ground.errors import OptionError

F = TypeVar("F", bound=Callable)
Requirement = Callable[[str, Any], None]
"""Called with an argument's name and value; raises `OptionError` for one that cannot be used."""

_LONGEST = 60


def takes(**requirements: Requirement) -> Callable[[F], F]:
    """Decorator of a function whose named arguments must meet requirements; defaults need not."""

    def decorate(function: F) -> F:
        signature = inspect.signature(function)

        @wraps(function)
        def checked(*arguments: Any, **keywords: Any) -> Any:
            given = signature.bind(*arguments, **keywords).arguments
            for name, requirement in requirements.items():
                if name in given:
                    requirement(name, given[name])
            return function(*arguments, **keywords)

        return checked

    return decorate


def require_fields(holder: Any, **requirements: Requirement) -> None:
    """Raise `OptionError` for a field of a dataclass that does not meet its requirement."""
    for name, requirement in requirements.items():
        requirement(name, getattr(holder, name))


def refusal(name: str, expected: str, value: Any, cure: str) -> OptionError:
    """The error for an argument: what was expected of it, what was found, and what to do."""
    return OptionError(f"expected {expected} as {name}, found {described(value)}; {cure}")


def described(value: Any) -> str:
    """A value for a message: short, on one line, and arrays by type and shape."""
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if isinstance(shape, tuple) and dtype is not None:
        return f"an array of {dtype} {list(shape)}"
    if value is None or isinstance(value, (str, bytes, numbers.Number)):
        text = " ".join(repr(value).split())
        return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
    if isinstance(value, (list, tuple, dict, set)) and not value:
        return f"an empty {type(value).__name__}"
    return f"a {type(value).__name__}"


def whole_number(least: int | None = None, most: int | None = None) -> Requirement:
    """A whole number, where it must lie in bounds of its own."""

    def require(name: str, value: Any) -> None:
        wrong = isinstance(value, bool) or not isinstance(value, numbers.Integral)
        if wrong or (least is not None and value < least) or (most is not None and value > most):
            ends = [f"of {least} or more" if least is not None else "", f"at most {most}"]
            bounds = " and ".join(ends[: 1 + (most is not None)]).strip()
            raise refusal(name, f"a whole number {bounds}".strip(), value, "give such a number")

    return require


def a_number(name: str, value: Any) -> None:
    """A real number, which may be infinite."""
    wrong = isinstance(value, bool) or not isinstance(value, numbers.Real)
    if wrong or math.isnan(value):
        raise refusal(name, "a number", value, "give one, e.g. 0.05")


def finite_number(name: str, value: Any) -> None:
    """A real number that is finite."""
    wrong = isinstance(value, bool) or not isinstance(value, numbers.Real)
    if wrong or not math.isfinite(value):
        raise refusal(name, "a finite number", value, "give one, e.g. 0.05")


def a_flag(name: str, value: Any) -> None:
    """True or false."""
    if not isinstance(value, bool):
        raise refusal(name, "True or False", value, "give one of them")


def a_text(name: str, value: Any) -> None:
    """Text that says something."""
    if not isinstance(value, str) or not value:
        raise refusal(name, "text", value, "give a name")


def a_path(name: str, value: Any) -> None:
    """The path of a file or a folder."""
    if not isinstance(value, (str, os.PathLike)) or not os.fspath(value):
        raise refusal(name, "a path", value, "give it as str or pathlib.Path")


def a_file(name: str, value: Any) -> None:
    """A path, the contents of a file, or a file read before."""
    if isinstance(value, (bytes, bytearray)) or hasattr(value, "data"):
        return
    if not isinstance(value, (str, os.PathLike)) or not os.fspath(value):
        raise refusal(name, "a path or a file's bytes", value, "give str, pathlib.Path or bytes")


def anything(name: str, value: Any) -> None:
    """Whatever the function itself looks at."""


def an_array(name: str, value: Any) -> None:
    """An array of numbers with at least one value."""
    kind = getattr(getattr(value, "dtype", None), "kind", "")
    if kind not in ("u", "i", "f") or 0 in value.shape:
        raise refusal(name, "an array of pixels", value, "give uint8 pixels of 0..255")


def a_function(name: str, value: Any) -> None:
    """Something that can be called."""
    if not callable(value):
        raise refusal(name, "a function", value, "give one without arguments, e.g. a lambda")


def a_network(name: str, value: Any) -> None:
    """A network of which nothing but answers and weights is asked."""
    if not callable(value) or not hasattr(value, "layers"):
        raise refusal(name, "a Keras model", value, "give one of sr_models.attach_tail")


def a_keras_model(name: str, value: Any) -> None:
    """A Keras model of one input and one output, in memory."""
    if not callable(value) or not hasattr(value, "layers") or not hasattr(value, "output"):
        raise refusal(
            name, "a Keras model", value, "give the trunk of sr_models.open_network, or build one"
        )


def of_type(kind: type, *, cure: str) -> Requirement:
    """An instance of a class."""

    def require(name: str, value: Any) -> None:
        if not isinstance(value, kind):
            raise refusal(name, f"a {kind.__name__}", value, cure)

    return require


def having(*attributes: str, what: str, cure: str) -> Requirement:
    """Something with the given attributes."""

    def require(name: str, value: Any) -> None:
        if not all(hasattr(value, attribute) for attribute in attributes):
            raise refusal(name, what, value, cure)

    return require


def optional(requirement: Requirement) -> Requirement:
    """`None`, or what meets a requirement."""
    return lambda name, value: None if value is None else requirement(name, value)


def either(*requirements: Requirement) -> Requirement:
    """What meets one of several requirements; the last one words the message."""

    def require(name: str, value: Any) -> None:
        for requirement in requirements[:-1]:
            try:
                return requirement(name, value)
            except OptionError:
                continue
        return requirements[-1](name, value)

    return require


def several(requirement: Requirement, *, what: str, least: int = 1) -> Requirement:
    """A sequence whose items meet a requirement; text and mappings are none."""

    def require(name: str, value: Any) -> None:
        wrong = isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable)
        if wrong or not hasattr(value, "__len__") or len(value) < least:
            raise refusal(name, f"a sequence of {what}", value, f"give a list of {what}")
        for place, item in enumerate(value):
            requirement(f"{name}[{place}]", item)

    return require


def a_picture(name: str, value: Any) -> None:
    """uint8 (H, W, 3) or (H, W, 1), with at least one pixel."""
    shape = getattr(value, "shape", ())
    if (
        str(getattr(value, "dtype", "")) != "uint8"
        or len(shape) != 3
        or shape[2] not in (1, 3)
        or 0 in shape
    ):
        raise refusal(
            name,
            "a picture, uint8 (height, width, 3)",
            value,
            "give RGB pixels of 0..255, one picture without a batch axis",
        )
