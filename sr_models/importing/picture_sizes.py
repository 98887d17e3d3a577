"""Bilinear resizing to the picture's own size, or to a part of it, from whatever size was reached.

Convolutions without padding and pools leave sizes that no whole factor brings back: the attention
of RFDN and RLFN (ESA) goes from 64 pixels to 31, to 9, and back to 64. Such a resizing is read as
where it goes and not as by how much, so that it is the same one for pictures of any size.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from sr_models.importing.operations import INPUT, Network

MOST_PARTS = 16
"""The smallest part of a picture that is resized to."""
_SPREADING = {"depth_to_space": "block", "bilinear": "factor", "transposed": "stride"}
"""Which value of an operation says by how much it enlarges."""


def resizing_to_picture(
    network: Network,
    source: str,
    *,
    low: Sequence[int],
    high: Sequence[int],
    picture: Sequence[int],
    corners: bool,
    centred: bool,
) -> dict[str, Any] | None:
    """By which part of the picture's sides an operation is resized, as values of a `resize`.

    Args:
        network: The operations so far.
        source: Which of them is resized.
        low: Its height and width.
        high: The height and width that it gets.
        picture: Those of the network's input.
        corners: Whether the corner pixels of both lie upon each other.
        centred: Whether pixels have their places in their middles.

    Returns:
        All values; `None` where rows and columns become different parts, or where a whole
        factor says the same and has an exact form of its own.
    """
    part = Fraction(high[0], picture[0])
    if high[0] < 1 or part.denominator > MOST_PARTS or part * picture[1] != high[1]:
        return None
    factor = Fraction(high[0], low[0])
    exact = factor.denominator == 1 if centred else factor.numerator == 1
    exact |= centred and factor.numerator == 1
    whole = exact and not corners and factor * low[1] == high[1]
    if whole and all(reached * factor == part for reached in _reached(network, source)):
        return None
    return {
        "times": part.numerator,
        "parts": part.denominator,
        "corners": corners,
        "centred": centred,
    }


def _reached(network: Network, name: str) -> tuple[Fraction, Fraction]:
    """What the strides before a tensor make of rows and columns, whatever borders take away."""
    rows = columns = Fraction(1)
    while name != INPUT:
        operation = network[name]
        if operation.kind == "resize":
            part = Fraction(operation["times"], operation["parts"])
            return rows * part, columns * part
        down = operation.values.get("strides", (1, 1))
        up = operation[_SPREADING[operation.kind]] if operation.kind in _SPREADING else 1
        if operation.kind == "space_to_depth":
            down = (operation["block"],) * 2
        rows, columns = rows * Fraction(up, down[0]), columns * Fraction(up, down[1])
        name = operation.inputs[0]
    return rows, columns
