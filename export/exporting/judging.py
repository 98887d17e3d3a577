"""The exported file against the float network, on pictures that calibration has not seen."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from export.exporting.settings import ExportSettings
from export.inspecting.audit import Audit, missing_ranges
from export.running.interpreters import Runner
from export.running.pixels import upscale
from representative_data.dataset import RepresentativeDataset
from representative_data.probe import read_pictures
from sr_models.ground.metrics import cut_border, luma, luma_pixels, psnr_db
from sr_models.ground.pictures import Pair, crop_to_multiple, degrade, load_image, to_pixels
from sr_models.ground.pixel_range import UNIT
from sr_models.networks.evaluation import pixel_upscaler
from sr_models.networks.graph import output_name
from sr_models.networks.keras_windows import size_multiple
from sr_models.observing.tensors import TensorReader
from sr_models.quantization.ranges import TensorRanges
from sr_models.tflite.flatbuffer import FileGraph


def find_failures(
    graph: FileGraph,
    *,
    audit: Audit,
    fidelity: Fidelity,
    settings: ExportSettings,
    dataset: RepresentativeDataset,
    ranges: TensorRanges | None,
    drop: HeldOutDrop | None = None,
) -> list[str]:
    """Why a file must not be handed over; empty for a good one."""
    failures = []
    chosen, io, limits = settings.quantizing, settings.files.io, settings.limits
    if chosen.precision != "float32":
        allowed = 2 if io == "float32" else 0
        if audit.float_tensors > allowed and not chosen.may_hold_floats:
            failures.append(f"{audit.float_tensors} tensors are float, expected {allowed}")
        if io in ("uint8", "int8"):
            failures += [
                f"pixel contract: {reason}{_culprit(reason, dataset)}"
                for reason in audit.pixel_contract.reasons
            ]
        is_int8 = chosen.precision == "int8"
        if is_int8 and ranges is not None and (missing := missing_ranges(graph, ranges)):
            failures.append(f"the converter did not take over the ranges of {', '.join(missing)}")
    if chosen.tail != "clip" and audit.clip_ops:
        names = ", ".join(f"{op['op']} (operator {op['index']})" for op in audit.clip_ops)
        failures.append(f"clip operators are left: {names}")
    if not fidelity.psnr_db >= limits.minimum_fidelity_db:
        failures.append(
            f"fidelity to the float network is {fidelity.psnr_db:.2f} dB, expected at least "
            f"{limits.minimum_fidelity_db:g} dB"
        )
    if drop is not None and not drop.worst_db <= limits.max_drop_db:
        failures.append(
            f"PSNR drops by {drop.worst_db:.3f} dB on pictures held out, expected at most "
            f"{limits.max_drop_db:g} dB"
        )
    return failures


def _culprit(reason: str, dataset: RepresentativeDataset) -> str:
    """The calibration picture behind a broken contract, where one can be named."""
    used = [record for record in dataset.records if record.status != "dropped"]
    if reason.startswith("output scale"):
        worst = max(used, key=lambda record: record.output_after[1])
        return f" (calibration picture {worst.source} reaches {worst.output_after[1]:.4f})"
    if reason.startswith("output zero"):
        worst = min(used, key=lambda record: record.output_after[0])
        return f" (calibration picture {worst.source} reaches {worst.output_after[0]:.4f})"
    if reason.startswith("input scale"):
        low, high = dataset.input_range
        return f" (the calibration pictures span {low:.4f}..{high:.4f})"
    return ""


@dataclass(frozen=True)
class Fidelity:
    """How near a file's pixels are to the float network's saturated pixels.

    Attributes:
        pictures: Number of pictures compared.
        psnr_db: PSNR of the raw codes against the float pixels, all pictures pooled, in dB.
        dequantized_psnr_db: The same through scale and zero point.
        max_abs_code_difference: Greatest difference of a pixel, in codes (raw).
        differing_fraction: Share of the pixels that differ (raw).
        saturated_fraction: Share of the float outputs that left [0, 1] and were saturated.
        delegate: Kernel path of the file.
    """

    pictures: int
    psnr_db: float
    dequantized_psnr_db: float
    max_abs_code_difference: int
    differing_fraction: float
    saturated_fraction: float
    delegate: str

    def to_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return asdict(self)


def _psnr_db(square_sum: float, count: int) -> float:
    return 10.0 * math.log10(255.0**2 * count / square_sum) if square_sum else math.inf


def measure_fidelity(runner: Runner, model, pictures: Sequence[np.ndarray]) -> Fidelity:
    """Compare a file with its float network; needs no ground truth.

    Args:
        runner: The opened file.
        model: Float network, (N, H, W, 3) in 0..1 -> (N, H s, W s, 3), no tail needed: its output
            is saturated here.
        pictures: uint8 (h, w, 3) low-resolution inputs.

    Raises:
        ModelFileError: The file refuses a picture's size.
    """
    reader = TensorReader(model, [output_name(model)])
    squares, dequantized_squares, differing, count, outside, most = 0.0, 0.0, 0, 0, 0, 0
    for picture, ((values,),) in zip(pictures, read_pictures(reader, pictures, np.copy)):
        expected = to_pixels(values).astype(np.int16)
        result = upscale(runner, picture, pixels=UNIT)
        difference = np.abs(result.raw.astype(np.int16) - expected)
        dequantized = result.dequantized.astype(np.int16) - expected
        squares += float(np.square(difference, dtype=np.float64).sum())
        dequantized_squares += float(np.square(dequantized, dtype=np.float64).sum())
        differing += int(np.count_nonzero(difference))
        outside += int(np.count_nonzero((values < 0.0) | (values > 1.0)))
        most = max(most, int(difference.max()))
        count += difference.size
    return Fidelity(
        pictures=len(pictures),
        psnr_db=_psnr_db(squares, count),
        dequantized_psnr_db=_psnr_db(dequantized_squares, count),
        max_abs_code_difference=most,
        differing_fraction=differing / count,
        saturated_fraction=outside / count,
        delegate=runner.delegate,
    )


MAX_SIDE = 768
"""Larger pictures are cut to their middle, which is enough to tell."""

_NONE: Mapping[Path, Path] = MappingProxyType({})
Upscale = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class HeldOutDrop:
    """PSNR of the float network less that of the int8 network, means over pictures.

    Attributes:
        pictures: Number of pictures.
        psnr_rgb_drop_db: Over all three channels, in dB; `None` for a network of luma.
        psnr_y_drop_db: On luma, in dB.
    """

    pictures: int
    psnr_rgb_drop_db: float | None
    psnr_y_drop_db: float

    @property
    def worst_db(self) -> float:
        """The greater of the two."""
        return max(d for d in (self.psnr_rgb_drop_db, self.psnr_y_drop_db) if d is not None)

    def to_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return asdict(self)


class DropMeter:
    """Knows what the float network reaches, and holds others against it."""

    def __init__(
        self,
        reference: Upscale,
        paths: Sequence[Path],
        *,
        scale: int,
        channels: int = 3,
        multiple: int = 1,
        inputs: Mapping[Path, Path] = _NONE,
    ):
        """Measure the reference.

        Args:
            reference: What the float network makes of uint8 pixels.
            paths: Ground truth, full-resolution pictures.
            scale: Scale factor.
            channels: 3 for RGB, 1 for luma.
            multiple: What height and width of an input must be a multiple of.
            inputs: Ground truth -> the file of its input; made of the ground truth by default.
        """
        self.scale, self.channels = scale, channels
        cut = {"scale": scale, "channels": channels, "multiple": multiple}
        self.pairs = [
            _pair(path, **cut) if path not in inputs else _given_pair(path, inputs[path], **cut)
            for path in paths
        ]
        self.expected = [self._quality(reference(low), high) for low, high in self.pairs]

    @classmethod
    def of(
        cls,
        model,
        paths: Sequence[Path],
        *,
        scale: int,
        channels: int = 3,
        inputs: Mapping[Path, Path] = _NONE,
    ) -> DropMeter:
        """The meter of a float Keras network."""
        given = {"scale": scale, "channels": channels, "inputs": inputs}
        return cls(pixel_upscaler(model), paths, multiple=size_multiple(model), **given)

    def _quality(self, found: np.ndarray, high: np.ndarray) -> tuple[float, ...]:
        found, high = cut_border(found, self.scale), cut_border(high, self.scale)
        if self.channels == 1:
            return (psnr_db(found, high),)
        return psnr_db(found, high), psnr_db(luma(found), luma(high))

    def __call__(self, upscale: Upscale) -> HeldOutDrop:
        """Measure a function from uint8 (h, w, C) to uint8 (h s, w s, C)."""
        found = [self._quality(upscale(low), high) for low, high in self.pairs]
        *rgb, y = (np.array(self.expected) - np.array(found)).mean(axis=0).tolist()
        return HeldOutDrop(len(self.pairs), rgb[0] if rgb else None, y)


def _pair(path: Path, *, scale: int, channels: int, multiple: int) -> tuple[np.ndarray, np.ndarray]:
    high = load_image(path, minimum_side=8 * scale)
    high = high if channels == 3 else luma_pixels(high)
    top, left = (max(0, (size - MAX_SIDE) // 2) for size in high.shape[:2])
    high = high[top : top + MAX_SIDE, left : left + MAX_SIDE]
    high = crop_to_multiple(high, scale * multiple)
    return degrade(high, scale), high


def _given_pair(
    path: Path, source: Path, *, scale: int, channels: int, multiple: int
) -> tuple[np.ndarray, np.ndarray]:
    """The middle of a picture and of the input that a file of its own holds."""
    pair = Pair.given(path, source, scale=scale)
    side = MAX_SIDE // scale
    top, left = (max(0, (size - side) // 2) for size in pair.low.shape[:2])
    low = crop_to_multiple(pair.low[top : top + side, left : left + side], multiple)
    high = pair.high[top * scale :, left * scale :]
    high = high[: low.shape[0] * scale, : low.shape[1] * scale]
    return (low, high) if channels == 3 else (luma_pixels(low), luma_pixels(high))
