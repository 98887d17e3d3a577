"""Which pictures calibrate a network, and which are held out to measure what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from representative_data.dataset import RepresentativeDataset
from representative_data.sources import BUNDLED_HELD_OUT, bundled_pictures
from sr_models.images import list_images
from sr_models.provenance import file_sha256

HELD_OUT_SHARE = 5


def split_pictures(images: str | Path | None) -> tuple[list[Path], list[Path]]:
    """Pictures for calibration, and pictures held out for measuring fidelity.

    Of a folder every fifth picture is held out, of a single one none. Without a folder
    scikit-image's own pictures are taken.
    """
    if images is None:
        return bundled_pictures(), bundled_pictures(BUNDLED_HELD_OUT)
    paths = list_images(images)
    if len(paths) == 1:
        return paths, []
    held_out = paths[:: max(2, min(HELD_OUT_SHARE, len(paths)))]
    return [path for path in paths if path not in set(held_out)], held_out


def unseen_pictures(paths: Sequence[Path], dataset: RepresentativeDataset) -> list[Path]:
    """Those of `paths` that the set was not made from; scikit-image's held-out ones for none."""
    seen = {record.source_sha256 for record in dataset.records}
    unseen = [path for path in paths if file_sha256(path) not in seen]
    return unseen or bundled_pictures(BUNDLED_HELD_OUT)
