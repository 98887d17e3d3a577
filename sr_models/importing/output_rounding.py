"""Rounding at the end of a network, as serving wrappers do it: found, and set apart.

An integer file rounds by itself. So what a wrapper adds to make rounding of TensorFlow's
truncation, 0.5 or a scale of 255.5, goes away with it; beneath, pixels stay as the network makes
them.

| wrapper | its codes against 255 y |
|---|---|
| `round(255 y)`, `cast(255 y + 0.5, uint8)` | half a code to either side |
| `cast(255 y, uint8)`, `saturate_cast`, `floor` | up to one code below |
| `convert_image_dtype(y, uint8)`, which cuts off 255.5 y | one code below to half a code above |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from sr_models.ground.errors import NetworkError
from sr_models.importing.operations import Network, Operation, affine_values

LOOKED_THROUGH = (
    "depth_to_space",
    "space_to_depth",
    "repeat",
    "select",
    "crop",
    "rounding",
    "truncation",
    "affine",
    "bound",
)
"""What may stand between the last computing layer and the picture."""

_ROUNDING = ("rounding", "truncation")
_ENDS = ((0.0, 1.0), (-1.0, 1.0), (0.0, 255.0))


@dataclass(frozen=True)
class OutputRounding:
    """How far a network's own rounding takes its answer away, in units of the answer.

    Attributes:
        below: By how much the answer may be less than before rounding.
        above: By how much it may be more.
        text: What the network does, as a clause; empty for none.
    """

    below: float = 0.0
    above: float = 0.0
    text: str = ""


def uniform(operation: Operation) -> tuple[float, float] | None:
    """Scale and shift of an `affine` that treats all channels alike; `None` for another."""
    scale, shift = np.unique(operation["factor"]), np.unique(operation["shift"])
    if scale.size != 1 or shift.size != 1 or scale[0] <= 0.0:
        return None
    return float(scale[0]), float(shift[0])


def without_aids_to_round(network: Network) -> tuple[Network, OutputRounding]:
    """The network whose last operations round plainly, and by how much they do.

    Args:
        network: As it was read, before anything is folded.
    """
    chain = _chain(network)
    factor, below, above, texts = 1.0, 0.0, 0.0, []
    aids: dict[str, dict[str, np.ndarray]] = {}
    for place, operation in enumerate(chain):
        if operation.kind == "affine":
            factor *= uniform(operation)[0]
        if operation.kind not in _ROUNDING:
            continue
        before = chain[place + 1 :]
        if operation.kind == "truncation" and _is_whole(before):
            continue
        low, high, text, aid = 0.5, 0.5, "rounds to integers", None
        if operation.kind == "truncation":
            low, high, text, aid = _truncation(before)
        below, above = below + factor * low, above + factor * high
        texts.append(text)
        if aid is not None:
            aids |= aid
    found = OutputRounding(below, above, " and ".join(dict.fromkeys(texts)))
    return (_with(network, aids) if aids else network), found


def require_no_rounding(network: Network) -> None:
    """Raise `NetworkError` for values that are rounded anywhere but at the output."""
    for operation in network:
        if operation.kind in _ROUNDING:
            raise NetworkError(
                f"expected values rounded at the output alone, found {operation.layer} rounding "
                "what is computed with; take it out of the network"
            )


def _chain(network: Network) -> list[Operation]:
    """The operations from the output back to the last computing layer."""
    uses, operation, chain = network.uses(), network[network.output], []
    while operation.kind in LOOKED_THROUGH and uses[operation.name] == 1:
        if operation.kind == "affine" and uniform(operation) is None:
            break
        chain.append(operation)
        operation = network[operation.inputs[0]]
    return chain


def _is_whole(before: list[Operation]) -> bool:
    """Whether what comes before was rounded already, and only bounded to integers since."""
    for operation in before:
        if operation.kind in _ROUNDING:
            return True
        ends = (operation.values.get("minimum", 0.0), operation.values.get("maximum", 0.0))
        if operation.kind == "affine" or any(np.isfinite(e) and e != np.rint(e) for e in ends):
            return False
    return False


def _truncation(
    before: list[Operation],
) -> tuple[float, float, str, Mapping[str, dict[str, np.ndarray]] | None]:
    """How a truncation rounds, and by which affine, behind which operation, it does so plainly."""
    factor, shift, first = 1.0, 0.0, None
    for operation in before:
        if operation.kind in _ROUNDING:
            break
        if operation.kind != "affine":
            continue
        first = first or operation
        scale, offset = uniform(operation)
        shift += factor * offset
        factor *= scale
        for black, white in _ENDS:
            ends = (factor * black + shift, factor * white + shift)
            if np.allclose(ends, (0.5, 255.5), rtol=0.0, atol=1e-3):
                aid = affine_values(first.channels, 1.0, -0.5)
                return 0.5, 0.5, "rounds to integers", {first.name: aid}
            if np.allclose(ends, (0.0, 255.5), rtol=0.0, atol=1e-3):
                aid = affine_values(first.channels, 255.0 / 255.5)
                text = "multiplies by 255.5 and cuts off decimals"
                return 1.0, 0.5, text, {first.name: aid}
    return 1.0, 0.0, "cuts off decimals", None


def _with(network: Network, added: Mapping[str, dict[str, np.ndarray]]) -> Network:
    """The network with an `affine` of the given values behind some operations."""
    made, renamed = Network(), {}
    for operation in network:
        inputs = tuple(renamed[name] for name in operation.inputs)
        name = made.add(replace(operation, inputs=inputs))
        if operation.name in added:
            values = added[operation.name]
            layer = f"{operation.layer}_rounding"
            name = made.add(Operation(layer, "affine", (name,), operation.channels, values))
        renamed[operation.name] = name
    made.output = renamed[network.output]
    return made
