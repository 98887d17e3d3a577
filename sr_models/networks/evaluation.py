"""PSNR and SSIM of a float network on ground-truth pictures, beside plain bicubic upscaling.

The protocol: ground truth cropped to a multiple of the scale factor, degraded by
`sr_models.ground.pictures`, upscaled in float, saturated and rounded to eight bits, compared by
`sr_models.ground.metrics`. Figures of a dataset are means over its pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sr_models.ground import metrics
from sr_models.ground.arguments import a_keras_model, a_path, a_text, takes, whole_number
from sr_models.ground.errors import WeightsError
from sr_models.ground.picture_files import list_images_by_folder
from sr_models.ground.pictures import (
    Pair,
    load_image,
    resize_bicubic,
    to_pixels,
    unit,
)

PROTOCOL = f"antialiased bicubic (Pillow), {metrics.PROTOCOL}, mean over pictures"
BICUBIC = "bicubic"


Upscaler = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class PictureQuality:
    """How well a float network restored one picture; a file, read in two ways, has `ImageQuality`.

    Attributes:
        image: File name of the ground truth.
        height: Height of the ground truth in pixels, after cropping.
        width: Width of the ground truth in pixels, after cropping.
        psnr_rgb_db: PSNR over all three channels, in dB.
        psnr_y_db: PSNR on luma, in dB.
        ssim_y: Structural similarity on luma.
        out_of_range_fraction: Share of output values outside of 0..1, before saturation.
    """

    image: str
    height: int
    width: int
    psnr_rgb_db: float
    psnr_y_db: float
    ssim_y: float
    out_of_range_fraction: float

    def to_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return asdict(self)


@dataclass(frozen=True)
class DatasetQuality:
    """How well a model restores the pictures of one dataset.

    Attributes:
        model: Name of the model, or `"bicubic"`.
        dataset: Name of the dataset.
        images: Number of pictures.
        scale: Scale factor.
        psnr_rgb_db: Mean PSNR over all three channels, in dB.
        psnr_y_db: Mean PSNR on luma, in dB.
        ssim_y: Mean structural similarity on luma.
        out_of_range_fraction: Mean share of output values outside of 0..1.
        protocol: How the figures were obtained, in one line.
        per_image: The same for each picture.
    """

    model: str
    dataset: str
    images: int
    scale: int
    psnr_rgb_db: float
    psnr_y_db: float
    ssim_y: float
    out_of_range_fraction: float
    protocol: str
    per_image: tuple[PictureQuality, ...]

    def to_json(self) -> dict[str, Any]:
        """The same as plain data, without the rows of single pictures."""
        return {key: value for key, value in asdict(self).items() if key != "per_image"}

    def per_image_json(self) -> list[dict[str, Any]]:
        """One row for each picture, naming model and dataset."""
        named = {"model": self.model, "dataset": self.dataset, "scale": self.scale}
        return [{**named, **image.to_json()} for image in self.per_image]


def network_upscaler(model) -> Upscaler:
    """A Keras SR network as a function from uint8 (H, W, 3) to float32 (H s, W s, 3) in 0..1."""

    def upscale(low: np.ndarray) -> np.ndarray:
        return model(unit(low[None]), training=False).numpy()[0]

    return upscale


def pixel_upscaler(model) -> Upscaler:
    """The same in pixels: saturated and rounded, uint8 (H, W, 3) to uint8 (H s, W s, 3)."""
    upscale = network_upscaler(model)
    return lambda low: to_pixels(upscale(low))


def bicubic_upscaler(scale: int) -> Upscaler:
    """The baseline: bicubic interpolation, float32 in 0..1."""

    def upscale(low: np.ndarray) -> np.ndarray:
        height, width = low.shape[0] * scale, low.shape[1] * scale
        return unit(resize_bicubic(low, height=height, width=width))

    return upscale


def smallest_side(scale: int) -> int:
    """Least side in pixels of a ground truth that the protocol can measure."""
    least = metrics.SSIM_WINDOW + 2 * scale
    return least + -least % scale


def evaluate(
    upscalers: Mapping[str, Upscaler],
    folder: str | Path,
    *,
    scale: int,
    on_picture: Callable[[int, int], None] = lambda done, total: None,
) -> list[DatasetQuality]:
    """Measure one or more upscalers on the same pictures.

    Args:
        upscalers: Functions from uint8 (H, W, 3) to float (H s, W s, 3) in 0..1, by name.
        folder: Ground-truth pictures; each of its subfolders is a dataset, or else itself.
        scale: Scale factor s.
        on_picture: Called with the number of pictures done and the total.

    Returns:
        For each dataset, one result for each upscaler, in the order given.

    Raises:
        PictureError: The folder or a picture is unusable, or too small for SSIM.
        WeightsError: A network's output is not finite or of the wrong size.
    """
    datasets = list_images_by_folder(folder)
    total = sum(map(len, datasets.values()))
    results, done = [], 0
    for dataset, paths in datasets.items():
        rows: dict[str, list[PictureQuality]] = {name: [] for name in upscalers}
        for path in paths:
            pair = Pair.of(path, load_image(path, minimum_side=smallest_side(scale)), scale=scale)
            for name, upscale in upscalers.items():
                rows[name].append(_measure(name, upscale(pair.low), pair, scale=scale))
            done += 1
            on_picture(done, total)
        results += [
            _summary(images, model=name, dataset=dataset, scale=scale)
            for name, images in rows.items()
        ]
    return results


@takes(model=a_keras_model, folder=a_path, name=a_text, scale=whole_number(1))
def evaluate_model(
    model,
    folder: str | Path,
    *,
    name: str,
    scale: int,
    on_picture: Callable[[int, int], None] = lambda done, total: None,
) -> list[DatasetQuality]:
    """`evaluate` for one Keras network, after the bicubic baseline.

    Args:
        model: Keras model, float32 (N, H, W, 3) in 0..1 -> (N, H s, W s, 3), any output tail.
        folder: See `evaluate`.
        name: What to call the network in the results.
        scale: Scale factor s.
        on_picture: See `evaluate`.
    """
    upscalers = {BICUBIC: bicubic_upscaler(scale), name: network_upscaler(model)}
    return evaluate(upscalers, folder, scale=scale, on_picture=on_picture)


def _measure(name: str, result: np.ndarray, pair: Pair, *, scale: int) -> PictureQuality:
    high = pair.high
    if result.shape != high.shape:
        raise WeightsError(
            f"expected pictures of {high.shape} from {name}, found {result.shape}; "
            f"take a network of scale factor {scale}"
        )
    if not np.isfinite(result).all():
        raise WeightsError(
            f"expected finite pixels, found NaN or infinity in what {name} makes of {pair.name}; "
            "its weights are damaged: train again or take the shipped ones"
        )
    quality = metrics.measure_quality(to_pixels(result), high, scale=scale)
    outside = float(np.mean((result < 0.0) | (result > 1.0)))
    return PictureQuality(
        image=pair.name,
        height=high.shape[0],
        width=high.shape[1],
        out_of_range_fraction=outside,
        **asdict(quality),
    )


def _summary(
    images: Sequence[PictureQuality], *, model: str, dataset: str, scale: int
) -> DatasetQuality:
    def mean(attribute: str) -> float:
        return float(np.mean([getattr(image, attribute) for image in images]))

    return DatasetQuality(
        model=model,
        dataset=dataset,
        images=len(images),
        scale=scale,
        psnr_rgb_db=mean("psnr_rgb_db"),
        psnr_y_db=mean("psnr_y_db"),
        ssim_y=mean("ssim_y"),
        out_of_range_fraction=mean("out_of_range_fraction"),
        protocol=PROTOCOL,
        per_image=tuple(images),
    )
