"""How many calibration tiles a network gets, and how large: fewer and smaller ones of a heavy one.

Every step of an export sends all tiles through the network, some of them several times. What they
show is there several times over, so a heavy network is given less of it and not hours.
"""

from __future__ import annotations

from collections.abc import Callable

from representative_data.choices import MIN_SIDE
from sr_models.networks.density import multiply_adds_per_pixel
from sr_models.networks.keras_windows import size_multiple
from sr_models.networks.memory import side_in_budget

MULTIPLY_ADDS = 2e11
"""Of one run over all tiles, at most: some seconds of two cores. 64 tiles of 96x96 pixels have
room up to 340 000 for each pixel, which is more than any preset with weights takes."""
LEAST_SIDE = 64
"""Smaller tiles would be mostly border to a deep network."""
LEAST_COUNT = 24


def fitting_tiles(
    model, *, count: int, side: int, keep: bool = False, on_stage: Callable[[str], None]
) -> tuple[int, int]:
    """Number and side of tiles that time and memory have room for with a network.

    Args:
        model: Functional Keras network.
        count: Tiles that are wished for.
        side: Their height and width that are wished for, in pixels.
        keep: Whether time plays no part, since the user has named the numbers.
        on_stage: Told of fewer or smaller ones.

    Returns:
        The numbers wished for, or smaller ones.
    """
    if not keep:
        found = _in_time(multiply_adds_per_pixel(model), count=count, side=side)
        if found != (count, side):
            fewer, smaller = found
            on_stage(
                f"{fewer} tiles of {smaller}x{smaller} and not {count} of {side}x{side}, since "
                f"the network takes {multiply_adds_per_pixel(model) / 1e6:.2g} million "
                "multiply-adds for each pixel (--pictures and --tile-side overrule it)"
            )
            count, side = found
    return count, fitting_side(model, side, on_stage=on_stage)


def _in_time(each: float | None, *, count: int, side: int) -> tuple[int, int]:
    """Smaller tiles first, since they still show as many places; then fewer."""
    if not each:
        return count, side
    pixels = MULTIPLY_ADDS / each
    least = min(side, LEAST_SIDE)
    while count * side**2 > pixels and side > least:
        side = max(least, side - 1 - (side - 1) % 8)
    if count * side**2 > pixels:
        count = min(count, max(LEAST_COUNT, int(pixels / side**2)))
    return count, side


def fitting_side(model, side: int, *, on_stage: Callable[[str], None]) -> int:
    """The side of tiles that memory has room for with a network: `side`, or a smaller one.

    A multiple of what the network reduces pictures by, which may be a little more.

    Args:
        model: Functional Keras network.
        side: Height and width that are wished for, in pixels.
        on_stage: Told of others.
    """
    multiple = size_multiple(model)
    fitting = side + -side % multiple
    found = side_in_budget(model, side=fitting, least=MIN_SIDE)
    found = max(multiple, found - found % multiple)
    if found < side:
        on_stage(
            f"tiles of {found}x{found} and not {side}x{side}, which the memory budget has no room "
            "for (--memory-budget)"
        )
    elif found > side:
        on_stage(
            f"tiles of {found}x{found} and not {side}x{side}, for strides of {multiple} in all"
        )
    return found
