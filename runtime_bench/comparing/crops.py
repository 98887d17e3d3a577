"""Cut-outs of upscaled pictures with difference maps, small enough to stand in results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from export.running.interpreters import Runner
from export.running.pixel_range import find_pixels
from export.running.pixels import upscale
from runtime_bench.measuring.quality import Dataset, load_pair, scale_of
from runtime_bench.measuring.usage import require_crops
from sr_models.ground.errors import OptionError
from sr_models.ground.pixel_range import PixelRange
from sr_models.ground.plots import difference_map, picture

_NONE: Mapping[Path, Path] = MappingProxyType({})
SIDE = 96
"""Height and width of a crop at most, pixels of the large picture."""
GAIN = 8
"""How much difference maps are amplified."""


@dataclass(frozen=True)
class Crop:
    """The same place of one picture from several files.

    Attributes:
        dataset: Name of the dataset.
        image: File name of the picture.
        left: First column, in pixels of the large picture.
        top: First row.
        truth: uint8 (h, w, 3) of the ground truth.
        files: Name of each file, and its pixels (codes read as pixels), like `truth`.
    """

    dataset: str
    image: str
    left: int
    top: int
    truth: np.ndarray
    files: tuple[tuple[str, np.ndarray], ...]

    def to_json(self) -> dict:
        """Pictures as PNG data URIs; `difference` is that to the ground truth, amplified."""
        height, width = self.truth.shape[:2]
        return {
            "dataset": self.dataset,
            "image": self.image,
            "left": self.left,
            "top": self.top,
            "height": height,
            "width": width,
            "gain": GAIN,
            "truth": picture(self.truth),
            "files": [
                {
                    "model": model,
                    "picture": picture(pixels),
                    "difference": picture(difference_map(pixels, self.truth, gain=GAIN)),
                }
                for model, pixels in self.files
            ],
        }


def place_of_most(weights: np.ndarray, *, height: int, width: int) -> tuple[int, int]:
    """Top and left of the window of this size with the largest sum; the first of equals.

    Args:
        weights: (H, W), not negative, at least as large as the window.
        height: Of the window.
        width: Of the window.
    """
    sums = np.pad(weights.astype(np.float64).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    windows = (
        sums[height:, width:]
        - sums[:-height, width:]
        - sums[height:, :-width]
        + sums[:-height, :-width]
    )
    top, left = np.unravel_index(int(windows.argmax()), windows.shape)
    return int(top), int(left)


def take_crops(
    runners: Sequence[Runner],
    datasets: Sequence[Dataset],
    *,
    count: int,
    scale: int | None = None,
    pixels: PixelRange | None = None,
    inputs: Mapping[Path, Path] = _NONE,
) -> list[Crop]:
    """From the first `count` pictures of each dataset, the place that tells the files apart.

    With several files that is where the first and the last differ most; with one file, where it
    differs most from the ground truth.

    Args:
        runners: Opened files of one scale factor; they are resized.
        datasets: Ground-truth pictures.
        count: Crops per dataset; 0 for none.
        scale: Scale factor that the files must have.
        pixels: What black and white are for the files; found by default, for each apart.
        inputs: See `runtime_bench.measuring.quality.measure_file`.
    """
    found = []
    if not count:
        return found
    ranges = [find_pixels(runner.model, given=pixels).range for runner in runners]
    for dataset in datasets:
        for path in dataset.paths[: require_crops(count)]:
            pairs = {
                factor: load_pair(path, scale=factor, source=inputs.get(path))
                for factor in {scale_of(runner, scale) for runner in runners}
            }
            if len(pairs) > 1:
                raise OptionError(
                    f"expected files of one scale factor for --crops, found {sorted(pairs)}; "
                    "leave --crops"
                )
            (pair,) = pairs.values()
            made = [
                upscale(runner, pair.low, pixels=known).raw
                for runner, known in zip(runners, ranges)
            ]
            other = made[0] if len(made) > 1 else pair.high
            apart = np.abs(made[-1].astype(np.int16) - other.astype(np.int16)).sum(axis=2)
            height, width = (min(SIDE, size) for size in apart.shape)
            top, left = place_of_most(apart, height=height, width=width)
            place = (slice(top, top + height), slice(left, left + width))
            files = tuple((r.model.name, pixels[place]) for r, pixels in zip(runners, made))
            found.append(Crop(dataset.name, pair.name, left, top, pair.high[place], files))
    return found
