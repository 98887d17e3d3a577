"""The representative dataset of an export, as its settings ask for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from export.methods.recipe import dataset_of
from export.settings import ExportSettings
from representative_data.cfqp import CfqpSettings, build_cfqp_dataset, build_natural_dataset
from representative_data.dataset import RepresentativeDataset
from representative_data.tiles import Tile
from sr_models.errors import AnchorError
from sr_models.importing.sources import SourceNetwork


def build_dataset(
    model,
    tiles: Sequence[Tile],
    *,
    network: SourceNetwork,
    settings: ExportSettings,
    on_stage: Callable[[str], None] = lambda stage: None,
) -> RepresentativeDataset:
    """The representative dataset that the settings ask for.

    Where no anchors can be made it does without, unless pictures alone tell the input's range.
    """
    made = {name: getattr(settings, name) for name in ("pictures", "tile_side", "seed", "tail")}
    if dataset_of(settings.method) == "natural":
        return build_natural_dataset(
            model, tiles, network=network.name, scale=network.scale, choices=made
        )

    def shaped(anchors: bool) -> RepresentativeDataset:
        choices = CfqpSettings(taming=settings.made_taming(), anchors=anchors)
        return build_cfqp_dataset(
            model,
            tiles,
            network=network.name,
            scale=network.scale,
            settings=choices,
            choices=made,
        )

    try:
        return shaped(settings.anchors)
    except AnchorError:
        if settings.pure or settings.calibrator == "converter":
            raise
        on_stage("doing without anchors: this network leaves [0, 1] at every candidate")
        return shaped(False)
