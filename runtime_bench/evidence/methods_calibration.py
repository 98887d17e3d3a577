"""What quantization methods are given to calibrate with, and with whose settings they work."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from representative_data.pictures import bundled_pictures
from representative_data.tiles import load_tiles
from sr_models.ground.picture_files import inputs_of
from sr_models.ground.pictures import unit
from sr_models.importing.sources import SourceNetwork
from sr_models.published.registry import get_quantizer
from sr_models.published.settings import require_recipe
from sr_models.published.tuning import TuningSettings

PATCHES, SIDE, BATCH = 32, 48, 8


@dataclass(frozen=True)
class Calibration:
    """What methods without training are given.

    Attributes:
        images: Folder of full-resolution pictures; scikit-image's own by default.
        patches: How many low-resolution patches; 32, or as published, by default.
        side: Their height and width in pixels; 48, or as published, by default.
        seed: Seed of their places, and of whatever a method draws.
        epochs: Passes over them by a method that fine-tunes; 0 for none.
        inputs: Folder of what networks are given in place of the pictures, by their names.
        recipe: See `sr_models.published.registry.simulate_method`.
    """

    images: str | Path | None = None
    patches: int | None = None
    side: int | None = None
    seed: int = 0
    epochs: int = TuningSettings.epochs
    inputs: str | Path | None = None
    recipe: str = "default"

    def __post_init__(self):
        require_recipe(self.recipe)

    @property
    def mark(self) -> str:
        """What names of files of a run end with, before the suffix."""
        return "" if self.recipe == "default" else f".{self.recipe}"

    def pictures(self, method: str, *, scale: int) -> tuple[int, int, int]:
        """Patches, their side in low-resolution pixels, and patches to a batch."""
        count, side, batch = PATCHES, SIDE, BATCH
        if self.recipe == "published":
            given = get_quantizer(method).pictures
            count, side, batch = given.count, max(1, given.high_side // scale), given.batch
        count = count if self.patches is None else self.patches
        return count, side if self.side is None else self.side, batch

    @property
    def record(self) -> dict[str, Any]:
        """What tells this from another calibration, as plain data."""
        folders = {"images": self.images, "inputs": self.inputs}
        return {**asdict(self), **{n: f if f is None else str(f) for n, f in folders.items()}}


@dataclass(frozen=True)
class Training:
    """How PAMS is trained for the table.

    Attributes:
        data: Folder of ground truth.
        changes: What differs from the published recipe, as keywords of `Recipe`.
    """

    data: str | Path
    changes: dict[str, Any] = field(default_factory=dict)


class CalibrationBatches:
    """Patches of pictures for one network, loaded once for all methods that take the same.

    Args:
        network: Says scale factor and channels.
        calibration: Which pictures, how many patches, how large.

    Raises:
        PictureError: There are no pictures, or one is damaged.
        OptionError: A number or size of patches that cannot be.
    """

    def __init__(self, network: SourceNetwork, calibration: Calibration):
        self._network, self._calibration = network, calibration
        self._known: dict[tuple[int, int, int], list[np.ndarray]] = {}
        # Before any work, so that wrong pictures are said at once.
        self.of("minmax")

    def of(self, method: str) -> list[np.ndarray]:
        """What a method is calibrated with: float32 (N, h, w, C) in 0..1 each."""
        network, calibration = self._network, self._calibration
        wanted = calibration.pictures(method, scale=network.scale)
        if wanted not in self._known:
            count, side, size = wanted
            tiles = load_tiles(
                bundled_pictures() if calibration.images is None else calibration.images,
                inputs=inputs_of(calibration.images, calibration.inputs, option="--images"),
                scale=network.scale,
                channels=network.channels,
                count=count,
                side=side,
                seed=calibration.seed,
            )
            patches = unit(np.stack([tile.pixels for tile in tiles]))
            batches = [patches[i : i + size] for i in range(0, len(patches), size)]
            self._known[wanted] = batches
        return self._known[wanted]
