"""Sizes that a network with strides can be given: multiples of what it reduces pictures by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from export.exporting.settings import ExportSettings
from representative_data.effort import fitting_tiles
from sr_models.ground.errors import CalibrationError, OptionError
from sr_models.ground.sizes import Size
from sr_models.networks.keras_windows import size_multiple


def with_fitting_tiles(
    settings: ExportSettings, model, on_stage: Callable[[str], None], *, keep: bool = False
) -> ExportSettings:
    """Settings with tiles that time and memory have room for, of a side that strides divide.

    Args:
        settings: Every choice.
        model: Functional Keras network.
        on_stage: Told of other tiles than were asked for.
        keep: Whether time plays no part.
    """
    asked = {"count": settings.shaping.pictures, "side": settings.shaping.tile_side}
    pictures, side = fitting_tiles(model, **asked, keep=keep, on_stage=on_stage)
    return replace(settings, pictures=pictures, tile_side=side)


def require_sizes(model, sizes: Sequence[Size], *, network: str) -> None:
    """Raise `OptionError` for the size of a file that the strides of its network do not divide.

    Args:
        model: Functional Keras network.
        sizes: Sizes of files; free ones are run at sizes that are known later.
        network: What messages call it.
    """
    multiple = size_multiple(model)
    for size in sizes:
        sides = [side for side in (size.height, size.width) if side is not None]
        if any(side % multiple for side in sides):
            fitting = "x".join(str(side + -side % multiple) for side in sides)
            raise OptionError(
                f"expected multiples of {multiple}, since {network} works on pictures up to "
                f"{multiple} times smaller inside, found {size}; give --size {fitting}"
            )


def require_tiles(model, shape: Sequence[int], *, network: str) -> None:
    """Raise `CalibrationError` for a set of tiles that the strides of a network do not divide."""
    multiple = size_multiple(model)
    if any(side % multiple for side in shape[:2]):
        fitting = shape[0] + -shape[0] % multiple
        raise CalibrationError(
            f"expected tiles whose sides are multiples of {multiple} for {network}, found "
            f"{shape[0]}x{shape[1]}; make the set with --tile-side {fitting}"
        )
