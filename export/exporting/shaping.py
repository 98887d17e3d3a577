"""The pictures of an export: which calibrate, shaped into a set, and which are held out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np

from export.exporting.settings import ExportSettings
from export.quantizing.recipe import dataset_of
from representative_data.cfqp import CfqpSettings, build_cfqp_dataset, build_natural_dataset
from representative_data.dataset import RepresentativeDataset
from representative_data.tiles import Tile
from sr_models.ground.bundled import BUNDLED_HELD_OUT, bundled_pictures
from sr_models.ground.files import file_sha256
from sr_models.ground.picture_files import inputs_of
from sr_models.importing.sources import SourceNetwork
from sr_models.networks.memory import pictures_at_once

_NONE: Mapping[Path, Path] = MappingProxyType({})


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
    shaping, quantizing = settings.shaping, settings.quantizing
    made = {name: getattr(shaping, name) for name in ("pictures", "tile_side", "seed")}
    made["tail"] = quantizing.tail
    if dataset_of(quantizing.recipe) == "natural":
        return build_natural_dataset(
            model, tiles, network=network.name, scale=network.scale, choices=made
        )

    def without_anchors() -> None:
        on_stage("doing without anchors: this network leaves [0, 1] at every candidate")

    return build_cfqp_dataset(
        model,
        tiles,
        network=network.name,
        scale=network.scale,
        settings=CfqpSettings(taming=shaping.made_taming(), anchors=shaping.anchors),
        choices=made,
        on_no_anchors=None if quantizing.pictures_decide else without_anchors,
    )


def pictures_given(images: str | Path | None, inputs: str | Path | None) -> dict[Path, Path]:
    """The file of each picture's input; none where inputs are made of the pictures.

    Raises:
        OptionError: Inputs without the pictures that they belong to.
        PictureError: A picture without an input of its name.
    """
    return inputs_of(images, inputs, option="--images")


def unseen_pictures(
    paths: Sequence[Path], dataset: RepresentativeDataset, *, inputs: Mapping[Path, Path] = _NONE
) -> dict[Path, str]:
    """Those of `paths` that the set was not made from, with the SHA-256 of what networks are given.

    scikit-image's held-out pictures where there are none.

    Args:
        paths: Pictures of ground truth.
        dataset: The set.
        inputs: Picture -> the file of its input; the picture itself, degraded, by default.
    """
    seen = {record.source_sha256 for record in dataset.records}
    hashes = {path: file_sha256(inputs.get(path, path)) for path in paths}
    unseen = {path: sha256 for path, sha256 in hashes.items() if sha256 not in seen}
    return unseen or {path: file_sha256(path) for path in bundled_pictures(BUNDLED_HELD_OUT)}


def room_of(model, dataset: RepresentativeDataset, natural: Sequence[np.ndarray]) -> int:
    """Pictures of a set, and natural ones beside it, whose tensors memory has room for together."""
    height, width = dataset.pictures[0].shape[:2]
    most = len(dataset) + len(natural)
    return pictures_at_once(model, height=height, width=width, most=most)
