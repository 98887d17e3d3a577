"""Whether two files say the same, whatever the order of their bytes."""

from __future__ import annotations

from typing import Any

import numpy as np

_ATOMS = (bool, int, float, str, bytes, type(None))


def differences(first: Any, second: Any, *, place: str = "model", most: int = 8) -> list[str]:
    """Where the tables of two unpacked files differ, in words; empty where they say the same.

    Every field of every table is compared, numbers bit by bit. A vector without elements and an
    absent one are the same, as they are to every reader of the schema.

    Args:
        first: A table, list, vector or value of the schema's object classes.
        second: The other one.
        place: What the message calls it.
        most: Stop after so many.
    """
    found: list[str] = []
    _compare(first, second, place, found, most)
    return found


def _compare(first: Any, second: Any, place: str, found: list[str], most: int) -> None:
    if len(found) >= most:
        return
    if _is_vector(first) or _is_vector(second):
        _compare_vectors(first, second, place, found, most)
    elif isinstance(first, _ATOMS) or isinstance(second, _ATOMS):
        if _atom(first) != _atom(second):
            found.append(f"{place}: {first!r} and {second!r}")
    elif type(first).__name__.lstrip("_") != type(second).__name__.lstrip("_"):
        found.append(f"{place}: {type(first).__name__} and {type(second).__name__}")
    else:
        for name in sorted(vars(first)):
            _compare(getattr(first, name), getattr(second, name), f"{place}.{name}", found, most)


def _compare_vectors(first: Any, second: Any, place: str, found: list[str], most: int) -> None:
    first, second = ([] if value is None else value for value in (first, second))
    if not (_is_vector(first) and _is_vector(second)) or len(first) != len(second):
        found.append(f"{place}: {_size(first)} and {_size(second)} elements")
    elif isinstance(first, np.ndarray) or isinstance(second, np.ndarray):
        if len(first) and np.asarray(first).tobytes() != np.asarray(second).tobytes():
            found.append(f"{place}: other values")
    else:
        for index, (one, other) in enumerate(zip(first, second)):
            _compare(one, other, f"{place}[{index}]", found, most)


def _is_vector(value: Any) -> bool:
    return isinstance(value, (list, np.ndarray))


def _size(value: Any) -> Any:
    return len(value) if _is_vector(value) else type(value).__name__


def _atom(value: Any) -> Any:
    # Bit by bit: NaN is itself, and -0.0 is not 0.0.
    return value.hex() if isinstance(value, float) else value
