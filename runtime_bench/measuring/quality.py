"""PSNR and SSIM of `.tflite` files, and of any upscaler, against ground-truth pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from export.running.interpreters import Runner
from export.running.pixel_range import FilePixels, find_pixels
from export.running.pixels import find_scale, upscale
from runtime_bench.measuring.usage import require_scale
from sr_models.ground.arguments import having, optional, takes, whole_number
from sr_models.ground.errors import ModelFileError, OptionError
from sr_models.ground.metrics import PROTOCOL, Quality, luma_pixels, measure_quality
from sr_models.ground.picture_files import list_images_by_folder
from sr_models.ground.pictures import Pair, crop_to_multiple, load_image
from sr_models.ground.pixel_range import PixelRange

# scikit-image's SSIM with sigma 1.5 looks through a window of this many pixels.
_SSIM_WINDOW = 11
_NONE: Mapping[Path, Path] = MappingProxyType({})
Step = Callable[[int, int, str], Any]


@dataclass(frozen=True)
class Dataset:
    """A set of ground-truth pictures.

    Attributes:
        name: Its folder's name.
        paths: The pictures, sorted.
    """

    name: str
    paths: tuple[Path, ...]


@dataclass(frozen=True)
class ImageQuality:
    """How well one picture was upscaled.

    Attributes:
        image: File name of the picture.
        raw: The codes read as pixels.
        dequantized: Through scale and zero point; equal to `raw` where there are no codes.
        saturated_fraction: Share of values outside of black to white before saturation.
    """

    image: str
    raw: Quality
    dequantized: Quality
    saturated_fraction: float = 0.0

    def to_json(self) -> dict:
        """One `per_image` row."""
        return {"image": self.image, **_readings(self), **_saturation(self)}


@dataclass(frozen=True)
class QualityResult:
    """How well one dataset was upscaled: means over its pictures.

    Attributes:
        model: What was measured.
        dataset: Name of the dataset.
        scale: Scale factor.
        delegate: Delegate it ran with; `None` for a network outside of an interpreter.
        images: One result per picture.
        sha256: Hash of the file; `None` for a network that is no file.
        runtime: Interpreter package and version; `None` where none ran.
        luma: Whether it upscales luma alone.
        given: Whether inputs came from files of their own.
        pixels: What black and white were for the file; `None` for a network that is no file.
    """

    model: str
    dataset: str
    scale: int
    delegate: str | None
    images: tuple[ImageQuality, ...]
    sha256: str | None = None
    runtime: str | None = None
    luma: bool = False
    given: bool = False
    pixels: FilePixels | None = None

    @property
    def raw(self) -> Quality:
        """Mean over the pictures of the raw reading."""
        return mean_quality([image.raw for image in self.images])

    @property
    def dequantized(self) -> Quality:
        """Mean over the pictures of the dequantized reading."""
        return mean_quality([image.dequantized for image in self.images])

    @property
    def saturated_fraction(self) -> float:
        """Mean over the pictures."""
        return float(np.mean([image.saturated_fraction for image in self.images]))

    def to_json(self) -> dict:
        """One `results` row."""
        return {
            "model": self.model,
            "dataset": self.dataset,
            "images": len(self.images),
            "scale": self.scale,
            **_readings(self),
            **_saturation(self),
            "protocol": quality_protocol(self.scale, luma=self.luma, given=self.given),
            "delegate": self.delegate,
            "runtime": self.runtime,
            "pixels": self.pixels and self.pixels.to_json(),
            "sha256": self.sha256,
        }

    def per_image(self) -> list[dict]:
        """The `per_image` rows."""
        return [
            {"model": self.model, "dataset": self.dataset, **image.to_json()}
            for image in self.images
        ]


def quality_protocol(scale: int, *, luma: bool = False, given: bool = False) -> str:
    """What the figures rest on, in one line."""
    of = ", of its luma in pixels" if luma else ""
    how = f"ground truth cropped to a multiple{of}, antialiased bicubic in float, rounded"
    if given:
        how = f"inputs as given beside the ground truth{of}"
    elif scale == 1:
        how = f"the ground truth itself as input{of}"
    return f"x{scale}, {how}; {PROTOCOL}; mean over pictures"


def is_luma(runner: Runner) -> bool:
    """Whether a file upscales luma alone."""
    return (runner.inputs[0].picture_shape or ())[-1:] == (1,)


def scale_of(runner: Runner, scale: int | None = None, *, luma: bool = False) -> int:
    """The scale factor of a file, checked against what the user said.

    Args:
        runner: An opened file.
        scale: What it must be.
        luma: Whether a file of one channel will do.

    Raises:
        OptionError: The file upscales by another factor than `scale`.
        ModelFileError: The file does not upscale pictures.
    """
    found = require_scale(find_scale(runner, luma=luma))
    if scale is not None and require_scale(scale) != found:
        raise OptionError(
            f"expected a x{scale} file, found x{found} in {runner.model.name}; change --scale"
        )
    return found


def find_datasets(folder: str | Path) -> list[Dataset]:
    """The datasets in a folder: one per subfolder with pictures, one of the pictures beside them.

    Raises:
        PictureError: The folder is missing, is no folder, or holds no picture.
    """
    return [Dataset(name, tuple(paths)) for name, paths in list_images_by_folder(folder).items()]


def load_pair(
    path: str | Path, *, scale: int, luma: bool = False, source: str | Path | None = None
) -> Pair:
    """Read one ground-truth picture, crop it to a multiple of `scale` and degrade it.

    For `luma` it is its luma in pixels, of one channel, as such a file was calibrated with.

    Args:
        path: The ground truth.
        scale: Scale factor.
        luma: Whether luma alone is wanted.
        source: The picture that is given to networks, where it is not made of the ground truth.

    Raises:
        PictureError: A picture cannot be used, is too small for the metrics, or does not fit.
    """
    # What the crop may take, the border on both sides, and SSIM's window.
    least = (scale - 1) + 2 * scale + _SSIM_WINDOW
    if source is not None:
        load_image(path, minimum_side=least)
        pair = Pair.given(path, source, scale=scale)
        return Pair(pair.path, luma_pixels(pair.low), luma_pixels(pair.high)) if luma else pair
    picture = crop_to_multiple(load_image(path, minimum_side=least), scale)
    return Pair.of(path, luma_pixels(picture) if luma else picture, scale=scale)


def load_pairs(
    paths: Iterable[str | Path], *, scale: int, inputs: Mapping[Path, Path] = _NONE
) -> Iterator[Pair]:
    """`load_pair` for each path, one at a time, with the input that `inputs` has for it."""
    return (load_pair(path, scale=scale, source=inputs.get(path)) for path in paths)


def mean_quality(qualities: Sequence[Quality]) -> Quality:
    """Mean of each figure over pictures, as super-resolution papers give it."""
    return Quality(
        *(
            float(np.mean([getattr(quality, name) for quality in qualities]))
            for name in ("psnr_rgb_db", "psnr_y_db", "ssim_y")
        )
    )


def measure_upscaler(
    upscaler: Callable[[np.ndarray], np.ndarray], pairs: Iterable[Pair], *, scale: int
) -> tuple[ImageQuality, ...]:
    """Quality of anything that upscales a uint8 picture, e.g. the float Keras network.

    Args:
        upscaler: uint8 (h, w, 3) -> uint8 (h s, w s, 3), RGB, already saturated.
        pairs: Ground truth and input.
        scale: Scale factor s.

    Returns:
        One result per pair; both readings are the same, for there are no codes.
    """
    results = []
    for pair in pairs:
        quality = _measured(upscaler(pair.low), pair, scale=scale)
        results.append(ImageQuality(pair.name, quality, quality))
    return tuple(results)


@takes(
    runner=having("inputs", "outputs", what="an opened file", cure="give export.open_model(path)"),
    dataset=having("paths", "name", what="a dataset", cure="take one of find_datasets(folder)"),
    scale=optional(whole_number(1)),
)
def measure_file(
    runner: Runner,
    dataset: Dataset,
    *,
    scale: int | None = None,
    pixels: PixelRange | None = None,
    inputs: Mapping[Path, Path] = _NONE,
    on_step: Step | None = None,
) -> QualityResult:
    """Quality of an opened file on one dataset, each picture at its own size.

    A file of one channel is fed luma and measured on luma; RGB figures are not a number.

    Args:
        runner: The file; it is resized for each picture.
        dataset: Ground-truth pictures.
        scale: Scale factor that the file must have; taken from the file by default.
        pixels: What black and white are for the file; found by default.
        inputs: Ground truth -> the picture that the file is given, see
            `sr_models.ground.picture_files.paired_inputs`; made of the ground truth by default.
        on_step: Called with pictures done, all pictures and the next one's name.

    Raises:
        ModelFileError: The file cannot run at a picture's size, or does not upscale.
        PictureError: A picture cannot be used.
    """
    scale, luma = scale_of(runner, scale, luma=True), is_luma(runner)
    found = find_pixels(runner.model, given=pixels)
    images = []
    for done, path in enumerate(dataset.paths):
        if on_step is not None:
            on_step(done, len(dataset.paths), f"{dataset.name} {path.name}")
        pair = load_pair(path, scale=scale, luma=luma, source=inputs.get(path))
        result = upscale(runner, pair.low, pixels=found.range)
        raw = _measured(result.raw, pair, scale=scale, model=runner.model.name)
        same = np.array_equal(result.raw, result.dequantized)
        dequantized = raw if same else _measured(result.dequantized, pair, scale=scale)
        images.append(ImageQuality(pair.name, raw, dequantized, result.saturated_fraction))
    return QualityResult(
        runner.model.name,
        dataset.name,
        scale,
        runner.delegate,
        tuple(images),
        sha256=runner.model.sha256,
        runtime=str(runner.runtime),
        luma=luma,
        given=bool(inputs),
        pixels=found,
    )


def _measured(
    result: np.ndarray, pair: Pair, *, scale: int, model: str = "the upscaler"
) -> Quality:
    if result.shape != pair.high.shape or result.dtype != np.uint8:
        raise ModelFileError(
            f"expected uint8 {list(pair.high.shape)} for {pair.name} from {model}, found "
            f"{result.dtype} {list(result.shape)}; give a x{scale} file of any input size"
        )
    return measure_quality(result, pair.high, scale=scale)


def _readings(result: ImageQuality | QualityResult) -> dict:
    raw, dequantized = result.raw, asdict(result.dequantized)
    return {**asdict(raw), **{f"dequantized_{key}": value for key, value in dequantized.items()}}


def _saturation(result: ImageQuality | QualityResult) -> dict:
    return {"saturated_fraction": result.saturated_fraction}
