"""A representative dataset in one call: `shape`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from representative_data.cfqp import CfqpSettings, build_cfqp_dataset
from representative_data.choices import require_usable
from representative_data.dataset import RepresentativeDataset
from representative_data.effort import fitting_tiles
from representative_data.pictures import Subject
from sr_models.ground.arguments import a_path, either, of_type, optional, several, takes
from sr_models.ground.bundled import bundled_pictures
from sr_models.ground.picture_files import inputs_of
from sr_models.importing.sources import open_network
from sr_models.networks.tails import attach_tail

_DEFAULTS = CfqpSettings()


@takes(
    images=optional(either(a_path, several(a_path, what="paths of pictures"))),
    inputs=optional(a_path),
    settings=of_type(CfqpSettings, cure="give representative_data.CfqpSettings()"),
)
def shape(
    network: Any,
    images: str | Path | Sequence[Path] | None = None,
    *,
    inputs: str | Path | None = None,
    settings: CfqpSettings = _DEFAULTS,
    pictures: int = 64,
    tile_side: int = 96,
    seed: int = 0,
    keep_tiles: bool = False,
    on_pass: Callable[[int, int], None] = lambda done, total: None,
    on_stage: Callable[[str], None] = lambda stage: None,
) -> RepresentativeDataset:
    """Tame pictures until the float network answers each of them within 0..1.

    Args:
        network: From `sr_models.open_network`, or whatever that takes.
        images: Folder of full-resolution pictures, or their paths; scikit-image's by default.
        inputs: Folder of what the network is given in place of a folder of pictures, by their
            names: degraded pictures.
        settings: How pictures are tamed, and whether made ones span the input's range.
        pictures: Number of tiles that are cut from them.
        tile_side: Height and width of a tile in low-resolution pixels.
        seed: Seed of the choice of tiles.
        keep_tiles: Whether there are as many tiles, and as large, as the numbers say, however long
            a heavy network takes; otherwise it gets fewer and smaller ones.
        on_pass: Called with the forward passes done and their largest number.
        on_stage: Told of fewer or smaller tiles.

    Returns:
        Tiles uint8 (N, tile_side, tile_side, C), with the history of each. Called, the set yields
        what a TFLite converter takes as `representative_dataset`.

    Raises:
        PictureError: No pictures, or a damaged one.
        CalibrationError: No picture can be tamed; the message says why.
        OptionError: `pictures`, `tile_side` or `seed` outside of what can be used, or inputs
            without a folder of pictures.
        SrError: The network cannot be opened.
    """
    require_usable(count=pictures, side=tile_side, seed=seed)
    folder = images if isinstance(images, (str, Path)) else None
    given = inputs_of(folder, inputs, option="a folder of images")
    opened = open_network(network)
    # The tail that files have, which bounds outputs below.
    model = attach_tail(opened.trunk, "relu", scale=opened.scale)
    pictures, tile_side = fitting_tiles(
        model, count=pictures, side=tile_side, keep=keep_tiles, on_stage=on_stage
    )
    pictured = bundled_pictures() if images is None else images
    subject = Subject(opened, model, pictured, inputs=given)
    return build_cfqp_dataset(
        model,
        subject.tiles(count=pictures, side=tile_side, seed=seed),
        network=opened.name,
        scale=opened.scale,
        settings=settings,
        choices={"pictures": pictures, "tile_side": tile_side, "seed": seed, "tail": "relu"},
        on_pass=on_pass,
    )
