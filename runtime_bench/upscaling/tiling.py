"""Where tiles lie so that together they make exactly the picture that one large tile would.

A pixel whose neighbourhood, as far as the network looks, lies inside of its tile has the value that
it has in the whole picture. So tiles overlap by twice that far, and each keeps its middle. At the
picture's own border the tile ends there too, and the network pads it as it pads the picture.

`Tiling.kt` of the Android library is the same arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass

from sr_models.ground.errors import OptionError
from sr_models.networks.receptive_field import ReceptiveField


@dataclass(frozen=True)
class Span:
    """One tile along one axis, in input pixels of the picture.

    Attributes:
        start: First pixel of the tile.
        first: First pixel that is kept of it.
        stop: Pixel behind the last that is kept.
    """

    start: int
    first: int
    stop: int


def spans(length: int, *, tile: int, margin: int) -> list[Span]:
    """Tiles along one axis; what they keep covers it once.

    Args:
        length: Pixels of the picture.
        tile: Pixels of a tile; of a picture that is no longer there is one tile.
        margin: Pixels next to an inner edge of a tile that are not kept.

    Raises:
        OptionError: Nothing would be left of a tile.
    """
    if length <= tile:
        return [Span(0, 0, length)]
    if tile <= 2 * margin:
        raise OptionError(
            f"expected tiles of more than {2 * margin} pixels, since the network looks {margin} "
            f"pixels to either side, found {tile}; give larger tiles"
        )
    found: list[Span] = []
    done = 0
    while done < length:
        start = max(0, done - margin)
        if start + tile >= length:
            start, stop = length - tile, length
        else:
            stop = start + tile - margin
        found.append(Span(start, done, stop))
        done = stop
    return found


def margin_of(field: ReceptiveField) -> int:
    """Pixels next to an inner edge that a tile cannot vouch for, as a multiple of the alignment."""
    return -(-field.radius // field.alignment) * field.alignment


def aligned(length: int, alignment: int) -> int:
    """The smallest multiple of the alignment that holds so many pixels."""
    return -(-length // alignment) * alignment
