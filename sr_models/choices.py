"""A choice of several by name, as settings and options are checked for it."""

from __future__ import annotations

from collections.abc import Iterable

from sr_models.errors import OptionError


def require_known(noun: str, value: str, known: Iterable[str]) -> str:
    """`value` itself; raises `OptionError`, naming all that are known, for another.

    Args:
        noun: What is chosen, with its article where it has one: `"an activation"`.
        value: The choice.
        known: Everything that may be chosen.
    """
    names = tuple(known)
    if value not in names:
        raise OptionError(f"expected {noun} of {', '.join(names)}, found {value!r}")
    return value
