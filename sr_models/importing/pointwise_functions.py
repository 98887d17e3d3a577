"""GELU known by what it computes, in whatever spelling a graph has it.

Frameworks take it apart: `0.5 x (1 + erf(x / sqrt(2)))`, with the factors anywhere, or by tanh
and a cube. So no spelling is looked for. What is built of operations that compute each value by
itself is computed for a row of numbers and held against the function.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import erf, sqrt

import numpy as np

from sr_models.ground.errors import NetworkError
from sr_models.importing.operations import Network, Operation

_SEEDS = ("erf", "power", "tanh")
"""What every spelling of it holds at least one of."""
_PARTS = frozenset(("affine", "erf", "power", "tanh", "add", "multiply"))
_LONGEST = 14
"""Operations that a spelling takes at most."""
_PLACES = np.linspace(-6.0, 6.0, 97)
_EXACT = 2e-5

_ERF = np.vectorize(erf)


def _by_erf(x: np.ndarray) -> np.ndarray:
    return 0.5 * x * (1.0 + _ERF(x / sqrt(2.0)))


def _by_tanh(x: np.ndarray) -> np.ndarray:
    return 0.5 * x * (1.0 + np.tanh(sqrt(2.0 / np.pi) * (x + 0.044715 * x**3)))


FUNCTIONS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], bool]] = {
    "exact": (_by_erf, False),
    "by tanh": (_by_tanh, True),
}
"""What GELU is, and whether that is its approximation."""


def with_known_functions(network: Network) -> Network:
    """The same network with one `gelu` for each group of operations that computes one.

    Raises:
        NetworkError: An `erf` or a `power` is left, for which an integer file has no operator.
    """
    while found := _found(network):
        network = _replaced(network, found)
    for operation in network:
        if operation.kind in ("erf", "power"):
            name = "an error function" if operation.kind == "erf" else "a power"
            raise NetworkError(
                f"expected layers that run in full integer, found {name} that is no part of a GELU "
                f"({operation.layer}); take GELU, ReLU or PReLU in its place"
            )
    return network


def _found(network: Network) -> dict[str, Operation]:
    """The last operation of each GELU in parts -> what stands for all of them."""
    readers: dict[str, list[str]] = {}
    for operation in network:
        for source in operation.inputs:
            readers.setdefault(source, []).append(operation.name)
    found = {}
    for seed in [op for op in network if op.kind in _SEEDS]:
        for last in _ends(network, readers, seed.name):
            if (whole := _known(network, last)) is not None:
                found[last] = whole
                break
    return found


def _known(network: Network, last: str) -> Operation | None:
    """One operation that computes what `last` does; `None` where none is known."""
    for source in _sources(network, last):
        values = _computed(network, source, last)
        if values is None:
            continue
        for function, approximate in FUNCTIONS.values():
            if np.abs(values - function(_PLACES)).max() < _EXACT:
                kind = {"approximate": approximate}
                return replace(network[last], kind="gelu", inputs=(source,), values=kind)
    return None


def _ends(network: Network, readers: dict[str, list[str]], name: str) -> list[str]:
    """What is made of an operation by operations of `_PARTS`, the nearest first."""
    found, waiting = [], [name]
    while waiting and len(found) < _LONGEST:
        for reader in readers.get(waiting.pop(0), ()):
            if network[reader].kind in _PARTS and reader not in found:
                found.append(reader)
                waiting.append(reader)
    return [end for end in found if network[end].kind in ("multiply", "affine")]


def _sources(network: Network, last: str) -> list[str]:
    """What a result may be a function of, the nearest first."""
    found, waiting = [], [last]
    while waiting and len(found) < _LONGEST:
        operation = network[waiting.pop(0)]
        if operation.kind in _PARTS:
            for source in operation.inputs:
                if source not in found:
                    found.append(source)
                    waiting.append(source)
    return found


def _computed(network: Network, source: str, last: str) -> np.ndarray | None:
    """The values of `last` where `source` has those of `_PLACES`; `None` where it needs others."""
    known: dict[str, np.ndarray] = {source: _PLACES}

    def value(name: str, depth: int) -> np.ndarray | None:
        if name not in known:
            operation = network[name]
            if depth > _LONGEST or operation.kind not in _PARTS:
                return None
            inputs = [value(read, depth + 1) for read in operation.inputs]
            made = None if any(i is None for i in inputs) else _apply(operation, inputs)
            if made is None:
                return None
            known[name] = made
        return known[name]

    return value(last, 0)


def _apply(operation: Operation, inputs: list[np.ndarray]) -> np.ndarray | None:
    (first, *others) = inputs
    if operation.kind == "affine":
        factor, shift = (np.unique(operation[name]) for name in ("factor", "shift"))
        alike = factor.size == shift.size == 1
        return first * float(factor[0]) + float(shift[0]) if alike else None
    if operation.kind == "power":
        with np.errstate(all="ignore"):
            made = first ** operation["exponent"]
        return made if np.isfinite(made).all() else None
    if operation.kind == "add":
        return first + others[0]
    if operation.kind == "multiply":
        return first * others[0]
    return _ERF(first) if operation.kind == "erf" else np.tanh(first)


def _replaced(network: Network, found: dict[str, Operation]) -> Network:
    made, renamed = Network(), {}
    for operation in network:
        chosen = found.get(operation.name, operation)
        inputs = tuple(renamed[name] for name in chosen.inputs)
        renamed[operation.name] = made.add(replace(chosen, inputs=inputs))
    made.output = renamed[network.output]
    return made.pruned()
